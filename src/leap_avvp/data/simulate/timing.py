"""When an event is on: distributions over the 1,012 ways to switch ten seconds on and off in at most four runs.

For each kind of event (:class:`~leap_avvp.data.simulate.tables.RunTable`) the pattern follows the distribution of
largest entropy with LLP's number of runs, run lengths, onsets at second 0 and ends at second 10 over all classes, and
LLP's mean duration per class: ``P_c(p) ~ exp(weight . features(p) + tilt_c * seconds(p))``. For events that are both
heard and seen, audio and visual pattern are drawn together: the joint distribution closest to a kernel that favours
overlap, with these two as marginals (Sinkhorn's algorithm).
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.simulate.tables import AUDIBLE_VISIBLE_BOTH, BOTH_AUDIO, HEARD_ONLY, VISUAL, RunTable
from leap_avvp.llp import NUM_CLASSES, NUM_SEGMENTS

__all__ = ["TimingModel", "timing_model"]

_MAX_RUNS = 4
# The overlap kernel exp(OVERLAP * IoU + EXACT * [equal]), tuned once to LLP's temporal IoU of
# the two modalities (mean 0.827, 60.4 % exactly 1, 10 % below 0.4).
_OVERLAP = 5.2
_EXACT = 1.75
_RIDGE = 1e-5
# A mean of 10 s is on the border of what a distribution can have; stay inside.
_LONGEST_MEAN = 9.6


def _patterns() -> NDArray[np.bool_]:
    """Return (P, T) every non-empty pattern of at most four runs."""
    codes = np.arange(1, 2**NUM_SEGMENTS)
    grid = (codes[:, None] >> np.arange(NUM_SEGMENTS)) & 1
    starts = (np.diff(grid, axis=1, prepend=0) == 1).sum(axis=1)
    kept: NDArray[np.bool_] = grid[starts <= _MAX_RUNS].astype(bool)
    return kept


def _features(patterns: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (P, 16) what :func:`_targets` counts: runs by length, number of runs (one-hot), first, last second."""
    edges = np.diff(patterns.astype(np.int8), axis=1, prepend=0, append=0)  # (P, T + 1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    lengths = np.zeros((len(patterns), NUM_SEGMENTS))
    np.add.at(lengths, (rows, ends - starts - 1), 1.0)
    number = np.eye(_MAX_RUNS + 1)[lengths.sum(axis=1).astype(int)][:, 1:]
    return np.concatenate([lengths, number, patterns[:, :1], patterns[:, -1:]], axis=1)


def _targets(table: RunTable) -> NDArray[np.float64]:
    """Return (16,) the means of :func:`_features` over the events of ``table``."""
    counts = np.array([*table.lengths, *table.runs, table.from_start, table.to_end], dtype=np.float64)
    return counts / sum(table.runs)


