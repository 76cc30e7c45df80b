"""What a figure of a parsed video shows: the truth, and what each run says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import LLP, DataCard

__all__ = ["MODALITIES", "Grids", "ParsedVideo", "Parsing", "runs_of"]

MODALITIES = ("audio", "visual")


@dataclasses.dataclass(frozen=True)
class Grids:
    """Events of videos: predictions, or the truth."""

    video_ids: list[str]
    """Length N."""
    audio: NDArray[np.bool_]
    """(N, T, C)"""
    visual: NDArray[np.bool_]
    """(N, T, C)"""


@dataclasses.dataclass(frozen=True)
class Parsing:
    """What one run says of one video; each mapping has the keys ``audio`` and ``visual``."""

    label: str
    """Names the run: ``LEAP``."""
    events: Mapping[str, NDArray[np.bool_]]
    """(T, C) what the run predicts under its protocol."""
    probability: Mapping[str, NDArray[np.float32]]
    """(C, T) segment probabilities."""
    attention: Mapping[str, NDArray[np.float32]] | None
    """(C, T) cross-modal attention of the block that is read, the mean over heads: sums to 1 over the segments. None
    for a decoder without one, such as MMIL."""
    threshold: Mapping[str, float]
    """Of the segment probabilities."""


@dataclasses.dataclass(frozen=True)
class ParsedVideo:
    """A video, its truth and what one or two runs say of it."""

    video_id: str
    data_source: str
    """``simulated``, or the name of the card."""
    truth: Mapping[str, NDArray[np.bool_]]
    """(T, C) under ``audio`` and ``visual``."""
    parsings: tuple[Parsing, ...]
    """In the order of the figure's rows."""
    protocols: tuple[str, ...] = ()
    """Name of each run's protocol."""
    card: DataCard = LLP
    """Its classes and segments."""


def runs_of(active: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (start, length) of each maximal run of True in (T,): an event in segments."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], active, [False])).astype(np.int8)))
    return [(int(start), int(end - start)) for start, end in zip(edges[::2], edges[1::2], strict=True)]
