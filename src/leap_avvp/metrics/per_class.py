"""F1 of each class over a whole split: which events a parser finds, and which it misses."""

from __future__ import annotations

import torch
from torch import Tensor

from leap_avvp.metrics.functional import COUNTERS, LEVELS, float_dtype
from leap_avvp.metrics.grids import Grids

__all__ = ["PER_CLASS_NAMES", "per_class_f1"]

_SCORES = ("audio", "visual", "audio_visual")
PER_CLASS_NAMES: tuple[str, ...] = tuple(f"{level}/{score}" for level in LEVELS for score in _SCORES)
"""Names of the six scores of a class."""


def per_class_f1(
    pred_audio: Tensor, pred_visual: Tensor, target_audio: Tensor, target_visual: Tensor
) -> dict[str, Tensor]:
    """Return (C,) F1 in percent of four boolean grids (B, T, C), by the names of :data:`PER_CLASS_NAMES`.

    True and false positives and misses are summed over all videos before F1, unlike the ten scores, which are means
    over videos: a mean of these is none of the published numbers. NaN where a class occurs neither in prediction nor in
    truth.

    Raises:
        DataError: an argument is not as :class:`~leap_avvp.metrics.grids.Grids` describes it.
    """
    parts = [_counts(part) for part in Grids(pred_audio, pred_visual, target_audio, target_visual).parts()]
    return {name: _f1(torch.stack([part[name] for part in parts]).sum(dim=0)) for name in PER_CLASS_NAMES}


def _counts(grids: Grids) -> dict[str, Tensor]:
    """Return (3, C) true and false positives and misses of each level and kind, over all videos."""
    return {
        f"{level}/{name}": torch.stack([value.sum(dim=0) for value in count(*pair)])
        for level, count in COUNTERS.items()
        for name, pair in grids.pairs.items()
    }


def _f1(counts: Tensor) -> Tensor:
    tp, fp, fn = counts.to(float_dtype(counts.device))
    whole = 2 * tp + fp + fn
    return torch.where(whole > 0, 200 * tp / whole.clamp(min=1), torch.nan)
