"""Which videos are worth a look."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.figures.runs import Run
from leap_avvp.metrics import per_video_scores

__all__ = ["PICKS", "pick_videos"]

PICKS = ("overlapping", "disagreement", "worst")


def pick_videos(runs: list[Run], pick: str, count: int) -> list[str]:
    """Return ids of test videos, the most telling first; of equals the first in the file.

    ``overlapping``: most seconds in which different events are heard or seen at once. ``disagreement``: most cells
    (second, class, modality) on which two runs differ. ``worst``: lowest mean of the ten scores, of the first run.

    Raises:
        ConfigError: an unknown name, or one run where two must disagree.
    """
    check_choice("--pick", pick, PICKS)
    first = runs[0]
    value: NDArray[np.float64]
    if pick == "overlapping":
        value = sum((grid.sum(axis=2) > 1).sum(axis=1) for grid in first.truth.values()).astype(np.float64)
    elif pick == "disagreement":
        if len(runs) < 2:
            raise ConfigError("--pick disagreement: expected two runs; name the other with --compare DIR")
        place = [runs[1].row(name) for name in first.test.video_ids]
        value = np.zeros(len(place))
        for name, grid in first.predictions.items():
            value += (grid != runs[1].predictions[name][place]).sum(axis=(1, 2))
    else:
        grids = [*first.predictions.values(), *first.truth.values()]
        scores = per_video_scores(*(torch.from_numpy(grid) for grid in grids))
        value = -np.mean([score.numpy() for score in scores.values()], axis=0)
    order = np.argsort(-value, kind="stable")[:count]
    return [first.test.video_ids[row] for row in order]
