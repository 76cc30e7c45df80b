"""What a study costs on this machine, estimated before anything runs."""

from __future__ import annotations

import time
from collections.abc import Iterable

from leap_avvp.studies.plan import Cell

__all__ = ["estimate_seconds", "shown_time"]

# Share of the bare product's rate that trainings side by side reach, start-up and evaluation included; a rough figure.
_SHARE = 0.5


def estimate_seconds(cells: Iterable[Cell]) -> float:
    """Return about how long it takes to train cells on this machine's CPU, all cores at work.

    The multiply-adds of each network are counted, and the rate of one float32 product is measured.
    """
    cells = list(cells)
    return sum(_operations(cell) for cell in cells) / (_SHARE * _rate()) if cells else 0.0


def shown_time(seconds: float) -> str:
    """Return a duration as one says it: ``5 min``, ``2.5 h``."""
    return f"{max(1, round(seconds / 60))} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _operations(cell: Cell) -> float:
    """Return the floating-point operations of a training: forward and backward over all epochs, and the evaluations."""
    import torch
    from omegaconf import OmegaConf
    from torch.utils.flop_counter import FlopCounterMode

    from leap_avvp.config.build import build_parser

    config = OmegaConf.create(dict(cell.config))
    parser = build_parser(config).to("meta").eval()
    features = {
        "audio": torch.empty(1, 10, 128, device="meta"),
        "video_2d": torch.empty(1, 10, 2048, device="meta"),
        "video_3d": torch.empty(1, 10, 512, device="meta"),
    }
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        parser(**features)
    data, epochs = cell.config["data"], int(cell.config["trainer"]["max_epochs"])
    train, val, test = (int(data.get(f"num_{split}", size)) for split, size in _SIZES)
    return float(counter.get_total_flops()) * (epochs * (3 * train + val) + val + test)


_SIZES = (("train", 10_000), ("val", 649), ("test", 1_200))


def _rate() -> float:
    import torch

    left, right = torch.randn(320, 512), torch.randn(512, 512)
    number, started = 0, time.perf_counter()
    while time.perf_counter() - started < 0.3:
        left @ right
        number += 1
    return number * 2 * 320 * 512 * 512 / (time.perf_counter() - started)
