"""Train step, inference and evaluation of the paper's network, against the baseline and the machine."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.baseline import PlainParser, plain_scores
from benchmarks.report import Report, Section
from benchmarks.timing import gemm_rate, race, seconds, shares, threads
from leap_avvp.data import SimulatedLLP
from leap_avvp.losses import ParsingLoss
from leap_avvp.metrics import ParsingMetrics, Protocol
from leap_avvp.models import LabelQueries, LEAPDecoder, MMPyramid, VideoParser

__all__ = ["evaluation", "make_batch", "paper_network", "side_by_side_step", "train_step"]


def paper_network() -> VideoParser:
    """Return MM-Pyramid + LEAP with two blocks."""
    torch.manual_seed(0)
    return VideoParser(MMPyramid(), LEAPDecoder(LabelQueries()))


def make_batch(size: int, length: int = 10, frames: bool = False) -> dict[str, Tensor]:
    """Return random features and labels of ``size`` videos."""
    shape = (size, length, 25)
    return {
        "audio": torch.randn(size, length, 128),
        "video_2d": torch.randn(size, length * (8 if frames else 1), 2048),
        "video_3d": torch.randn(size, length, 512),
        "video_label": (torch.rand(size, 25) < 0.1).float(),
        "segment_audio": (torch.rand(shape) < 0.08).float(),
        "segment_visual": (torch.rand(shape) < 0.08).float(),
    }


def stepper(parser: VideoParser, batch: dict[str, Tensor], plain: bool = False) -> Callable[[], None]:
    """Return a function that makes one training step."""
    model = PlainParser(parser) if plain else parser
    model.train()
    options = {"foreach": False} if plain else {"fused": True}
    optimizer = torch.optim.Adam(parser.parameters(), lr=1e-4, **options)  # type: ignore[arg-type]
    loss = ParsingLoss()

    def step() -> None:
        out = model(audio=batch["audio"], video_2d=batch["video_2d"], video_3d=batch["video_3d"])
        optimizer.zero_grad()
        loss(out, batch)["total"].backward()
        optimizer.step()

    return step


def multiply_adds(parser: VideoParser) -> float:
    """Return multiply-adds of the matrix products of one video's forward pass (batch 32)."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        batch = make_batch(32)
        parser.train()(audio=batch["audio"], video_2d=batch["video_2d"], video_3d=batch["video_3d"])
    return counter.get_total_flops() / 2 / 32


def train_step(report: Report, turns: int, rows: Sequence[tuple[int, int]]) -> None:
    """Time a step by turns with the baseline and with the bare product, for each batch size and number of threads."""
    section = report.section(
        "Train step",
        "batch",
        "threads",
        "ours",
        "baseline",
        "ratio",
        "share of the product's rate",
        "in products",
        "in the optimizer",
        "in the rest",
    )
    count = multiply_adds(paper_network())
    rates: list[float] = []
    for batch_size, number in rows:
        with threads(number):
            _train_step(section, turns, batch_size, count, rates)
    section.notes.append(
        f"Necessary multiply-adds a video: {count / 1e9:.3f} G forward, three times that with backward. The product's "
        f"rate, measured before and after each turn with as many threads: from {min(rates) / 1e9:.0f} to "
        f"{max(rates) / 1e9:.0f} GFLOP/s. Times, ratios and that share: medians of {turns} turns of steps in a row. "
        "The last three columns are shares of our steps under torch's profiler, which slows the rest by "
        "some percent. Aims: 80 % at batch 32, 72 % at batch 16 with one thread."
    )


def _train_step(section: Section, turns: int, batch_size: int, count: float, rates: list[float]) -> None:
    ours = stepper(paper_network(), make_batch(batch_size))
    plain = stepper(paper_network(), make_batch(batch_size, frames=True), plain=True)
    times, others, reached = [], [], []
    for _ in range(turns):
        before = gemm_rate()
        times.append(_steps_in_a_row(ours))
        rate = (before + gemm_rate()) / 2
        others.append(_steps_in_a_row(plain))
        rates.append(rate)
        reached.append(3 * 2 * count * batch_size / times[-1] / rate)
    ratio = statistics.median(b / a for a, b in zip(times, others, strict=True))
    found = shares(ours)
    section.add(
        str(batch_size),
        str(torch.get_num_threads()),
        f"{statistics.median(times):.3f} s",
        f"{statistics.median(others):.3f} s",
        f"{ratio:.2f}",
        *(f"{100 * part:.0f} %" for part in (statistics.median(reached), found.products, found.optimizer, found.rest)),
    )


