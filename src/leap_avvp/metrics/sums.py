"""Metrics whose states are sums: exact ones, or kept in the widest float that their device computes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import torch
from torch import Tensor
from torch.nn import Module
from torchmetrics import Metric

from leap_avvp.metrics.functional import float_dtype

__all__ = ["DIGITS", "WideMetric", "exact_digits", "exact_totals"]

DIGITS = 4
"""Whole numbers that stand for a score, and for an exact sum of up to 2^33 of them."""
_BITS = 30  # of a digit; the last one stands for 2^-90, below the last bit of any score above 2^-37


def exact_digits(values: Tensor) -> Tensor:
    """Return values (...) in [0, 1] as (..., :data:`DIGITS`) int64, whose sums do not depend on an order.

    The first is the whole part; each further one has the next 30 bits.
    """
    digits = []
    for _ in range(DIGITS):
        whole = values.floor()
        digits.append(whole.to(torch.int64))
        values = (values - whole) * 2**_BITS  # exact: a power of two, and bits that were there
    return torch.stack(digits, dim=-1)


def exact_totals(sums: Tensor) -> list[Fraction]:
    """Return what sums (K, :data:`DIGITS`) of :func:`exact_digits` stand for."""
    places = range(DIGITS - 1, -1, -1)
    return [
        sum((Fraction(digit * 2 ** (_BITS * place)) for digit, place in zip(row, places, strict=True)), Fraction())
        / 2 ** (_BITS * (DIGITS - 1))
        for row in sums.tolist()
    ]


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
