"""Labels of single segments that others made: VALOR's, UWAV's, LSLD's, or a folder of one's own."""

from leap_avvp.data.pseudo.labels import PseudoLabels, read_segment_labels
from leap_avvp.data.pseudo.layout import LabelLayout, label_layout

__all__ = ["LabelLayout", "PseudoLabels", "label_layout", "read_segment_labels"]
