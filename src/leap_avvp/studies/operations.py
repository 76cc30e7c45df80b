"""Multiply-adds by torch's own counter, which knows matrix products and convolutions; one multiply-add is one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["multiply_adds"]


def multiply_adds(work: Callable[[], object]) -> float:
    """Return the multiply-adds of what ``work`` computes."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return float(counter.get_total_flops()) / 2
