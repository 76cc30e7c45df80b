"""Same seed, same result: any way to the data to the bit, any number of threads within stated bounds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.training.checkpoint import read_checkpoint
from tests.processes import PATIENCE, environment, finish, leap_avvp
from tests.torture.trial import ALL, TINY, left_by

WEIGHTS = 1e-4
"""Largest difference of a weight after a short training. Threads add up in another order, and Adam divides tiny
gradients by their tiny size: what was a rounding error of the last digit is a step of the learning rate."""
WIDE = (
    *("encoder=han", "encoder.dim=64", "encoder.num_heads=4", "encoder.feed_forward_dim=128", "decoder.dim=64"),
    *("decoder.num_heads=4", "decoder.feed_forward_dim=128", "data.batch_size=32", "trainer=cpu", "logger=none"),
    *("data.num_train=128", "data.num_val=32", "data.num_test=32", "data.schedule.max_epochs=3"),
)


@pytest.mark.slow
def test_threads(tmp_path: Path, promise: Callable[..., None]) -> None:
    results: dict[int, tuple[dict[str, Any], dict[str, float]]] = {}
    numbers = (1, 2, 4) if ALL else (1, 2)
    for threads in numbers:
        folder = tmp_path / str(threads)
        command = leap_avvp("train", *WIDE, "callbacks.progress=none", f"hydra.run.dir={folder}")
        told = environment() | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        # Else MKL, whose number torch takes, gives no more threads than there are cores; and where there are fewer, a
        # thread that waits is not to keep the others from their work.
        told |= {"MKL_DYNAMIC": "FALSE", "OMP_DYNAMIC": "FALSE", "OMP_WAIT_POLICY": "PASSIVE"}
        subprocess.run(command, check=True, env=told, capture_output=True, timeout=PATIENCE)
        state = read_checkpoint(folder / "checkpoints" / "best.ckpt")["state_dict"]
        metrics = json.loads((folder / "metrics.json").read_text())
        assert f", {threads} threads)" in metrics["device"]
        results[threads] = state, metrics["test"]
    state, scores = results[1]
    worst = apart = 0.0
    for other, other_scores in (results[threads] for threads in numbers[1:]):
        worst = max(worst, *(float((state[name] - other[name]).abs().max()) for name in state))
        apart = max(apart, *(abs(scores[name] - other_scores[name]) for name in scores))
    assert worst <= WEIGHTS
    assert apart <= 0.5  # a video or two near the threshold
    promise(
        "1, 2 and 4 threads: the same result within bounds",
        trials=len(numbers),
        largest_difference_of_a_weight=f"{worst:.1e} (bound {WEIGHTS:.0e})",
        of_a_score=f"{apart:.2f} points (bound 0.5)",
    )


@pytest.mark.slow
def test_ways_to_the_data(tmp_path: Path, make_llp_folder: Callable[..., Path], promise: Callable[..., None]) -> None:
    """Files or a packed set, mapped, in memory or on the device, the set alone; scored in batches of any size."""
    root = make_llp_folder(tmp_path / "llp", train=40, val=8, test=8)
    log = tmp_path / "log"
    assert finish(leap_avvp("data", "pack", root), log) == 0
    small = [word for word in TINY if not word.startswith("data.num")]
    small += ["data=llp", "label_embedding=learnable", "data.schedule.max_epochs=2"]
    ways = (
        (f"data.root={root}", "data.packed=off"),
        (f"data.root={root}", "data.packed=off", "data.placement=device"),
        (f"data.root={root}", "data.placement=disk"),
        (f"data.root={root}", "data.placement=ram"),
        (f"data.root={root}", "data.placement=device"),
        (f"data.root={root / 'packed-float32'}",),
        (f"data.root={root}", "data.eval_batch_size=3"),
    )
    found = []
    for number, way in enumerate(ways):
        folder = tmp_path / str(number)
        assert finish(leap_avvp("train", *small, *way, f"hydra.run.dir={folder}"), log) == 0, log.read_text()
        left = left_by(folder)
        with np.load(folder / "predictions_test.npz") as file:
            predictions = {name: file[name].tobytes() for name in file.files}
        found.append(
            {name: left[name] for name in ("weights", "history")}
            | {"test": left["metrics"]["test"], "predictions": predictions}
        )
    for way, each in zip(ways, found, strict=True):
        for part, content in each.items():
            expected = found[0][part]
            if part == "test" and "data.eval_batch_size=3" in way:  # sums over batches: in the last digit
                expected = pytest.approx(expected, abs=1e-9)
            assert content == expected, (way, part)
    promise("files, packed set, disk, RAM, device, batches to score of any size: the same to the bit", trials=len(ways))


@pytest.mark.slow
def test_a_second_process_gives_the_same(tmp_path: Path, promise: Callable[..., None]) -> None:
    """Another process, which puts strings into sets in another order."""
    log = tmp_path / "log"
    assert finish(leap_avvp("train", *TINY, f"hydra.run.dir={tmp_path / 'a'}"), log) == 0, log.read_text()
    command = leap_avvp("train", *TINY, f"hydra.run.dir={tmp_path / 'b'}")
    other = environment() | {"PYTHONHASHSEED": "12345"}
    subprocess.run(command, check=True, env=other, capture_output=True, timeout=PATIENCE)
    assert left_by(tmp_path / "a") == left_by(tmp_path / "b")
    promise("two processes with other hash seeds: the same to the bit", trials=2)