def _steps_in_a_row(step: Callable[[], None]) -> float:
    """Return the median of three steps after one that is not counted: steps follow each other in a training too."""
    step()
    return statistics.median(seconds(step) for _ in range(3))


def evaluation(report: Report, plain_videos: int) -> None:
    """Time metrics, inference and the whole evaluation of 1,200 videos."""
    torch.manual_seed(0)
    truth = SimulatedLLP(num_train=1, num_val=1, num_test=1200).labels("test")[2]
    true = [torch.from_numpy(grid) for grid in (truth.audio, truth.visual)]
    said = [(grid & (torch.rand(grid.shape) < 0.9)) | (torch.rand(grid.shape) < 0.003) for grid in true]
    grids = [*said, *true]
    section = report.section("Evaluation", "what", "ours", "baseline", "ratio")

    def metrics() -> None:
        counted = ParsingMetrics()
        counted.update(*grids)
        counted.compute()

    found = race(metrics, lambda: plain_scores(*(grid.numpy() for grid in grids)), turns=3)
    fastest = statistics.median(seconds(metrics) for _ in range(20))
    section.add(
        "ten metrics of 1,200 videos", f"{1000 * fastest:.1f} ms", f"{1000 * found.theirs:.0f} ms", f"{found.ratio:.0f}"
    )
    parser = paper_network().eval()
    plain = PlainParser(parser).eval()
    for size in (1, 128):
        batch, frames = make_batch(size), make_batch(size, frames=True)
        names = ("audio", "video_2d", "video_3d")
        with torch.inference_mode():
            found = race(
                lambda: parser(**{name: batch[name] for name in names}),  # noqa: B023
                lambda: plain(*(frames[name] for name in names)),  # noqa: B023
                turns=20 if size == 1 else 3,
            )
        section.add(
            f"inference at batch {size}, a video",
            f"{1000 * found.ours / size:.1f} ms",
            f"{1000 * found.theirs / size:.1f} ms",
            f"{found.ratio:.1f}",
        )
    protocol = Protocol()

    def ours_all() -> None:
        counted = ParsingMetrics()
        with torch.inference_mode():
            for start in range(0, 1200, 128):
                part = slice(start, start + 128)
                rows = {name: video[name][part] for name in ("audio", "video_2d", "video_3d")}
                counted.update(*protocol.apply(parser(**rows)), grids[2][part], grids[3][part])
        counted.compute()

    video = make_batch(1200)
    frames = make_batch(plain_videos, frames=True)

    def plain_all() -> None:
        said = []
        with torch.inference_mode():
            for row in range(plain_videos):
                one = slice(row, row + 1)
                said.append(protocol.apply(plain(*(frames[name][one] for name in ("audio", "video_2d", "video_3d")))))
        heard, seen = (torch.cat([pair[place] for pair in said]) for place in (0, 1))
        plain_scores(heard.numpy(), seen.numpy(), grids[2][:plain_videos].numpy(), grids[3][:plain_videos].numpy())

    ours_all()
    ours = statistics.median(seconds(ours_all) for _ in range(3))
    theirs = seconds(plain_all) * 1200 / plain_videos
    section.add("forward and metrics of 1,200 videos", f"{ours:.1f} s", f"{theirs:.1f} s", f"{theirs / ours:.1f}")
    section.notes.append(
        f"The baseline evaluates one video at a time; its last row is {plain_videos} videos scaled to 1,200. "
        "Aims: 20 ms; 6."
    )


def side_by_side_step(report: Report, turns: int) -> None:
    """Compare cells side by side with cells one after another, by their steps a second at batch 16."""
    import subprocess
    import sys

    from leap_avvp.files.machine import cpu_threads

    section = report.section("Cells side by side", "cells x threads", "steps a second, together", "against one cell")
    cores = cpu_threads()
    first = None
    for jobs in [number for number in (1, 2, 4, 8) if number <= cores]:
        code = f"from benchmarks.network import _steps; print(_steps({turns}, {cores // jobs}))"
        running = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(jobs)
        ]
        rate = sum(float(process.communicate()[0].splitlines()[-1]) for process in running)
        first = first or rate
        section.add(f"{jobs} x {cores // jobs}", f"{rate:.2f}", f"{rate / first:.2f}")
    section.notes.append("Batch 16, as on simulated data; what `reproduce --jobs` chooses by.")


def _steps(turns: int, threads: int) -> float:
    torch.set_num_threads(threads)
    step = stepper(paper_network(), make_batch(16))
    step()
    return turns / seconds(lambda: [step() for _ in range(turns)])
