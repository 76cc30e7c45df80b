"""Simulated annotations for any classes and any number of segments, with LLP's proportions and none of its classes.

A video has one to three weak labels. Class 0 is the most frequent, the last one about a quarter as frequent. Each
event is only heard, only seen, or both, and on in one or two runs whose lengths are LLP's, as shares of the video; it
is on in at least one segment, so the weak label is the union of the dense ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.simulate.labels import Dense
from leap_avvp.data.simulate.tables import BOTH_AUDIO, HEARD_ONLY, VISUAL, RunTable

__all__ = ["draw_dense_labels", "draw_weak_labels"]

_COUNTS = (0.40, 0.50, 0.10)  # videos with 1, 2 and 3 weak labels
_RAREST = 0.25  # frequency of the last class, against that of the first
_ONLY_HEARD, _ONLY_SEEN = 0.35, 0.05
_SAME = 0.6  # of the events that are both: heard exactly when they are seen
_AT_AN_END = 0.3  # stretches that begin with the video; as many others end with it
_COLUMNS = 6  # numbers that a pattern is made of


def draw_weak_labels(number: int, classes: int, order: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return (N, C) weak labels of ``number`` videos; the first n of them do not depend on ``number``.

    Args:
        number: N.
        classes: C.
        order: a permutation of the classes. Video i has class ``order[i]``, as long as there are such: so a small
            set holds many classes, and splits with one order hold the same ones.
        rng: of the split.
    """
    uniform = rng.random((number, 4))
    edges = np.cumsum(np.linspace(1.0, _RAREST, classes))

    def pick(column: int) -> NDArray[np.intp]:
        index: NDArray[np.intp] = np.searchsorted(edges, uniform[:, column] * edges[-1], side="right")
        return index.clip(max=classes - 1)

    most = min(len(_COUNTS), classes)
    shares = np.cumsum(_COUNTS[:most])
    count = np.searchsorted(shares, uniform[:, 0] * shares[-1], side="right").clip(max=most - 1) + 1  # (N,)
    first = pick(1)
    first[:classes] = order[:number]
    weak = np.zeros((number, classes), dtype=bool)
    weak[np.arange(number), first] = True
    for turn in range(2, most + 1):
        rows = np.flatnonzero(count >= turn)
        further = pick(turn)[rows]
        while (taken := weak[rows, further]).any():  # a class that is there already gives way to the next one
            further[taken] = (further[taken] + 1) % classes
        weak[rows, further] = True
    return weak


def draw_dense_labels(weak: NDArray[np.bool_], segments: int, rng: np.random.Generator) -> Dense:
    """Return dense labels (N, T, C) whose union over modalities and segments is exactly ``weak`` (N, C).

    Those of the first n videos do not depend on the videos that follow.
    """
    video, event = np.nonzero(weak)
    uniform = rng.random((len(video), 2 + 2 * _COLUMNS))
    case, same = uniform[:, 0], uniform[:, 1] < _SAME  # (E,)
    one, other = uniform[:, 2 : 2 + _COLUMNS], uniform[:, 2 + _COLUMNS :]
    only_heard, only_seen = case < _ONLY_HEARD, case >= 1 - _ONLY_SEEN
    seen = _patterns(VISUAL, segments, one)  # (E, T)
    heard = np.where(same[:, None], seen, _patterns(BOTH_AUDIO, segments, other))
    heard[only_heard] = _patterns(HEARD_ONLY, segments, other[only_heard])
    heard[only_seen], seen[only_heard] = False, False
    shape = (len(weak), segments, weak.shape[1])
    audio, visual = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    audio[video, :, event], visual[video, :, event] = heard, seen
    return Dense(audio, visual)


def _patterns(table: RunTable, segments: int, uniform: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (E, T) patterns of one or two runs from ``uniform`` (E, 6) in [0, 1)."""
    size, within, end, place, gap, middle = uniform.T
    # A run as long as the video is the only one of its event; the lengths of others are spread within their tenth.
    lengths = np.array(table.lengths, dtype=np.float64)
    lengths[:-1] *= (table.runs[0] - lengths[-1]) / lengths[:-1].sum()
    share = lengths.cumsum() / lengths.sum()
    tenths = np.searchsorted(share, size, side="right").clip(max=len(share) - 1) + 1
    part = np.where(tenths == len(share), len(share), tenths - within) / len(share)
    length = np.ceil(part * segments).astype(int).clip(1, segments)
    first = np.floor(place * (segments - length + 1)).astype(int)
    first[end < _AT_AN_END] = 0
    first[end >= 1 - _AT_AN_END] = (segments - length)[end >= 1 - _AT_AN_END]
    # A stretch with a gap in it is two runs; short gaps are more frequent.
    broken = 1 - table.runs[0] / sum(table.runs)
    gapped = (gap < broken) & (length >= 3)
    hole = 1 + np.floor((gap / broken) ** 2 * (length - 2)).astype(int)
    start = first + 1 + np.floor(middle * (length - hole - 1)).astype(int)
    time = np.arange(segments)

    def inside(begin: NDArray[np.intp], number: NDArray[np.intp]) -> NDArray[np.bool_]:
        return (time >= begin[:, None]) & (time < (begin + number)[:, None])

    pattern: NDArray[np.bool_] = inside(first, length) & ~(inside(start, hole) & gapped[:, None])
    return pattern
