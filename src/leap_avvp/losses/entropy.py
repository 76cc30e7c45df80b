"""Cross entropies of probabilities and of logits, safe in half precision, and the targets of whole videos."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["binary_cross_entropy", "logit_cross_entropy", "video_target"]

_PROBABILITY_EPS = 1e-7


def binary_cross_entropy(probability: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Return the cross entropy of ``probability``, clamped to [1e-7, 1 - 1e-7], and ``target``, same shape.

    Computed in float32 at least: half-precision probabilities cannot hold the clamp. It is NaN where any probability is
    NaN or infinite.

    Args:
        probability: of any shape.
        target: the same shape, from 0 to 1.
        reduction: ``mean``, or ``none`` for the value of each element.
    """
    probability = probability.to(torch.promote_types(probability.dtype, torch.float32))
    # torch's kernel ends at a NaN, on a GPU with the whole process: it sees 0.5 there, and the sum tells of it.
    clamped = probability.clamp(_PROBABILITY_EPS, 1 - _PROBABILITY_EPS).nan_to_num(nan=0.5)
    cross_entropy = functional.binary_cross_entropy(clamped, target.to(clamped.dtype), reduction=reduction)
    return cross_entropy + (0 * probability.detach()).sum()


def logit_cross_entropy(logit: Tensor, target: Tensor) -> Tensor:
    """Return the cross entropy of each element of ``sigmoid(logit)`` and ``target``, in float32 at least."""
    logit = logit.to(torch.promote_types(logit.dtype, torch.float32))
    return functional.binary_cross_entropy_with_logits(logit, target.to(logit.dtype), reduction="none")


def video_target(batch: Mapping[str, Tensor], modality: str) -> Tensor:
    """Return the video-level target (B, C) of a modality: as given, else the largest of its segments."""
    given = batch.get(f"video_{modality}")
    if given is not None:
        return given
    return batch[f"segment_{modality}"].amax(dim=1)
