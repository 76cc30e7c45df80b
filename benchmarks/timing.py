"""Clocks, and what the machine itself can do."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

__all__ = ["Ratio", "bandwidth", "gemm_rate", "race", "seconds"]


def seconds(work: Callable[[], object]) -> float:
    """Return how long one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def gemm_rate(repeats: int = 60) -> float:
    """Return float32 FLOP/s of a 320 x 512 x 512 product, the size of most products of a step at batch 32."""
    left, right = torch.randn(320, 512), torch.randn(512, 512)
    warm = time.perf_counter() + 0.02
    while time.perf_counter() < warm:  # threads that slept take a while to come up
        left @ right
    rates = []
    for _ in range(3):
        taken = seconds(lambda: [left @ right for _ in range(repeats // 3)])
        rates.append((repeats // 3) * 2 * 320 * 512 * 512 / taken)
    return statistics.median(rates)


def bandwidth(megabytes: int = 256) -> float:
    """Return bytes/s of copying an array far larger than the caches, reading and writing counted."""
    source, target = torch.ones(megabytes * 250_000), torch.empty(megabytes * 250_000)
    target.copy_(source)
    return statistics.median(2 * source.nbytes / seconds(lambda: target.copy_(source)) for _ in range(5))


class Ratio:
    """Two medians of turns that alternated, so that a busy minute slows both."""

    def __init__(self, ours: list[float], theirs: list[float]) -> None:
        self.ours, self.theirs = statistics.median(ours), statistics.median(theirs)
        self.ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))


def race(ours: Callable[[], object], theirs: Callable[[], object], turns: int, warm: int = 1) -> Ratio:
    """Time two ways by turns."""
    for _ in range(warm):
        ours()
        theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(turns)]
    return Ratio([pair[0] for pair in pairs], [pair[1] for pair in pairs])
