"""Dropout whose random numbers are cheap on a CPU: the models here have 88 of them a step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from leap_avvp.models.arguments import check_probability

__all__ = ["Dropout"]

_LEVELS = 1 << 16


class Dropout(nn.Module):
    """Dropout like torch's, drawing 16 random bits an element on the CPU instead of a float each.

    The probability is so rounded to 1/65536 (0.2 becomes 0.19999); what is kept is scaled by that rounded figure, so
    expectations are exact. Other devices use torch's own.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = check_probability("dropout", p, below_one=True)
        self._threshold = round(self.p * _LEVELS)

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements of ``x`` while training."""
        if not self.training or self._threshold == 0:
            return x
        if x.device.type != "cpu":
            return functional.dropout(x, self.p)
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)  # uniform over -32768 .. 32767
        keep = torch.empty(x.shape, dtype=x.dtype)
        torch.ge(bits, self._threshold - _LEVELS // 2, out=keep)  # straight to numbers: a boolean mask costs more
        return x * keep.mul_(_LEVELS / (_LEVELS - self._threshold))

    def onto(self, residual: Tensor, x: Tensor) -> Tensor:
        """Return ``residual + forward(x)``, without a temporary of its own where elements are dropped."""
        dropped: Tensor = self(x)
        if dropped is x or dropped.dtype != residual.dtype:  # x is the caller's; a sum has the wider type
            return residual + dropped
        return dropped.add_(residual)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p}"
