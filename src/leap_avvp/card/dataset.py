"""The data card: classes, segments, annotation files and features of a data set. LLP's is built in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from leap_avvp import llp
from leap_avvp.card.features import LLP_FEATURES, FeatureSet

__all__ = ["CARD_FILE", "IDS", "LLP", "DataCard"]

CARD_FILE = "dataset.yaml"
"""Name of the card in a data folder."""
IDS = ("filename", "llp")
"""What names a video's feature files: its whole ``filename``, or the 11 characters that begin LLP's."""


@dataclasses.dataclass(frozen=True)
class DataCard:
    """What a data set is. C classes, T segments."""

    name: str
    """``llp``, or what the card says; every reported number carries it."""
    classes: tuple[str, ...]
    """(C,) as the annotation files spell them; the index is the class id."""
    display: tuple[str, ...]
    """(C,) as figures and tables show them."""
    segments: int
    """T."""
    seconds: float
    """Of a segment."""
    weak: Mapping[str, str]
    """By split: the file with ``filename`` and ``event_labels``."""
    dense: Mapping[str, str]
    """By modality: the file with ``filename``, ``onset``, ``offset`` and ``event_labels``; maybe none."""
    features: FeatureSet
    ids: str = "filename"
    """See :data:`IDS`."""

    @property
    def is_llp(self) -> bool:
        """Whether classes, segments and files are LLP's, whatever the features."""
        return self.with_features(LLP_FEATURES) == LLP

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.classes)

    @property
    def duration(self) -> float:
        """Seconds of a video."""
        return self.segments * self.seconds

    def video_id(self, filename: str) -> str:
        """Return what names the files of a video."""
        return llp.video_id(filename) if self.ids == "llp" else filename

    def with_features(self, features: FeatureSet) -> DataCard:
        """Return the same card with another feature set."""
        return dataclasses.replace(self, features=features)

    def to_dict(self) -> dict[str, Any]:
        """Return plain content, as ``dataset.yaml`` has it, without the features."""
        return {
            "name": self.name,
            "classes": dict(zip(self.classes, self.display, strict=True)),
            "segments": self.segments,
            "seconds": self.seconds,
            "weak": dict(self.weak),
            "dense": dict(self.dense),
            "ids": self.ids,
        }

    def describe(self) -> dict[str, object]:
        """Return what tells a card from LLP's, for reports: nothing of LLP itself."""
        facts: dict[str, object] = {} if self.features == LLP.features else {"features": self.features.to_dict()}
        if not self.is_llp:
            facts["card"] = {"name": self.name, "classes": self.num_classes, "segments": self.segments}
        return facts

    def difference(self, other: DataCard) -> str | None:
        """Say in what two cards differ that a model sees: classes, segments, features; None if in nothing."""
        if self.classes != other.classes:
            if len(self.classes) != len(other.classes):
                return f"{len(self.classes)} classes and {len(other.classes)}"
            place = next(
                n for n, pair in enumerate(zip(self.classes, other.classes, strict=True)) if len(set(pair)) > 1
            )
            return f"class {place} is {self.classes[place][:60]!r} and {other.classes[place][:60]!r}"
        if self.segments != other.segments:
            return f"{self.segments} segments and {other.segments}"
        if self.features.widths != other.features.widths:
            return f"features {self.features.describe()} and {other.features.describe()}"
        return None


def _readable(name: str) -> str:
    return name.replace("_", " ")


LLP = DataCard(
    name="llp",
    classes=llp.CLASSES,
    display=tuple(map(_readable, llp.CLASSES)),
    segments=llp.NUM_SEGMENTS,
    seconds=1.0,
    weak=llp.WEAK_FILES,
    dense=llp.DENSE_FILES,
    features=LLP_FEATURES,
    ids="llp",
)
"""The card of LLP (Tian et al., ECCV 2020)."""
