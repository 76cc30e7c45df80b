"""`make bench`: measure everything once and write ``experiments/results/benchmark.md``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.features import feature_sets
from benchmarks.inputs import input_pipeline
from benchmarks.media import media
from benchmarks.network import evaluation, side_by_side_step, train_step
from benchmarks.report import Report
from benchmarks.scale import scale
from benchmarks.shards import shards
from benchmarks.system import growth, memory, start_up
from benchmarks.timing import bandwidth, gemm_rate
from leap_avvp.files.machine import cpu_threads
from leap_avvp.training.trainer import quiet

ONE_SIZE = ("step", "evaluation", "inputs", "features", "media", "memory", "start-up", "cells")
PARTS = (*ONE_SIZE, "growth", "shards", "scale")
SET_SIZES = (1_000, 10_000, 100_000, 1_000_000)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("experiments/results/benchmark.md"))
    parser.add_argument("--quick", action="store_true", help="sizes that show only that everything runs")
    parser.add_argument("--only", nargs="+", default=PARTS, choices=PARTS, help="leave the other parts out")
    arguments = parser.parse_args()
    small, only = arguments.quick, set(arguments.only)
    quiet()
    started = time.perf_counter()
    report = Report("Benchmark" + (" (quick: the sizes are too small to mean anything)" if small else ""))
    rate, copying = gemm_rate(300), bandwidth(16 if small else 256)
    report.facts.append(
        f"The machine's own ceilings: {rate / 1e9:.0f} GFLOP/s in a float32 product of 320 x 512 x 512, "
        f"{copying / 1e9:.1f} GB/s in a copy. Times are medians; ratios come from turns that alternate in this run. "
        "Features are random or simulated: nothing here says how well a model parses."
    )
    with tempfile.TemporaryDirectory(prefix="leap-avvp-bench-") as name:
        folder = Path(name)
        parts = {
            "step": lambda: train_step(report, *((1, [(4, 1)]) if small else (5, [(32, cpu_threads()), (16, 1)]))),
            "evaluation": lambda: evaluation(report, 2 if small else 150),
            "inputs": lambda: input_pipeline(report, folder, 96 if small else 960),
            "features": lambda: feature_sets(report, folder, 8 if small else 200),
            "media": lambda: media(report, folder, 4 if small else 60),
            "memory": lambda: memory(report, folder, 300 if small else 10_000, 1 if small else 3),
            "start-up": lambda: start_up(report, folder),
            "cells": lambda: side_by_side_step(report, 1 if small else 6),
            "shards": lambda: shards(report, folder, *((64, (300,), 4) if small else (4096, SET_SIZES, 400))),
            "scale": lambda: scale(report, folder, small),
            "growth": lambda: growth(report, folder, (300,) if small else (1_000, 10_000, 100_000)),
        }
        for part, work in parts.items():
            if part in only:
                work()
    report.facts.append(f"The whole benchmark took {time.perf_counter() - started:.0f} s.")
    report.write(arguments.out)


if __name__ == "__main__":
    main()
