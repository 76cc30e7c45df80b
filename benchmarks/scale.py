"""What many clips take, on one machine and on a hundred: calculated from a few small measurements made here.

``python -m benchmarks.scale --core-hour 0.05 --gpu-hour 2.5`` writes it with prices of your own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.media import _SAMPLE, _write
from benchmarks.report import Report
from leap_avvp.errors import LeapError
from leap_avvp.media.opening import pyav
from leap_avvp.media.weights import find

__all__ = ["Assumed", "Line", "break_even", "fed", "hours", "scale"]

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LISTED = (1_000, 10_000, 100_000)
_SYSTEMS = {
    "HAN + MMIL": ["encoder=han", "decoder=mmil"],
    "MM-Pyramid + LEAP": ["encoder=mm_pyramid", "decoder=leap"],
}


@dataclass(frozen=True)
class Line:
    """What grows evenly: ``start`` once, ``each`` for each clip."""

    start: float
    each: float

    @classmethod
    def through(cls, small: tuple[int, float], large: tuple[int, float]) -> Line:
        """Return the line through two measurements (clips, value); what does not grow has ``each`` 0.

        Raises:
            ValueError: both are of the same number of clips.
        """
        if small[0] == large[0]:
            raise ValueError(f"a line: expected two numbers of clips, found {small[0]} twice")
        each = max(0.0, (large[1] - small[1]) / (large[0] - small[0]))
        return cls(max(0.0, small[1] - each * small[0]), each)

    def at(self, clips: int) -> float:
        """Return the value for so many clips."""
        return self.start + self.each * clips


@dataclass(frozen=True)
class Assumed:
    """What is not measured: replace it by your own. The prices are round numbers, and nobody's offer."""

    core_hour: float = 0.05
    gpu_hour: float = 2.5
    machines: int = 100
    cores: int = 16


def hours(seconds: Line, clips: int, workers: int, driver_seconds: float = 0.0) -> float:
    """Return hours by the clock: each worker starts once and takes an equal share, with a core for itself.

    Args:
        seconds: of a worker.
        clips, workers: how many.
        driver_seconds: that one driver takes for a clip, beside the workers; it may be the slower.
    """
    return max(seconds.at(math.ceil(clips / workers)), seconds.start + clips * driver_seconds) / 3600


def fed(worker_seconds: float, driver_seconds: float) -> int:
    """Return how many workers one driver keeps up with, which takes so long to write a clip's files."""
    return int(worker_seconds / driver_seconds)


def break_even(core_seconds: float, assumed: Assumed) -> float:
    """Return the clips a second from which on a GPU is cheaper than cores that take so long for a clip."""
    return assumed.gpu_hour / assumed.core_hour / core_seconds


def scale(report: Report, folder: Path, small: bool = False, assumed: Assumed | None = None) -> None:
    """Measure a few clips and videos, and calculate up to a million."""
    counts, listed, videos = ((1, 2), (100, 200), (8, 64)) if small else ((2, 6), LISTED, (40, 160))
    batch, place, assumed = 4 if small else 32, str(folder), assumed or Assumed()
    try:
        pyav()
        clip = _SAMPLE if _SAMPLE.is_file() else _write(folder / "clip.mp4", 10)
        for name in ("yamnet", "efficientnet_lite0"):
            find(name)
    except LeapError as error:
        report.facts.append(f"Growth with clips was not measured: {error}")
        return
    works = []
    for name, what, child in (("extract", "extract", "extracting"), ("parse, zero-shot", "parse", "parsing")):
        done = _child(child, str(clip), place, counts)
        plans = {number: _child("planning", place, what, number, 200) for number in listed}
        works.append(_Work(name, counts, done, plans))
    _child("simulating", place, videos)
    packed = _child("packing", place, videos)
    trained = {name: _child("training", packed["root"], words, batch) for name, words in _SYSTEMS.items()}
    training = _Training(batch, videos, packed, trained)
    _costs(report, works, training, clip)
    _growth(report, works, training)
    _fleets(report, works, clip.stat().st_size, assumed)


