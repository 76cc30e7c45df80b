"""F1 of each class over a whole split: which events a parser finds, and which it misses."""

from __future__ import annotations

import torch
from torch import Tensor

from leap_avvp.metrics.functional import LEVELS, Counts, event_counts, float_dtype, segment_counts, validate_grids

__all__ = ["PER_CLASS_NAMES", "per_class_f1"]

_SCORES = ("audio", "visual", "audio_visual")
PER_CLASS_NAMES: tuple[str, ...] = tuple(f"{level}/{score}" for level in LEVELS for score in _SCORES)
"""Names of the six scores of a class."""


def per_class_f1(
    pred_audio: Tensor, pred_visual: Tensor, target_audio: Tensor, target_visual: Tensor
) -> dict[str, Tensor]:
    """Return (C,) F1 in percent by the names of :data:`PER_CLASS_NAMES`.

    True and false positives and misses are summed over all videos before F1, unlike the ten scores, which are means
    over videos: a mean of these is none of the published numbers. NaN where a class occurs neither in prediction nor in
    truth.

    Args:
        pred_audio: (B, T, C) boolean, what is predicted to be heard.
        pred_visual: (B, T, C) boolean, what is predicted to be seen.
        target_audio: (B, T, C) boolean truth.
        target_visual: (B, T, C) boolean truth.

    Raises:
        DataError: an argument that is not boolean, or has another shape or device than the first.
    """
    validate_grids(
        pred_audio=pred_audio, pred_visual=pred_visual, target_audio=target_audio, target_visual=target_visual
    )
    pairs = (
        (pred_audio, target_audio),
        (pred_visual, target_visual),
        (pred_audio & pred_visual, target_audio & target_visual),
    )
    scores: dict[str, Tensor] = {}
    for level, count in zip(LEVELS, (segment_counts, event_counts), strict=True):
        for name, pair in zip(_SCORES, pairs, strict=True):
            scores[f"{level}/{name}"] = _f1(count(*pair))
    return scores


def _f1(counts: Counts) -> Tensor:
    tp, fp, fn = (value.sum(dim=0).to(float_dtype(value.device)) for value in counts)
    whole = 2 * tp + fp + fn
    return torch.where(whole > 0, 200 * tp / whole.clamp(min=1), torch.nan)
