"""Simulated annotations: which events occur in a video, in which modality, and when.

A video is drawn in four steps. (1) How many weak labels. (2) Which: one class, or one of LLP's pairs of classes, and
for three or four labels further classes that LLP shows with those already drawn. (3) For each event, by its class:
only heard, only seen, or both. (4) When, from :mod:`leap_avvp.data.simulate.timing`. Every event is on in at least one
second, so the weak label is the union of the dense ones, without the few contradictions of the real files.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.simulate.tables import AUDIBLE_VISIBLE_BOTH, LABELS_PER_VIDEO, PAIRS, SINGLES
from leap_avvp.data.simulate.timing import timing_model
from leap_avvp.llp import NUM_CLASSES, NUM_SEGMENTS

__all__ = ["Dense", "draw_dense", "draw_weak"]


class Dense(NamedTuple):
    """Dense truth of N videos."""

    audio: NDArray[np.bool_]
    """(N, T, C)"""
    visual: NDArray[np.bool_]
    """(N, T, C)"""


def _pick(weight: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return (N,) indices drawn with probability proportional to ``weight``, (K,) or (N, K); ``uniform`` (N,)."""
    edges = np.cumsum(np.atleast_2d(weight), axis=1)
    index: NDArray[np.intp] = (edges <= uniform[:, None] * edges[:, -1:]).sum(axis=1)
    return index.clip(max=edges.shape[1] - 1)


def draw_weak(split: str, number: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return (N, C) weak labels of ``number`` videos of ``split``; the first n of them do not depend on ``number``."""
    kind = "train" if split == "train" else "eval"
    uniform = rng.random((number, 5))
    count = _pick(np.array(LABELS_PER_VIDEO[split], dtype=np.float64), uniform[:, 0]) + 1  # (N,)
    table = np.array(PAIRS)
    ends = table[:, :2]
    weak = np.zeros((number, NUM_CLASSES), dtype=bool)
    single = _pick(np.array(SINGLES[kind], dtype=np.float64), uniform[:, 1])
    rows = np.flatnonzero(count == 1)
    weak[rows, single[rows]] = True
    pair_weight = table[:, 2 if kind == "train" else 3].astype(np.float64)
    crowd_weight = table[:, 4].astype(np.float64)
    for rows, weight in ((np.flatnonzero(count == 2), pair_weight), (np.flatnonzero(count >= 3), crowd_weight)):
        chosen = ends[_pick(weight, uniform[rows, 1])]
        weak[rows[:, None], chosen] = True
    # A further class goes by how often it is seen with the classes already there; 0.5 keeps unseen pairs possible.
    affinity = np.full((NUM_CLASSES, NUM_CLASSES), 0.5)
    affinity[ends[:, 0], ends[:, 1]] += crowd_weight
    affinity[ends[:, 1], ends[:, 0]] += crowd_weight
    log_affinity = np.log(affinity / affinity.sum(axis=0) ** 0.5)
    for order in (3, 4):
        rows = np.flatnonzero(count >= order)
        if len(rows):
            weight = np.exp(weak[rows] @ log_affinity) * ~weak[rows]
            weak[rows, _pick(weight, uniform[rows, order - 1])] = True
    return weak


def draw_dense(weak: NDArray[np.bool_], rng: np.random.Generator) -> Dense:
    """Return dense labels whose union over modalities and seconds is exactly ``weak`` (N, C).

    Those of the first n videos do not depend on the videos that follow.
    """
    uniform = rng.random((len(weak), NUM_CLASSES, 3))
    video, event = np.nonzero(weak)
    case, first, second = uniform[video, event].T  # (E,) each
    heard, seen, both = np.array(AUDIBLE_VISIBLE_BOTH, dtype=np.float64).T
    present = heard + seen - both
    only_heard = case < ((present - seen) / present)[event]
    only_seen = case >= (heard / present)[event]
    is_both = ~only_heard & ~only_seen
    model = timing_model()
    audio = np.zeros((len(weak), NUM_SEGMENTS, NUM_CLASSES), dtype=bool)
    visual = np.zeros_like(audio)
    shown = only_seen | is_both
    visual[video[shown], :, event[shown]] = model.seen(event[shown], first[shown])
    audio[video[is_both], :, event[is_both]] = model.heard_given(
        event[is_both], visual[video[is_both], :, event[is_both]], second[is_both]
    )
    heard_only = model.heard_only(event[only_heard], first[only_heard])
    _take_turns(audio, video[only_heard], event[only_heard], heard_only)
    return Dense(audio, visual)


def _take_turns(
    audio: NDArray[np.bool_], video: NDArray[np.intp], event: NDArray[np.intp], pattern: NDArray[np.bool_]
) -> None:
    """Write the patterns (E, T) of events that are only heard into ``audio`` (N, T, C), or mirrored in time.

    LLP's videos are seldom silent: a voice over is heard where the other event is not. Of a pattern and its mirror
    image, which has the same runs, the one is taken that leaves fewer seconds silent.
    """
    for label in np.unique(event):
        rows = np.flatnonzero(event == label)
        silent = ~audio[video[rows]].any(axis=2)  # (R, T)
        mirrored = pattern[rows, ::-1]
        better = (silent & mirrored).sum(axis=1) > (silent & pattern[rows]).sum(axis=1)
        audio[video[rows], :, label] = np.where(better[:, None], mirrored, pattern[rows])
