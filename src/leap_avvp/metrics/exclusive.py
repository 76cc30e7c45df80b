"""Scores of what is only heard and of what is only seen: where the two modalities have nothing in common to lean on."""

from __future__ import annotations

import torch
from torch import Tensor

from leap_avvp.metrics.functional import COUNTERS, LEVELS, per_video_f1
from leap_avvp.metrics.grids import Grids

__all__ = ["EXCLUSIVE_NAMES", "exclusive_scores"]

_SCORES = ("audible_only", "visible_only")
EXCLUSIVE_NAMES: tuple[str, ...] = tuple(f"{level}/{score}" for level in LEVELS for score in _SCORES)
"""Names of the four scores; they stand beside the ten, and no ``average`` holds them."""


def exclusive_scores(
    pred_audio: Tensor, pred_visual: Tensor, target_audio: Tensor, target_visual: Tensor
) -> dict[str, Tensor]:
    """Return the four scores of each video, (B,) in [0, 1], of four boolean grids (B, T, C).

    By the names of :data:`EXCLUSIVE_NAMES`, of the type and device of
    :func:`~leap_avvp.metrics.functional.per_video_scores`. CoLeaF (Sardari et al., ECCV 2024) calls them Ao and Vo:
    F1 of audible-only (A and not V) and visible-only (V and not A) events. Prediction and truth are restricted segment
    by segment, each by its own modalities, so an event is a run of segments in which its class is heard and not seen:
    a sound whose source is in the picture for a second in its middle is two audible-only events. Everything else is as
    of the ten scores; a video with nothing of the kind, neither said nor true, scores 1.

    Raises:
        DataError: an argument is not as :class:`~leap_avvp.metrics.grids.Grids` describes it.
    """
    grids = Grids(pred_audio, pred_visual, target_audio, target_visual)
    parts = [_scores(part) for part in grids.parts()]
    return {name: torch.cat([part[name] for part in parts]) for name in EXCLUSIVE_NAMES}


def _scores(grids: Grids) -> dict[str, Tensor]:
    # One pass over both kinds, stacked as if they were further videos.
    prediction = torch.cat([grids.pred_audio & ~grids.pred_visual, grids.pred_visual & ~grids.pred_audio])
    target = torch.cat([grids.target_audio & ~grids.target_visual, grids.target_visual & ~grids.target_audio])
    scores: dict[str, Tensor] = {}
    for level, count in COUNTERS.items():
        f1 = per_video_f1(count(prediction, target)).chunk(2)
        scores |= {f"{level}/{name}": value for name, value in zip(_SCORES, f1, strict=True)}
    return scores
