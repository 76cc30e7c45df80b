"""Metrics whose states are sums, kept in the widest float that their device computes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import Module
from torchmetrics import Metric

from leap_avvp.metrics.functional import float_dtype

__all__ = ["WideMetric"]


class WideMetric(Metric):
    """Keeps the width of its states: float64, or float32 on a device without it."""

    full_state_update = False
    higher_is_better = True
    is_differentiable = False

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = "") -> Module:
        """Move the states as ``fn`` does, but keep their width.

        ``module.to(torch.bfloat16)``, as Lightning's ``bf16-true`` calls it, would round the sums, and a move to a
        device without float64 would fail.
        """

        def move(tensor: Tensor) -> Tensor:
            if not tensor.is_floating_point():
                return fn(tensor)
            device = fn(torch.zeros((), dtype=torch.int64, device=tensor.device)).device  # casts leave integers alone
            return tensor.to(device, float_dtype(device))

        return super()._apply(move, exclude_state)
