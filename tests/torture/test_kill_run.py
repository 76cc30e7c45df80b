"""``kill -9`` of a training, at random moments and at chosen places; the same command again ends the same."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.processes import Process, finish, kill, leap_avvp, start
from tests.torture.trial import TINY, assert_clean, left_by, progress_of, trials

PROMISE = "a run killed with SIGKILL and started again ends as one never stopped, to the bit"
EPOCHS = 6
CHOSEN = (  # one of each kind, which CI tries, then others
    *("half a checkpoint 9", "validation 3", "half of metrics.json", "metrics.json renamed", "step 6"),
    *("checkpoint 3 renamed", "test 1", "predictions", "half a checkpoint 2", "checkpoint 10 renamed"),
)
KINDS = 8
PLACES = Path(__file__).with_name("killed_at.py")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what a run leaves that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    assert finish(leap_avvp("train", *TINY, f"hydra.run.dir={folder / 'run'}"), folder / "log") == 0
    return left_by(folder / "run")


def wait_for(process: Process, log: Path, epochs: int) -> None:
    """Wait until a run has printed its first line, and so many epochs; or has ended."""
    while process.poll() is None:
        text = log.read_text()
        if "data: " in text and text.count("\nepoch ") >= epochs:
            return
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("seed", trials(40, 2))
def test_at_a_random_moment(seed: int, tmp_path: Path, whole: dict[str, Any], promise: Callable[..., None]) -> None:
    """Killed once or twice: one time in ten while it starts, else soon after any of its epochs, the last one too."""
    draw = random.Random(seed)
    log = tmp_path / "log"
    words = leap_avvp("train", *TINY, f"hydra.run.dir={tmp_path / 'run'}")
    found = []
    for _ in range(draw.choice((1, 1, 2))):
        log.write_text("")
        process = start(words, log)
        if draw.random() < 0.1:
            time.sleep(draw.uniform(0.1, 2))
        else:
            wait_for(process, log, draw.randint(0, EPOCHS))
            time.sleep(draw.uniform(0, 0.2))
        in_time = process.poll() is None
        kill(process)
        if in_time:
            found.append(progress_of(log))
    assert finish(words, log) == 0, log.read_text()
    assert left_by(tmp_path / "run") == whole
    assert_clean(tmp_path / "run")
    promise(PROMISE, trials=len(found), killed=found)


@pytest.mark.slow
@pytest.mark.parametrize("place", CHOSEN[: len(trials(len(CHOSEN), KINDS))])
def test_at_a_chosen_place(
    place: str,
    tmp_path: Path,
    whole: dict[str, Any],
    promise: Callable[..., None],
) -> None:
    log = tmp_path / "log"
    words = ["train", *TINY, f"hydra.run.dir={tmp_path / 'run'}"]
    assert finish([sys.executable, str(PLACES), place, *words], log) == -9, log.read_text()
    assert finish(leap_avvp(*words), log) == 0, log.read_text()
    assert left_by(tmp_path / "run") == whole
    assert_clean(tmp_path / "run")
    promise(PROMISE, killed=place)
