"""What a data set is: its classes, segments, files and features, as a card says that stands beside the data."""

from leap_avvp.card.dataset import LLP, DataCard
from leap_avvp.card.features import FeatureSet, Stream, feature_set, named_features

__all__ = ["LLP", "DataCard", "FeatureSet", "Stream", "feature_set", "named_features"]
