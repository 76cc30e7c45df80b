"""Two processes on the same files: work is shared or refused in one line, and nothing is damaged."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leap_avvp.data.packed import PackedLLP
from tests.processes import PATIENCE, finish, kill, leap_avvp, start
from tests.torture.trial import TINY, left_by, trials


def together(words: list[str], folder: Path, gap: float) -> list[int]:
    """Run a command twice, the second time ``gap`` seconds later; whoever fails says in one line why."""
    processes = []
    for number in range(2):
        processes.append(start(words, folder / f"log{number}"))
        time.sleep(gap * (1 - number))
    codes = [process.wait(PATIENCE) for process in processes]
    for number, code in enumerate(codes):
        if code != 0:
            last = (folder / f"log{number}").read_text().strip().splitlines()[-1]
            assert code == 2
            assert last.startswith(("error: ", "failed: "))
    return codes


@pytest.mark.slow
@pytest.mark.parametrize("seed", trials(6, 1))
def test_two_trainings_in_one_folder(seed: int, tmp_path: Path, promise: Callable[..., None]) -> None:
    words = leap_avvp("train", *TINY, f"hydra.run.dir={tmp_path / 'run'}")
    alone = leap_avvp("train", *TINY, f"hydra.run.dir={tmp_path / 'alone'}")
    codes = together(words, tmp_path, random.Random(seed).uniform(0, 2))
    # The later one is refused, or comes when all is done and finds it so.
    assert 0 in codes
    for number, code in enumerate(codes):
        assert (code != 0) == ("another process writes here" in (tmp_path / f"log{number}").read_text())
    assert finish(alone, tmp_path / "log2") == 0
    assert left_by(tmp_path / "run") == left_by(tmp_path / "alone")
    promise("two trainings in one folder: one trains, the other is refused in one line", exit_codes=sorted(codes))


@pytest.mark.slow
def test_two_sweeps_in_one_folder(tmp_path: Path, promise: Callable[..., None]) -> None:
    words = leap_avvp("train", "-m", *TINY, "seed=0,1,2", f"hydra.sweep.dir={tmp_path / 'sweep'}")
    # A job that the other is at is refused; the rest of the sweep goes on, what the other has finished is taken.
    codes = together(words, tmp_path, 0)
    assert finish(words, tmp_path / "log2") == 0
    assert len(list((tmp_path / "sweep").rglob("metrics.json"))) == 3
    logs = "".join((tmp_path / f"log{number}").read_text() for number in range(3))
    assert "Traceback" not in logs
    assert logs.count("epoch  6/6") == 3
    promise("two sweeps in one folder: each job is trained once", trials=3, exit_codes=sorted(codes))


@pytest.mark.slow
@pytest.mark.parametrize("seed", trials(4, 1))
def test_two_packing_the_same_folder(
    seed: int, tmp_path: Path, make_llp_folder: Callable[..., Path], promise: Callable[..., None]
) -> None:
    root = make_llp_folder(tmp_path / "llp", train=60, val=4, test=4)
    codes = together(leap_avvp("data", "pack", root), tmp_path, random.Random(seed).uniform(0, 0.5))
    assert 0 in codes
    PackedLLP(root / "packed-float32", root).verify()
    assert [path.name for path in root.glob("*packed*")] == ["packed-float32"]
    promise("two packing the same folder: one whole set", exit_codes=sorted(codes))


@pytest.mark.slow
@pytest.mark.parametrize("seed", trials(4, 1))
def test_reading_while_another_packs(
    seed: int, tmp_path: Path, make_llp_folder: Callable[..., Path], promise: Callable[..., None]
) -> None:
    root = make_llp_folder(tmp_path / "llp", train=40, val=8, test=8)
    small = [word for word in TINY if not word.startswith("data.num")]
    train = [
        *("train", *small, "data=llp", f"data.root={root}", "label_embedding=learnable"),
        *("data.schedule.max_epochs=2", "callbacks.checkpoint_every_n_steps=null"),
    ]
    log = tmp_path / "log"
    assert finish(leap_avvp(*train, "data.packed=off", f"hydra.run.dir={tmp_path / 'files'}"), log) == 0, (
        log.read_text()
    )
    packing = start(leap_avvp("data", "pack", root), tmp_path / "pack.log")
    time.sleep(random.Random(seed).uniform(0, 2))
    reading = start(leap_avvp(*train, f"hydra.run.dir={tmp_path / 'run'}"), log)
    assert (packing.wait(PATIENCE), reading.wait(PATIENCE)) == (0, 0), log.read_text()
    one, other = left_by(tmp_path / "files"), left_by(tmp_path / "run")
    assert one["weights"] == other["weights"]
    assert one["metrics"]["test"] == other["metrics"]["test"]
    how = "packed" if "packed set" in log.read_text() else "files"
    promise("a training that reads while another process packs: the same numbers", read=how)


@pytest.mark.slow
@pytest.mark.parametrize("seed", trials(10, 2))
def test_a_killed_packing_goes_on(
    seed: int, tmp_path: Path, make_llp_folder: Callable[..., Path], promise: Callable[..., None]
) -> None:
    root = make_llp_folder(tmp_path / "llp", train=600 if seed % 2 else 60, val=4, test=4)
    log = tmp_path / "log"
    for _ in range(2):
        process = start(leap_avvp("data", "pack", root), log)
        time.sleep(random.Random(seed).uniform(0.2, 2.5))
        kill(process)
    assert finish(leap_avvp("data", "pack", root), log) == 0, log.read_text()
    whole = PackedLLP(root / "packed-float32", root)
    whole.verify()
    assert whole.load("train").video_2d.shape[0] == (600 if seed % 2 else 60)
    assert [path.name for path in root.glob("*packed*")] == ["packed-float32"]
    promise("a packing killed with SIGKILL goes on to a whole set, or had made one", trials=2)
