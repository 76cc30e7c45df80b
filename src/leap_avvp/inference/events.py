"""Grids of segments as events: class, modality, onset, offset and how sure the model is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import DataCard

__all__ = ["MODALITIES", "Event", "events_of"]

MODALITIES = ("audio", "visual")


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that is heard or seen without a break."""

    name: str
    """The class, as annotation files spell it."""
    display: str
    """The class, as figures show it."""
    modality: str
    """``audio`` or ``visual``."""
    onset: float
    """Seconds from the start of the video."""
    offset: float
    """Seconds; the end of the event's last segment."""
    probability: float
    """Mean of the event's segment probabilities."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain content."""
        return dataclasses.asdict(self)


def events_of(
    grids: Mapping[str, NDArray[np.bool_]], probabilities: Mapping[str, NDArray[np.float32]], card: DataCard
) -> list[Event]:
    """Return the maximal runs of one video's grids as events, by onset, offset, class and modality.

    Args:
        grids: by modality: (T, C) what occurs when.
        probabilities: by modality: (T, C) of the same segments.
        card: classes and seconds a segment.
    """
    found = []
    for place, modality in enumerate(MODALITIES):
        by_class = grids[modality].T.astype(np.int8)  # (C, T)
        change = np.diff(by_class, axis=1, prepend=0, append=0)  # (C, T + 1)
        starts, ends = np.argwhere(change == 1), np.argwhere(change == -1)
        for (index, first), (_, last) in zip(starts.tolist(), ends.tolist(), strict=True):
            mean = float(probabilities[modality][first:last, index].mean(dtype=np.float64))
            times = (_seconds(first, card), _seconds(last, card))
            found.append(
                (first, last, index, place, Event(card.classes[index], card.display[index], modality, *times, mean))
            )
    return [entry[-1] for entry in sorted(found, key=lambda entry: entry[:-1])]


def _seconds(segment: int, card: DataCard) -> float:
    return float(f"{segment * card.seconds:.10g}")  # as annotation files are written: 0.3, not 0.30000000000000004
