"""Data cards that tests simulate."""

from __future__ import annotations

import dataclasses

from leap_avvp.card import LLP, DataCard, named_features

SETS = ("llp", "valor", "uwav", "lsld", "embedded")
WIDTHS = {
    "llp": (128, 2048, 512),
    "valor": (768, 768, 512),
    "uwav": (512, 768, 512),
    "lsld": (512, 512),
    "embedded": (1024, 1280),
}
SMALL = {"num_train": 6, "num_val": 2, "num_test": 3}


def make_card(classes: int, segments: int, features: str = "lsld", seconds: float = 1.0) -> DataCard:
    """Return a card of ``class 0``, ``class 1`` and so on, with files of its own names."""
    names = tuple(f"class {number}" for number in range(classes))
    return DataCard(
        name=f"own-{classes}",
        classes=names,
        display=names,
        segments=segments,
        seconds=seconds,
        weak={"train": "tr.csv", "val": "va.csv", "test": "te.csv"},
        dense={"audio": "heard.csv", "visual": "seen.csv"},
        features=named_features(features),
    )


def llp_with(features: str) -> DataCard:
    """Return LLP's card with another feature set."""
    return dataclasses.replace(LLP, features=named_features(features))