class _Work:
    """What was measured of clips that workers work on, and whose files a driver writes."""

    def __init__(
        self, name: str, counts: tuple[int, int], done: dict[str, Any], plans: dict[int, dict[str, float]]
    ) -> None:
        few, many = min(plans), max(plans)
        self.name, self.counts, self.mb = name, counts, done["worker_mb"]
        self.core = _line(counts, done["worker"])
        """Seconds of a worker's core."""
        self.bytes, self.files = (done[what][1] / counts[1] for what in ("bytes", "files"))
        """Of a clip."""
        self.base = plans[few]["base"]
        """MB of the driver before it lists anything."""
        self.held = {number: plan["base"] + plan["mb"] for number, plan in plans.items()}
        """MB of the driver, by listed clips."""
        self.listed = _line((few, many), (plans[few]["mb"], plans[many]["mb"]))
        self.planned = _line((few, many), (plans[few]["seconds"], plans[many]["seconds"]))
        """Seconds of the driver's core."""
        self.write, self.write_core = (
            statistics.median(plan[what] for plan in plans.values()) for what in ("write", "write_core")
        )
        """Seconds that the driver takes for the files of a clip: by the clock, of its core."""


class _Training:
    """What was measured of shards and steps."""

    def __init__(
        self, batch: int, videos: tuple[int, int], packed: dict[str, Any], trained: dict[str, dict[str, float]]
    ) -> None:
        self.batch, self.videos, self.mb, self.systems = batch, videos, packed["mb"], trained
        self.core = _line(videos, packed["seconds"])
        self.bytes = _line(videos, packed["bytes"]).each
        """In the shards, of a video."""
        self.index = _line(packed["shards"], packed["index"])
        """Bytes, by shards."""


def _line(numbers: Sequence[int], values: Sequence[float]) -> Line:
    return Line.through((numbers[0], values[0]), (numbers[1], values[1]))


def _costs(report: Report, works: Sequence[_Work], training: _Training, clip: Path) -> None:
    section = report.section("What a clip costs, measured", "what", "start", "a clip, or video")
    for work in works:
        for what, start, each in (
            ("seconds of a worker's core", f"{work.core.start:.1f}", f"{work.core.each:.2f}"),
            ("most that a worker holds, MB", f"{work.mb:.0f}", ""),
            ("files; kB", "", f"{work.files:g}; {work.bytes / 1e3:.0f}"),
            ("listing and planning, ms of the driver's core", "", f"{1e3 * work.planned.each:.2g}"),
            ("held by the driver, kB", f"{1e3 * work.base:,.0f}", f"{1e3 * work.listed.each:.2g}"),
            ("written by the driver, ms by the clock", "", f"{1e3 * work.write:.1f}"),
            ("of it ms of its core", "", f"{1e3 * work.write_core:.1f}"),
        ):
            section.add(f"{work.name}: {what}", start, each)
    section.add("packing into shards: ms of a core", "", f"{1e3 * training.core.each:.2g}")
    section.add("packing: kB in the shards", "", f"{training.bytes / 1e3:.0f}")
    held = " and ".join(f"{mb:.0f}" for mb in training.mb)
    section.add(f"packing: most that it holds with {training.videos[0]} and {training.videos[1]} videos, MB", held, "")
    section.add("index of shards: bytes a shard", f"{training.index.start:.0f}", f"{training.index.each:.0f}")
    for name, found in training.systems.items():
        section.add(f"training {name}: ms of a core", "", f"{1e3 * found['step'] / training.batch:.1f}")
        section.add(f"forward pass of one video, {name}: ms of a core", "", f"{1e3 * found['forward']:.1f}")
        section.add(f"training {name}: most that it holds, MB", f"{found['mb']:.0f}", "")
        section.add(f"{name}: millions of parameters", f"{found['parameters'] / 1e6:.1f}", "")
    source = "LLP's sample clip" if clip == _SAMPLE else "a clip of noise that is made here"
    few, many = works[0].counts
    listed = ", ".join(f"{number:,}" for number in works[0].held)
    section.notes.append(
        f"{source}, 10 s and {clip.stat().st_size / 1e3:.0f} kB, features `embedded`: {few} and {many} copies by one "
        f"worker, {listed} empty files listed, {training.videos[0]} and {training.videos[1]} simulated videos packed, "
        f"steps of {training.batch} videos from the shards. Seconds of a core: user and system time, one thread. "
        f"Load when this ended: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; what else runs makes seconds by "
        "the clock longer, and those of a core somewhat."
    )


