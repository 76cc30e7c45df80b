"""Memory of a training on all of LLP from disk, start-up, and growth with sizes."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import lightning
import numpy as np

from benchmarks.network import make_batch, paper_network, stepper
from benchmarks.report import Report
from benchmarks.timing import seconds
from leap_avvp import __version__
from leap_avvp.data.datamodule import LLPDataModule
from leap_avvp.data.packed import PackedLLP
from leap_avvp.data.packed.format import PackedArray, PackHeader, blocks, digest, write_header
from leap_avvp.llp import FEATURE_SHAPES, NUM_CLASSES, NUM_SEGMENTS

__all__ = ["FirstStep", "growth", "memory", "start_up", "write_random_set"]


def write_random_set(folder: Path, videos: int, dtype: str = "float32") -> Path:
    """Write a packed set of random training features, and a tenth as many videos to validate and test on."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    arrays: dict[str, dict[str, PackedArray]] = {}
    names: dict[str, list[str]] = {}
    for split, number in (("train", videos), ("val", max(1, videos // 10)), ("test", max(1, videos // 10))):
        arrays[split] = {}
        names[split] = [f"{split}{index:011d}"[-11:] + "_0_10" for index in range(number)]
        labels = ("segment_audio", "segment_visual") if split == "train" else ("target_audio", "target_visual")
        shapes = {name: (number, NUM_SEGMENTS, shape[1]) for name, shape in FEATURE_SHAPES.items()}
        for name, shape in shapes.items():
            path = folder / f"{split}.{name}.npy"
            array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
            sums = []
            for place in blocks(number):
                array[place] = rng.standard_normal(array[place].shape, dtype=np.float32)
                sums.append(digest(array[place]))
            array.flush()
            del array
            arrays[split][name] = PackedArray.of(path, sums)
        weak = rng.random((number, NUM_CLASSES)) < 0.08
        small = {"video_label": weak.astype(np.uint8), "sources": np.zeros((number, 0, 2), dtype=np.int64)}
        for name in labels:
            small[name] = (weak[:, None] & (rng.random((number, NUM_SEGMENTS, NUM_CLASSES)) < 0.7)).astype(np.uint8)
        for name, values in small.items():
            path = folder / f"{split}.{name}.npy"
            np.save(path, values)
            arrays[split][name] = PackedArray.of(path, [digest(values[place]) for place in blocks(number)])
    none: dict[str, int] = dict.fromkeys(arrays, 0)
    header = PackHeader(dtype, True, names, arrays, {split: [] for split in arrays}, {}, none, {}, {}, __version__)
    write_header(folder, header)
    return folder


def memory(report: Report, folder: Path, videos: int, steps: int) -> None:
    """State the largest memory of a process that trains from disk on as many videos as LLP has."""
    write_random_set(folder / "random", videos)
    code = f"from benchmarks.system import _train_from_disk; _train_from_disk({str(folder / 'random')!r}, {steps})"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    peak, weights, touched = (float(word) for word in out.splitlines()[-1].split())
    section = report.section("Memory", "what", "GB")
    section.add(f"largest of a training process, {videos:,} videos from disk", f"{peak:.2f}")
    section.add("of it weights and optimizer state (two moments)", f"{weights:.2f}")
    section.add("beyond them", f"{peak - weights:.2f}")
    section.notes.append(
        f"Every batch of an epoch was read ({touched:.2f} GB, whose pages count as the process's although the system "
        f"may drop them), then {steps} steps at batch 32 were made. Gradients are in the last row. Aim: 3 GB."
    )


def _train_from_disk(folder: str, steps: int) -> None:
    data = LLPDataModule(PackedLLP(Path(folder)), placement="disk")
    loader = data.train_dataloader()
    parser = paper_network()
    for batch in loader:
        last = batch
    step = stepper(parser, last)  # type: ignore[arg-type]
    for _ in range(steps):
        step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    weights = 3 * sum(p.nbytes for p in parser.parameters())
    print(peak / 1e9, weights / 1e9, data.dataset("train").nbytes / 1e9)


class FirstStep(lightning.Callback):
    """Says when the first step begins, and ends the process."""

    def on_train_batch_start(self, *_: object) -> None:
        """Print the seconds since the time in ``BENCHMARK_STARTED``."""
        print(f"first step after {time.time() - float(os.environ['BENCHMARK_STARTED']):.2f}", flush=True)
        os._exit(0)


def start_up(report: Report, folder: Path) -> None:
    """Time the help, and a training until its first step."""
    section = report.section("Start-up", "what", "seconds")
    command = [sys.executable, "-m", "leap_avvp"]
    help_times = [
        seconds(lambda: subprocess.run([*command, "--help"], check=True, capture_output=True)) for _ in range(6)
    ]
    section.add("`leap-avvp --help`", f"{statistics.median(help_times[1:]):.2f}")
    times = []
    for turn in range(4):
        environment = os.environ | {"LEAP_AVVP_TRUSTED": "benchmarks", "BENCHMARK_STARTED": str(time.time())}
        words = [
            "train",
            "+callbacks.first_step._target_=benchmarks.system.FirstStep",
            "data.num_train=32",
            "data.num_val=8",
        ]
        words += [f"hydra.run.dir={folder / f'start-{turn}'}"]
        done = subprocess.run([*command, *words], check=True, capture_output=True, text=True, env=environment)
        times.append(float(done.stdout.rpartition("first step after ")[2].split()[0]))
    section.add("a training, until its first step", f"{statistics.median(times[1:]):.2f}")
    section.notes.append("Medians, warm. Drawing 40 simulated videos is part of it. Aims: 0.5 and 8.")


def growth(report: Report, folder: Path, videos: tuple[int, ...]) -> None:
    """Time a step against batch and length, and an epoch of the pipeline against videos."""
    section = report.section("Growth of a step", "batch", "T", "ms a step", "ms a video", "ms a segment")
    parser = paper_network()
    for size, length in ((8, 10), (32, 10), (128, 10), (512, 10), (8, 20), (8, 50), (8, 100)):
        step = stepper(parser, make_batch(size, length))
        step()
        taken = 1000 * statistics.median(seconds(step) for _ in range(1 if size == 512 else 3))
        cells = (f"{taken:.0f}", f"{taken / size:.1f}", f"{taken / size / length:.2f}")
        section.add(str(size), str(length), *cells)
    section.notes.append(
        "What a step costs beyond its videos (optimizer and gradients of 47 M parameters) is spread over more of them "
        "at larger batches; attention's cost a segment grows with T, and is small beside the projections."
    )
    section = report.section(
        "Growth of an epoch", "videos", "first epoch, s", "later epoch, s", "samples a second, later"
    )
    for number in videos:
        root = write_random_set(folder / f"growth-{number}", number, "float16")
        first, later = _epochs(root)
        section.add(f"{number:,}", f"{first:.2f}", f"{later:.2f}", f"{number / later:,.0f}")
        shutil.rmtree(root)
    section.notes.append(
        "Batches of 32 from disk, float16, random features; no network, whose time a video stands above. The first "
        "epoch includes opening the set: every checksum."
    )


def _epochs(root: Path) -> tuple[float, float]:
    """Return the seconds of the first epoch of batches, from opening the set on, and of a later one."""
    started = time.perf_counter()
    loader = LLPDataModule(PackedLLP(root), placement="disk").train_dataloader()

    def epoch() -> None:
        for _ in loader:
            pass

    epoch()
    first = time.perf_counter() - started
    return first, statistics.median(seconds(epoch) for _ in range(3))
