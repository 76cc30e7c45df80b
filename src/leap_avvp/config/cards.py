"""The data card in a config: found beside the data, put into the config, and held against that of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leap_avvp.card import LLP, DataCard, FeatureSet, feature_set
from leap_avvp.card.read import card_file, card_from, read_card
from leap_avvp.errors import ConfigError

__all__ = ["card_in", "found_card", "same_card", "with_card"]


def found_card(data: Mapping[str, Any]) -> DataCard | None:
    """Return the card that the ``data`` of a config names or that lies beside them; None for LLP without one.

    Raises:
        DataError: a card that is damaged, or not there.
    """
    named, root = data.get("card"), data.get("root")
    if named is None and root is not None and (Path(str(root)) / "header.json").is_file():
        # A packed set that was taken along alone. Here, not above: it brings torch, which no plan of a study needs.
        from leap_avvp.data.packed.format import read_header

        return read_header(Path(str(root))).data_card()
    path = card_file(*(None if place is None else str(place) for place in (root, named)))
    return None if path is None else read_card(path)


def with_card(content: Mapping[str, Any], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return a plain config with the card of its data and the feature set, so that a checkpoint carries both.

    The features are those that the command line names, or a system that it names; else the card's, else LLP's.

    Args:
        content: plain.
        overrides: what the command line named.

    Raises:
        ConfigError: a feature set that is none.
        DataError: a card that is damaged, or not there.
    """
    data = content.get("data")
    found = found_card(data) if isinstance(data, Mapping) else None
    composed = _features(content)
    named = any(text.lstrip("+~").startswith(("features=", "features.")) for text in overrides)
    features = composed if named or found is None or composed != LLP.features else found.features
    # Without LLP's, which is built in: so a config of LLP is what it was before there were cards.
    rest = {key: value for key, value in content.items() if key != "card"}
    rest["features"] = features.to_dict()
    return rest if found is None or found.is_llp else {**rest, "card": found.to_dict()}


def card_in(content: Mapping[str, Any]) -> DataCard:
    """Return the card that :func:`with_card` has put into a config; LLP's for one that has none.

    Raises:
        ConfigError: it is damaged.
    """
    features = _features(content)
    node = content.get("card")
    card = LLP if node is None else card_from({**node, "features": features.to_dict()}, "card")
    return card.with_features(features)


def _features(content: Mapping[str, Any]) -> FeatureSet:
    node = content.get("features")
    return LLP.features if node is None else feature_set(node)


def same_card(checkpoint: Path, trained: DataCard, data: DataCard) -> None:
    """Check that a model can read data: the same classes in the same order, segments, and widths of features.

    Raises:
        ConfigError: naming the first difference.
    """
    difference = trained.difference(data)
    if difference:
        raise ConfigError(
            f"{checkpoint}: a checkpoint of another data card ({trained.name}) than the data's ({data.name}): "
            f"{difference}; score data of its own kind, or train on these"
        )
