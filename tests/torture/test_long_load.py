"""Many jobs in one process, many steps in one job: memory, open files and threads do not grow."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import finish
from tests.torture.trial import ALL, TINY

WATCHED = Path(__file__).with_name("watched.py")
SHORT = [word for word in TINY if "max_epochs" not in word and "every_n_steps" not in word]
GROWTH = 24_000_000
"""Bytes that may come on top after the first tenth, whatever the number of jobs or steps: allocators keep pages."""


def watch(tmp_path: Path, *words: str) -> list[dict[str, int]]:
    """Run under watch; return what was seen."""
    log = tmp_path / "log"
    code = finish([sys.executable, str(WATCHED), *words], log)
    assert code == 0, log.read_text()[-3000:]
    lines = log.read_text().splitlines()
    return [json.loads(line.removeprefix("watched ")) for line in lines if line.startswith("watched ")]


def assert_level(seen: list[dict[str, int]]) -> dict[str, object]:
    """Assert that the last is as the one after a tenth; return both."""
    first, last = seen[max(1, len(seen) // 10)], seen[-1]
    assert last["files"] <= first["files"], (first, last)
    assert last["threads"] <= first["threads"], (first, last)
    assert last["configs"] <= first["configs"], (first, last)
    assert last["memory"] <= first["memory"] + GROWTH, (first, last)
    return {
        "memory": f"{first['memory'] / 1e6:.0f} MB then {last['memory'] / 1e6:.0f} MB",
        "files": f"{first['files']} then {last['files']}",
        "threads": f"{first['threads']} then {last['threads']}",
    }


@pytest.mark.slow
def test_many_jobs_in_one_multirun(tmp_path: Path, promise: Callable[..., None]) -> None:
    jobs = 200 if ALL else 12
    words = ["train", "-m", *SHORT, "data.schedule.max_epochs=1", "logger=csv", f"seed=range(0,{jobs})"]
    seen = watch(tmp_path, "jobs", *words, f"hydra.sweep.dir={tmp_path / 'sweep'}")
    assert len(seen) == jobs
    assert len(list((tmp_path / "sweep").rglob("metrics.json"))) == jobs
    promise("many jobs in one multirun: memory, open files and threads stay level", trials=jobs, **assert_level(seen))


@pytest.mark.slow
def test_many_steps_in_one_training(tmp_path: Path, promise: Callable[..., None]) -> None:
    epochs = 200 if ALL else 10
    words = ["train", *SHORT, "data.num_train=800", f"data.schedule.max_epochs={epochs}", "logger=csv"]
    seen = watch(tmp_path, "epochs", *words, f"hydra.run.dir={tmp_path / 'run'}")
    assert len(seen) >= epochs
    history = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert int(history[-1].split(",")[1]) + 1 == epochs * 100
    facts = assert_level(seen[:epochs])
    promise("many steps in one training: memory, open files and threads stay level", trials=epochs * 100, **facts)