def _growth(report: Report, works: Sequence[_Work], training: _Training) -> None:
    columns = ("work", "clips", "core hours", "GB written", "MB of a worker", "MB of the driver")
    section = report.section("Growth with clips", *columns)
    for work in works:
        for number in SIZES:
            spent = work.core.at(number) + number * (work.planned.each + work.write_core)
            known = work.held.get(number)
            driver = f"{work.base + work.listed.at(number):.0f} c" if known is None else f"{known:.0f} m"
            cells = (f"{spent / 3600:.3g} c", f"{work.bytes * number / 1e9:.3g} c", f"{work.mb:.0f} m", driver)
            section.add(work.name, f"{number:,}", *cells)
    for number in SIZES:
        spent, size = training.core.at(number) / 3600, training.bytes * number / 1e9
        section.add("pack", f"{number:,}", f"{spent:.2g} c", f"{size:.3g} c", f"{training.mb[1]:.0f} m", "")
    for name, found in training.systems.items():
        for number in SIZES:
            spent = number * found["step"] / training.batch / 3600
            section.add(f"an epoch of {name}", f"{number:,}", f"{spent:.2g} c", "", f"{found['mb']:.0f} m", "")
    index = training.index.at(math.ceil(training.bytes * SIZES[-1] / 1e9)) / 1e3
    section.notes.append(
        "m: measured; a worker holds one clip at a time, a step one batch. c: calculated, start + clips x each, one "
        f"worker. Validation and test are read into memory: {training.bytes * 1e5 / 1e9:.1f} GB for each 100,000 "
        f"videos (c). Index of a million videos in shards of 1 GB: {index:.0f} kB (c)."
    )


def _fleets(report: Report, works: Sequence[_Work], clip_bytes: int, assumed: Assumed) -> None:
    million, workers = SIZES[-1], assumed.machines * assumed.cores
    many = f"{assumed.machines} machines of {assumed.cores} cores"
    section = report.section("A million clips, calculated", "what", *(work.name for work in works))

    def add(what: str, cell: Callable[[_Work], str]) -> None:
        section.add(what, *(cell(work) for work in works))

    def fleet(work: _Work) -> float:
        return hours(work.core, million, workers, work.write)

    add("2 cores: hours", lambda work: f"{hours(work.core, million, 2, work.write):,.0f}")
    add(f"price at {assumed.core_hour:g} a core hour", lambda work: f"{_price(work, 2, assumed):,.0f}")
    add(f"{many}, nothing waits: hours", lambda work: f"{hours(work.core, million, workers):.2f}")
    add("workers that one driver keeps up with", lambda work: f"{fed(work.core.each, work.write):,}")
    add(f"{many}, one driver: hours", lambda work: f"{fleet(work):.2f}")
    add("price, all of them paid for so long", lambda work: f"{_price(work, workers, assumed):,.0f}")
    add("GB read by workers", lambda _: f"{clip_bytes * million / 1e9:.0f}")
    add("GB sent to the driver", lambda work: f"{work.bytes * million / 1e9:.0f}")
    add("MB/s read, one driver", lambda work: f"{clip_bytes * million / 3600e6 / fleet(work):,.0f}")
    add("MB/s sent, one driver", lambda work: f"{work.bytes * million / 3600e6 / fleet(work):,.0f}")
    add("clips/s of a GPU", lambda _: "not measured")
    add(
        f"clips/s from which on a GPU at {assumed.gpu_hour:g} an hour is cheaper than cores",
        lambda work: f"{break_even(work.core.each, assumed):.0f}",
    )
    section.notes.append(
        "Assumed: a core does as much as the one measured, one worker a core, none waits for disk or network, and all "
        "but the starts scales. Prices are assumptions in no currency, to be replaced by yours (`--core-hour`, "
        "`--gpu-hour`)."
    )


def _price(work: _Work, workers: int, assumed: Assumed) -> float:
    return workers * hours(work.core, SIZES[-1], workers, work.write) * assumed.core_hour


def _child(work: str, *arguments: object) -> dict[str, Any]:
    """Run a function of :mod:`benchmarks.scale_work` in a process with one thread; return what it prints last."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    command = [sys.executable, "-c", f"import benchmarks.scale_work as work; work.{work}(*{arguments!r})"]
    environment = os.environ | dict.fromkeys(names, "1")
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Run this part alone, with prices and a fleet of one's own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("experiments/results/scale.md"))
    parser.add_argument("--quick", action="store_true", help="numbers that show only that everything runs")
    for name, kind in (("core_hour", float), ("gpu_hour", float), ("machines", int), ("cores", int)):
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(
            option, type=kind, default=getattr(Assumed, name), metavar="X", help="(default: %(default)s)"
        )
    arguments = parser.parse_args()
    prices = Assumed(arguments.core_hour, arguments.gpu_hour, arguments.machines, arguments.cores)
    report = Report("Growth with clips")
    with tempfile.TemporaryDirectory(prefix="leap-avvp-bench-") as folder:
        scale(report, Path(folder), arguments.quick, prices)
    report.write(arguments.out)


if __name__ == "__main__":
    main()