def _fit(table: RunTable, share: NDArray[np.float64], patterns: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (C, P) the pattern distribution of each class; ``share`` (C,) is the part of the events that are of it.

    Newton's method on the convex dual of the largest-entropy problem, with a small ridge that lets rounded targets
    contradict each other slightly.
    """
    features = _features(patterns)
    seconds = patterns.sum(axis=1).astype(np.float64)
    target = _targets(table)
    wanted = np.minimum(np.array(table.seconds), _LONGEST_MEAN)
    mean_seconds = target[:NUM_SEGMENTS] @ np.arange(1, NUM_SEGMENTS + 1)
    wanted = np.minimum(wanted * mean_seconds / (share @ wanted), _LONGEST_MEAN)
    size = features.shape[1]
    weight = np.zeros(size + NUM_CLASSES)

    def distribution(weight: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        logit = features @ weight[:size] + weight[size:, None] * seconds  # (C, P)
        top = logit.max(axis=1, keepdims=True)
        mass = np.exp(logit - top)
        total = mass.sum(axis=1, keepdims=True)
        dual = share @ (np.log(total) + top)[:, 0] - weight[:size] @ target - (share * wanted) @ weight[size:]
        return mass / total, float(dual + _RIDGE / 2 * weight @ weight)

    prob, value = distribution(weight)
    for _ in range(100):
        mean = prob @ features  # (C, F)
        mean_time = prob @ seconds  # (C,)
        gradient = np.concatenate([share @ mean - target, share * (mean_time - wanted)]) + _RIDGE * weight
        hessian = np.zeros((len(weight), len(weight)))
        hessian[:size, :size] = (features * (share @ prob)[:, None]).T @ features - (mean * share[:, None]).T @ mean
        cross = share[:, None] * ((prob * seconds) @ features - mean * mean_time[:, None])  # (C, F)
        hessian[size:, :size], hessian[:size, size:] = cross, cross.T
        spread = share * (prob @ seconds**2 - mean_time**2)
        hessian[np.arange(size, len(weight)), np.arange(size, len(weight))] = spread
        step = np.linalg.solve(hessian + _RIDGE * np.eye(len(weight)), gradient)
        scale = 1.0
        while scale > 1e-6:
            prob_new, value_new = distribution(weight - scale * step)
            if value_new <= value:
                break
            scale /= 2
        converged = value - value_new < 1e-10
        weight, prob, value = weight - scale * step, prob_new, value_new
        if converged:
            break
    return prob


class TimingModel:
    """Draws the seconds in which events are heard and seen."""

    def __init__(self) -> None:
        self.patterns = _patterns()  # (P, T)
        counts = np.array(AUDIBLE_VISIBLE_BOTH, dtype=np.float64)
        heard, seen, both = counts.T
        self._heard_only = _fit(HEARD_ONLY, (heard - both) / (heard - both).sum(), self.patterns)  # (C, P)
        self._audio = _fit(BOTH_AUDIO, both / both.sum(), self.patterns)
        self._visual = _fit(VISUAL, seen / seen.sum(), self.patterns)
        grid = self.patterns.astype(np.float64)
        inside = grid @ grid.T
        size = grid.sum(axis=1)
        overlap = inside / (size[:, None] + size[None, :] - inside)
        self._kernel = np.exp(_OVERLAP * overlap + _EXACT * (overlap == 1.0))  # (P, P)
        self._right = np.ones_like(self._visual)
        for _ in range(60):  # batched over the classes; the marginals are then right to about 1e-4
            left = self._audio / (self._right @ self._kernel)
            self._right = self._visual / (left @ self._kernel)

    def heard_only(self, classes: NDArray[np.intp], uniform: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (E, T) patterns of events of ``classes`` (E,) that are only heard; ``uniform`` (E,) in [0, 1)."""
        return self._draw(self._heard_only[classes], uniform)

    def seen(self, classes: NDArray[np.intp], uniform: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (E, T) patterns of events that are seen."""
        return self._draw(self._visual[classes], uniform)

    def heard_given(
        self, classes: NDArray[np.intp], seen: NDArray[np.bool_], uniform: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return (E, T) patterns of the audio of events seen in the pattern ``seen`` (E, T) that are also heard."""
        index = self._index(seen)
        left = self._audio / (self._right @ self._kernel)  # (C, P)
        joint = left[classes] * self._kernel[index]
        return self._draw(joint / joint.sum(axis=1, keepdims=True), uniform)

    def _index(self, pattern: NDArray[np.bool_]) -> NDArray[np.intp]:
        weight = 1 << np.arange(NUM_SEGMENTS)
        table = np.full(2**NUM_SEGMENTS, -1)
        table[self.patterns @ weight] = np.arange(len(self.patterns))
        return table[pattern @ weight]

    def _draw(self, prob: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.bool_]:
        index = (prob.cumsum(axis=1) <= uniform[:, None]).sum(axis=1)
        drawn: NDArray[np.bool_] = self.patterns[np.minimum(index, len(self.patterns) - 1)]
        return drawn


@functools.cache
def timing_model() -> TimingModel:
    """Return the one timing model (fitted once a process)."""
    return TimingModel()
