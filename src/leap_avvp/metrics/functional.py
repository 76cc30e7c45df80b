"""The field's ten scores on boolean grids, as pure functions: no loop over videos or classes.

B videos, T segments, C classes. Source: the evaluation of the released HAN program (Tian et al., ECCV 2020), which
later work took over. An F1 is a mean over the classes that occur in prediction or truth, first within each video
and only then over videos; a video where no class occurs scores 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from leap_avvp.errors import ConfigError
from leap_avvp.metrics.grids import Grids

__all__ = [
    "COUNTERS",
    "LEVELS",
    "SCORE_NAMES",
    "Counts",
    "event_counts",
    "float_dtype",
    "per_video_f1",
    "per_video_scores",
    "segment_counts",
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


def float_dtype(device: torch.device) -> torch.dtype:
    """Return the widest float that ``device`` computes in: float64, or float32 on MPS."""
    return torch.float32 if device.type == "mps" else torch.float64


def segment_counts(prediction: Tensor, target: Tensor) -> Counts:
    """Count segments of boolean grids (B, T, C) over T: (B, C) each."""
    hits = (prediction & target).sum(dim=1)
    return Counts(hits, prediction.sum(dim=1) - hits, target.sum(dim=1) - hits)


def _latest(mask: Tensor) -> Tensor:
    """Return (T, ...) int32: the latest position of a True in ``mask`` (T, ...) up to and with each; -1 for none."""
    latest = torch.empty_like(mask, dtype=torch.int32)
    position = torch.full(mask.shape[1:], -1, dtype=torch.int32, device=mask.device)
    # Not torch.cummax, which some devices lack.
    for t in range(len(mask)):
        position = torch.where(mask[t], t, position)
        latest[t] = position
    return latest


def _run_bounds(grid: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last position of the run that each True of ``grid`` (T, ...) belongs to.

    What stands where ``grid`` is False has no meaning.
    """
    start = _latest(~grid) + 1
    end = len(grid) - 2 - _latest(~grid.flip(0)).flip(0)
    return start, end


def event_counts(prediction: Tensor, target: Tensor, iou_threshold: float = 0.5) -> Counts:
    """Count events, the maximal runs of boolean grids (B, T, C) along T: (B, C) each.

    A predicted run is a true positive when its IoU with any true run of the class reaches ``iou_threshold``, else a
    false positive; a true run is a false negative when no predicted run reaches it. Below 0.5 several predicted runs
    may so count for one true run; from 0.5 on, runs that do not touch cannot.

    Raises:
        ConfigError: a threshold of 0 or less, or above 1.
    """
    if not 0 < iou_threshold <= 1:
        raise ConfigError(f"iou_threshold: expected a number above 0 and up to 1, found {iou_threshold!r}")
    batch, _, classes = prediction.shape
    columns = [grid.transpose(0, 1).flatten(1) for grid in (prediction, target)]  # (T, B C)
    present = (columns[0] | columns[1]).any(dim=0).nonzero().squeeze(1)  # most classes are absent from a video
    grids = torch.stack([column[:, present] for column in columns], dim=1)  # (T, 2, M): said, true
    start, end = _run_bounds(grids)
    # Two runs that overlap do so in one stretch. Each of its positions knows the bounds of both, and their union is a
    # stretch too, so the IoU of a pair needs no table of pairs.
    common = end.amin(dim=1) - start.amax(dim=1) + 1  # (T, M)
    union = end.amax(dim=1) - start.amin(dim=1) + 1
    # A quotient, not `common >= threshold * union`: 7 of 100 then reaches 0.07, whose product with 100 is above 7.
    iou = common.to(float_dtype(common.device)) / union
    match = grids.all(dim=1) & (iou >= iou_threshold)
    # A run has a match if, at its last position, the latest match is not before its first.
    position = torch.arange(len(grids), device=grids.device)[:, None, None]
    last = grids & (end == position)  # (T, 2, M)
    found = last & (_latest(match)[:, None] >= start)
    runs, matched = last.sum(dim=0), found.sum(dim=0)  # (2, M)
    missed = runs - matched
    counts = torch.zeros(3, batch * classes, dtype=torch.int64, device=grids.device)
    counts[:, present] = torch.stack((matched[0], missed[0], missed[1]))
    return Counts(*counts.view(3, batch, classes).unbind())


COUNTERS: dict[str, Callable[[Tensor, Tensor], Counts]] = dict(zip(LEVELS, (segment_counts, event_counts), strict=True))
"""What counts prediction against truth on each level."""


def per_video_f1(counts: Counts) -> Tensor:
    """Return (B,) in [0, 1]: F1 averaged over the classes that occur in prediction or truth; 1 where none does.

    In float64, or float32 on a device without it.
    """
    dtype = float_dtype(counts.tp.device)
    errors = counts.fp + counts.fn
    occurs = (counts.tp + errors) > 0
    f1 = 2 * counts.tp / (2 * counts.tp + errors).clamp(min=1).to(dtype)  # 0 where the class does not occur
    number = occurs.sum(dim=1)
    return torch.where(number > 0, f1.sum(dim=1) / number.clamp(min=1), 1.0)


def per_video_scores(
    pred_audio: Tensor, pred_visual: Tensor, target_audio: Tensor, target_visual: Tensor
) -> dict[str, Tensor]:
    """Return the ten scores of each video, (B,) in [0, 1], of four boolean grids (B, T, C).

    By the names of :data:`SCORE_NAMES`, float64 (float32 on a device without it), on the device of the arguments.
    ``audio_visual`` scores what is both heard and seen, ``type_av`` is the mean of the three, and ``event_av`` sums the
    counts of audio and visual per class before F1. A mean of these over videos, times 100, is the published number.

    Raises:
        DataError: an argument is not as :class:`~leap_avvp.metrics.grids.Grids` describes it.
    """
    grids = Grids(pred_audio, pred_visual, target_audio, target_visual)
    parts = [_scores(part) for part in grids.parts()]
    return {name: torch.cat([part[name] for part in parts]) for name in SCORE_NAMES}


def _scores(grids: Grids) -> dict[str, Tensor]:
    # One pass over the three kinds of events, stacked as if they were further videos.
    prediction, target = (torch.cat(pair) for pair in zip(*grids.pairs.values(), strict=True))
    scores: dict[str, Tensor] = {}
    for level, count in COUNTERS.items():
        counts = count(prediction, target)
        f1 = per_video_f1(counts).chunk(3)
        audio, visual = (Counts(*(value.chunk(3)[part] for value in counts)) for part in (0, 1))
        values = (*f1, (f1[0] + f1[1] + f1[2]) / 3, per_video_f1(audio + visual))
        scores |= {f"{level}/{name}": value for name, value in zip(_SCORES, values, strict=True)}
    return scores
