"""What a study costs on this machine, estimated before anything runs."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable

import torch
from torch.utils.flop_counter import FlopCounterMode

from leap_avvp.config.build import Parts
from leap_avvp.llp import SPLIT_SIZES
from leap_avvp.studies.plan import Cell

__all__ = ["estimate_seconds"]

# Share of the bare product's rate that trainings side by side reach, start-up and evaluation included; a rough figure.
_SHARE = 0.5


def estimate_seconds(cells: Iterable[Cell]) -> float:
    """Return about how long it takes to train cells on this machine's CPU, all cores at work.

    The multiply-adds of each network are counted, and the rate of one float32 product is measured, once a process.
    """
    cells = list(cells)
    return sum(_operations(cell) for cell in cells) / (_SHARE * _rate()) if cells else 0.0


def _operations(cell: Cell) -> float:
    """Return the floating-point operations of a training: forward and backward over all epochs, and the evaluations."""
    parts = Parts(cell.config)
    parser, card = parts.parser().to("meta").eval(), parts.card
    features = {
        name: torch.empty(1, card.segments, width, device="meta") for name, width in card.features.widths.items()
    }
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        parser(**features)
    data, epochs = cell.config["data"], int(cell.config["trainer"]["max_epochs"])
    train, val, test = (int(data.get(f"num_{split}", size)) for split, size in SPLIT_SIZES.items())
    return float(counter.get_total_flops()) * (epochs * (3 * train + val) + val + test)


@functools.cache
def _rate() -> float:
    left, right = torch.randn(320, 512), torch.randn(512, 512)
    number, started = 0, time.perf_counter()
    while time.perf_counter() - started < 0.3:
        left @ right
        number += 1
    return number * 2 * 320 * 512 * 512 / (time.perf_counter() - started)
