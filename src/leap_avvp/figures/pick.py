"""Which videos are worth a figure. Each function returns rows of (N, T, C) grids, the most telling first."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from leap_avvp.figures.parsing import Grids
from leap_avvp.metrics import per_video_scores

__all__ = ["changing", "disagreement", "overlapping", "worst"]


def overlapping(truth: Grids) -> list[int]:
    """Return the videos in which events of different classes overlap in time, in hearing or in seeing.

    The longest overlap comes first: the sum, over both modalities and all segments, of the events beyond the first.
    """
    beyond = [np.maximum(grid.sum(axis=2) - 1, 0).sum(axis=1) for grid in (truth.audio, truth.visual)]
    return _most(beyond[0] + beyond[1])


def changing(truth: Grids) -> list[int]:
    """Return the videos with events that are heard or seen for a part of the video, most such events first."""
    grids = (truth.audio, truth.visual)
    return _most(sum((grid.any(axis=1) & ~grid.all(axis=1)).sum(axis=1) for grid in grids))


def disagreement(one: Grids, other: Grids) -> list[int]:
    """Return the videos on which two predictions differ, the one with the most differing decisions first."""
    return _most((one.audio ^ other.audio).sum(axis=(1, 2)) + (one.visual ^ other.visual).sum(axis=(1, 2)))


def worst(prediction: Grids, truth: Grids) -> list[int]:
    """Return all videos, the one with the lowest mean of its ten scores first."""
    grids = (prediction.audio, prediction.visual, truth.audio, truth.visual)
    scores = per_video_scores(*(torch.from_numpy(grid) for grid in grids))
    mean = torch.stack(list(scores.values())).mean(dim=0)
    return [int(row) for row in mean.argsort(stable=True)]


def _most(values: NDArray[np.int64]) -> list[int]:
    """Return the rows with a value above 0, the highest first; equal ones keep their order."""
    order = np.argsort(-values, kind="stable")
    return [int(row) for row in order if values[row] > 0]
