"""The field's ten scores on boolean grids, as pure functions: no loop over videos or classes.

Source: the evaluation of the released HAN program (Tian et al., ECCV 2020), which later work took over.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from leap_avvp.errors import DataError

__all__ = [
    "LEVELS",
    "SCORE_NAMES",
    "Counts",
    "event_counts",
    "per_video_f1",
    "per_video_scores",
    "segment_counts",
    "validate_grids",
]

LEVELS = ("segment", "event")
_SCORES = ("audio", "visual", "audio_visual", "type_av", "event_av")
SCORE_NAMES: tuple[str, ...] = tuple(f"{level}/{score}" for level in LEVELS for score in _SCORES)
"""Names of the ten scores, in the order of the published tables."""


class Counts(NamedTuple):
    """True positives, false positives and false negatives, each (B, C) int64."""

    tp: Tensor
    fp: Tensor
    fn: Tensor

    def __add__(self, other: object) -> Counts:
        if not isinstance(other, Counts):
            return NotImplemented
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


def validate_grids(**grids: Tensor) -> None:
    """Check that all grids are boolean (B, T, C) of one shape.

    Raises:
        DataError: naming the argument, what was expected and what was found.
    """
    reference: tuple[str, torch.Size] | None = None
    for name, grid in grids.items():
        if not isinstance(grid, Tensor) or grid.dtype != torch.bool:
            found = str(grid.dtype) if isinstance(grid, Tensor) else type(grid).__name__
            raise DataError(f"{name}: expected a boolean tensor (apply a threshold first), found {found}")
        if grid.dim() != 3:
            raise DataError(f"{name}: expected (videos, segments, classes), found shape {tuple(grid.shape)}")
        reference = reference or (name, grid.shape)
        if grid.shape != reference[1]:
            raise DataError(
                f"{name}: expected the shape of {reference[0]}, {tuple(reference[1])}, found {tuple(grid.shape)}"
            )


def segment_counts(prediction: Tensor, target: Tensor) -> Counts:
    """Count segments of boolean grids (B, T, C) over T: (B, C) each."""
    hits = (prediction & target).sum(dim=1)
    return Counts(hits, prediction.sum(dim=1) - hits, target.sum(dim=1) - hits)


def _run_masks(grid: Tensor) -> Tensor:
    """Return (M, R, T) one-hot masks of the maximal runs of ``grid`` (M, T); R = (T + 1) // 2, unused ones empty."""
    length = grid.shape[1]
    before = torch.cat((torch.zeros_like(grid[:, :1]), grid[:, :-1]), dim=1)
    index = (grid & ~before).cumsum(dim=1) * grid  # 1, 2, ... inside the runs, 0 outside
    runs = torch.arange(1, (length + 1) // 2 + 1, device=grid.device)
    return index[:, None, :] == runs[None, :, None]


def event_counts(prediction: Tensor, target: Tensor, iou_threshold: float = 0.5) -> Counts:
    """Count events, the maximal runs of boolean grids (B, T, C) along T: (B, C) each.

    A predicted run is a true positive when its IoU with any true run of the class reaches ``iou_threshold``, else a
    false positive; a true run is a false negative when no predicted run reaches it. Several predicted runs may so
    count for one true run.
    """
    batch, _, classes = prediction.shape
    flat = [grid.transpose(1, 2).flatten(0, 1) for grid in (prediction, target)]  # (B C, T)
    rows = (flat[0] | flat[1]).any(dim=1).nonzero().squeeze(1)  # most classes are absent from a video
    said, true = (_run_masks(grid[rows]) for grid in flat)  # (M, R, T)
    common = said.float() @ true.float().transpose(1, 2)  # (M, R, R) seconds, exact in float32
    said_length, true_length = said.sum(dim=2), true.sum(dim=2)
    union = said_length[:, :, None] + true_length[:, None, :] - common
    match = (common >= iou_threshold * union) & (common > 0)
    found = [
        match.any(dim=2).sum(dim=1),
        ((said_length > 0) & ~match.any(dim=2)).sum(dim=1),
        ((true_length > 0) & ~match.any(dim=1)).sum(dim=1),
    ]
    counts = []
    for value in found:
        full = torch.zeros(batch * classes, dtype=torch.int64, device=prediction.device)
        counts.append(full.index_copy_(0, rows, value).view(batch, classes))
    return Counts(*counts)


def per_video_f1(counts: Counts) -> Tensor:
    """Return (B,) float64: F1 averaged over the classes that occur in prediction or truth; 1 where none does."""
    dtype = torch.float32 if counts.tp.device.type == "mps" else torch.float64
    errors = counts.fp + counts.fn
    occurs = (counts.tp + errors) > 0
    f1 = 2 * counts.tp / (2 * counts.tp + errors).clamp(min=1).to(dtype)  # 0 where the class does not occur
    number = occurs.sum(dim=1)
    return torch.where(number > 0, f1.sum(dim=1) / number.clamp(min=1), torch.ones_like(f1[:, 0]))


def per_video_scores(
    pred_audio: Tensor, pred_visual: Tensor, target_audio: Tensor, target_visual: Tensor
) -> dict[str, Tensor]:
    """Return the ten scores of each video, (B,) float64 in [0, 1], by the names of :data:`SCORE_NAMES`.

    Args:
        pred_audio: (B, T, C) boolean, what is predicted to be heard.
        pred_visual: (B, T, C) boolean, what is predicted to be seen.
        target_audio: (B, T, C) boolean truth.
        target_visual: (B, T, C) boolean truth.

    Raises:
        DataError: an argument that is not boolean or has another shape.
    """
    validate_grids(
        pred_audio=pred_audio, pred_visual=pred_visual, target_audio=target_audio, target_visual=target_visual
    )
    pairs = (
        (pred_audio, target_audio),
        (pred_visual, target_visual),
        (pred_audio & pred_visual, target_audio & target_visual),
    )
    # One pass over the three kinds of events, stacked as if they were further videos.
    prediction, target = (torch.cat(grids) for grids in zip(*pairs, strict=True))
    scores: dict[str, Tensor] = {}
    for level, count in zip(LEVELS, (segment_counts, event_counts), strict=True):
        counts = count(prediction, target)
        f1 = per_video_f1(counts).chunk(3)
        audio, visual = (Counts(*(value.chunk(3)[part] for value in counts)) for part in (0, 1))
        values = (*f1, (f1[0] + f1[1] + f1[2]) / 3, per_video_f1(audio + visual))
        scores |= {f"{level}/{name}": value for name, value in zip(_SCORES, values, strict=True)}
    return scores
