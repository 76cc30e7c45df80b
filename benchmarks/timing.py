"""Clocks, and what the machine itself can do."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch.profiler import ProfilerActivity, profile

__all__ = ["Ratio", "Shares", "bandwidth", "gemm_rate", "race", "seconds", "shares", "threads"]

_PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::mv", "aten::addmv")


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


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch compute with so many threads while the block runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclasses.dataclass(frozen=True)
class Shares:
    """What a training step's time goes to, as fractions that add to 1."""

    products: float
    """Matrix products, those of batches too."""
    optimizer: float
    """The optimizer's step."""

    @property
    def rest(self) -> float:
        """Copies, dropout, softmax, norms, sums, and Python between the operators."""
        return 1 - self.products - self.optimizer


def shares(step: Callable[[], object], steps: int = 3) -> Shares:
    """Return the shares of ``step`` by torch's profiler, on a CPU, after one step that is not counted."""
    step()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        taken = seconds(lambda: [step() for _ in range(steps)])
    products = optimizer = 0.0
    for event in found.key_averages():
        if event.key in _PRODUCTS:
            products += event.self_cpu_time_total
        elif event.key.startswith("Optimizer.step#"):
            optimizer += event.cpu_time_total
    return Shares(products / 1e6 / taken, optimizer / 1e6 / taken)
