"""``kill -9`` of a training, at random moments and at chosen places; the same command again ends the same."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.torture.trial import TINY, assert_clean, finish, kill, leap_avvp, left_by, progress_of, start, trials

PROMISE = "a run killed with SIGKILL and started again ends as one never stopped, to the bit"
CHOSEN = (
    *("half a checkpoint 9", "validation 3", "half of metrics.json", "metrics.json renamed", "step 6"),
    *("half a checkpoint 2", "checkpoint 3 renamed", "checkpoint 10 renamed", "test 1", "predictions"),
)
PLACES = Path(__file__).with_name("killed_at.py")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], float, float]:
    """Return what a run leaves that was never stopped, when its first line came, and how long it took."""
    folder = tmp_path_factory.mktemp("whole")
    log = folder / "log"
    log.touch()
    began = time.monotonic()
    process = start(leap_avvp("train", *TINY, f"hydra.run.dir={folder / 'run'}"), log)
    while "data: " not in log.read_text() and process.poll() is None:
        time.sleep(0.01)
    first = time.monotonic() - began
    assert process.wait(300) == 0, log.read_text()
    return left_by(folder / "run"), first, time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("seed", trials(40, 2))
def test_at_a_random_moment(
    seed: int,
    tmp_path: Path,
    whole: tuple[dict[str, Any], float, float],
    promise: Callable[..., None],
) -> None:
    """Killed once or twice: one time in eight while it starts, else while it trains, tests and writes."""
    expected, first, last = whole
    draw = random.Random(seed)
    log = tmp_path / "log"
    words = leap_avvp("train", *TINY, f"hydra.run.dir={tmp_path / 'run'}")
    found = []
    for _ in range(draw.choice((1, 1, 2))):
        moment = draw.uniform(0, first) if draw.random() < 1 / 8 else draw.uniform(0.9 * first, last)
        log.write_text("")
        process = start(words, log)
        time.sleep(moment)
        kill(process)
        found.append(progress_of(log))
    assert finish(words, log) == 0, log.read_text()
    assert left_by(tmp_path / "run") == expected
    assert_clean(tmp_path / "run")
    promise(PROMISE, trials=len(found), killed=found)


@pytest.mark.slow
@pytest.mark.parametrize("place", CHOSEN[: len(trials(len(CHOSEN), 4))])
def test_at_a_chosen_place(
    place: str,
    tmp_path: Path,
    whole: tuple[dict[str, Any], float, float],
    promise: Callable[..., None],
) -> None:
    log = tmp_path / "log"
    words = ["train", *TINY, f"hydra.run.dir={tmp_path / 'run'}"]
    assert finish([sys.executable, str(PLACES), place, *words], log) == -9, log.read_text()
    assert finish(leap_avvp(*words), log) == 0, log.read_text()
    assert left_by(tmp_path / "run") == whole[0]
    assert_clean(tmp_path / "run")
    promise(PROMISE, killed=place)
