"""``kill -9`` of a study: no finished cell is trained twice, none is lost, each result is what it would have been."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.processes import PATIENCE, finish, kill, leap_avvp, start
from tests.torture.trial import TINY, assert_clean, left_by, trials

PROMISE = "a study killed with SIGKILL goes on: no cell trained twice, none lost, results the same to the bit"
CELLS = 3


def study(out: Path) -> list[str]:
    """Return a study of three tiny cells, two side by side."""
    words = ("reproduce", "table6", *TINY, "data.schedule.max_epochs=2", "--jobs", 2, "--out", out)
    return leap_avvp(*words)


def cells(out: Path) -> dict[str, Path]:
    """Return the folders of finished cells by name."""
    return {str(path.parent.relative_to(out)): path.parent for path in out.rglob("metrics.json")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, Any]], float]:
    """Return what each cell leaves in a study that was never stopped, and how long it took."""
    folder = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    assert finish(study(folder / "out"), folder / "log") == 0, (folder / "log").read_text()
    results = {name: left_by(path) for name, path in cells(folder / "out").items()}
    assert len(results) == CELLS
    return results, time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("seed", trials(10, 1))
def test_at_a_random_moment(
    seed: int,
    tmp_path: Path,
    whole: tuple[dict[str, dict[str, Any]], float],
    promise: Callable[..., None],
) -> None:
    """Killed one to three times: all its processes, or the study alone, whose trainings then go on without it."""
    expected, duration = whole
    draw = random.Random(seed)
    out, log = tmp_path / "out", tmp_path / "log"
    finished: dict[str, int] = {}
    refused = 0
    kills = 0
    for _ in range(draw.choice((1, 2, 3))):
        process = start(study(out), log)
        time.sleep(draw.uniform(0.1, 0.7) * duration)
        kills += process.poll() is None
        alone = draw.random() < 1 / 3
        if alone:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        else:
            kill(process)
        finished |= {name: (path / "metrics.json").stat().st_mtime_ns for name, path in cells(out).items()}
    end = time.monotonic() + PATIENCE
    while (code := finish(study(out), log)) == 2:  # a training of the killed study still writes
        assert "another process writes here" in log.read_text().splitlines()[-1]
        refused += 1
        assert time.monotonic() < end
        time.sleep(1)
    assert code == 0, log.read_text()[-3000:]
    found = cells(out)
    assert found.keys() == expected.keys()
    for name, path in found.items():
        assert left_by(path) == expected[name], name
        assert_clean(path)
    for name, written in finished.items():
        assert (found[name] / "metrics.json").stat().st_mtime_ns == written, f"{name} was trained again"
    ended = re.findall(r"^# exit code 0$", "\n".join(each.read_text() for each in out.rglob("reproduce.log")), re.M)
    assert len(ended) <= len(expected)
    promise(PROMISE, trials=kills, finished_before=len(finished), refused=refused)
