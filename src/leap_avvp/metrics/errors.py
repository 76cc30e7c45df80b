"""What kinds of mistakes a parser makes, in hearing and in seeing: every segment-level decision has one kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from leap_avvp.metrics.grids import Grids

__all__ = ["ERROR_KINDS", "DecisionCounts", "decision_counts"]


class DecisionCounts(NamedTuple):
    """How many decisions of one modality are of each kind, each (C,) int64; their sum is videos x segments.

    A decision is one (video, segment, class): said or not said. The kinds are disjoint and exhaustive; "here" is the
    modality that is counted, "there" the other one.
    """

    hit: Tensor
    """True here, and said."""
    silent: Tensor
    """Not true here, and not said."""
    missed: Tensor
    """True here, not said."""
    wrong_modality: Tensor
    """Said, not true here, but true there in that very segment."""
    wrong_time: Tensor
    """Said, true in that segment neither here nor there, but true here in another segment of the video."""
    wrong_both: Tensor
    """Said, never true here, but true there in another segment of the video only: wrong modality and wrong time."""
    invented: Tensor
    """Said, and true nowhere in the video."""

    @property
    def correct(self) -> Tensor:
        """(C,) decisions that agree with the truth: hits, and silence where nothing is."""
        return self.hit + self.silent


ERROR_KINDS = DecisionCounts._fields[2:]
"""Names of the kinds that are mistakes."""


def decision_counts(
    pred_audio: Tensor, pred_visual: Tensor, target_audio: Tensor, target_visual: Tensor
) -> dict[str, DecisionCounts]:
    """Count the decisions of four boolean grids (B, T, C) by kind and class, under ``audio`` and ``visual``.

    Raises:
        DataError: an argument is not as :class:`~leap_avvp.metrics.grids.Grids` describes it.
    """
    parts = list(Grids(pred_audio, pred_visual, target_audio, target_visual).parts())
    return {
        "audio": _sum(_count(part.pred_audio, part.target_audio, part.target_visual) for part in parts),
        "visual": _sum(_count(part.pred_visual, part.target_visual, part.target_audio) for part in parts),
    }


def _sum(counts: Iterable[DecisionCounts]) -> DecisionCounts:
    return DecisionCounts(*(torch.stack(values).sum(dim=0) for values in zip(*counts, strict=True)))


def _count(said: Tensor, here: Tensor, there: Tensor) -> DecisionCounts:
    false = said & ~here
    wrong_modality = false & there
    elsewhere = false & ~there  # true in this segment neither here nor there
    ever_here, ever_there = here.any(dim=1, keepdim=True), there.any(dim=1, keepdim=True)  # (B, 1, C)
    kinds = (
        said & here,
        ~said & ~here,
        ~said & here,
        wrong_modality,
        elsewhere & ever_here,
        elsewhere & ~ever_here & ever_there,
        elsewhere & ~ever_here & ~ever_there,
    )
    return DecisionCounts(*(kind.sum(dim=(0, 1)) for kind in kinds))
