"""Work in processes of its own: deaths, errors, threads, and ends."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leap_avvp.errors import ConfigError, DataError, LeapError
from leap_avvp.media.pool import Outcome, Solo, auto_jobs, outcomes
from tests.media import pool_work


def run(opener: Callable[[], Callable[[Any], Any]], items: list[Any], jobs: int) -> list[Outcome]:
    with contextlib.closing(outcomes(opener, items, jobs)) as coming:
        return sorted(coming, key=lambda one: one.index)


def is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(test: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if test():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_item_has_its_outcome(jobs: int) -> None:
    found = run(pool_work.opener, [3, 4, 5, 6, 7], jobs)
    assert [(one.index, one.value, one.problem) for one in found] == [(n, (n + 3) ** 2, None) for n in range(5)]


def test_nothing_to_do_starts_nothing() -> None:
    assert run(pool_work.never, [], 2) == []


def test_what_fails_or_dies_costs_itself_alone() -> None:
    found = run(pool_work.opener, [1, "data", "bug", 2, "segv", "memory", 3, "exit", "kill", 4], 2)
    assert [one.value for one in found] == [1, None, None, 4, None, None, 9, None, None, 16]
    problems = [one.problem for one in found if one.problem]
    assert [one.deaths for one in found] == [0, 0, 0, 0, 3, 0, 0, 3, 3, 0]
    assert problems == [
        "file x: expected y",
        "RuntimeError: a bug",
        "its process was ended by SIGSEGV, 3 times",
        "not enough memory",
        "its process was ended with exit code 3, 3 times",
        "its process was ended by SIGKILL, maybe for lack of memory, 3 times",
    ]


def test_what_has_ended_one_process_is_done_by_another(tmp_path: Path) -> None:
    """As where memory ran out for a moment; the others go on meanwhile."""
    items = [1, f"once {tmp_path / 'first'}", 2, 3]
    found = run(pool_work.opener, items, 1)
    assert [(one.value, one.problem, one.deaths) for one in found] == [
        (1, None, 0), ("done", None, 1), (4, None, 0), (9, None, 0),
    ]  # fmt: skip
    solo = Solo(pool_work.opener)
    try:
        assert solo(5, f"once {tmp_path / 'second'}") == Outcome(5, "done", deaths=1)
        assert solo(6, "kill").problem == "its process was ended by SIGKILL, maybe for lack of memory, 3 times"
        assert solo(7, 8) == Outcome(7, 64)
    finally:
        solo.close()


@pytest.mark.parametrize("kind", [ConfigError, DataError])
def test_what_cannot_be_loaded_is_told_as_it_is(kind: type[LeapError]) -> None:
    with pytest.raises(kind, match=r"^weights x: not there$") as caught:
        run(functools.partial(pool_work.refuse, kind), [1, 2], 2)
    assert type(caught.value) is kind


@pytest.mark.parametrize(("name", "text"), [("segv", "ended by SIGSEGV"), ("bug", "RuntimeError: a bug")])
def test_a_death_while_loading_ends_the_run_in_one_line(name: str, text: str) -> None:
    with pytest.raises(LeapError, match=text) as caught:
        run(functools.partial(pool_work.stumble, name), [1, 2], 1)
    assert "\n" not in str(caught.value)


def test_a_process_has_one_thread_and_this_one_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    (found,) = run(pool_work.opener, ["threads"], 1)
    assert found.value == ("1", "1")
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_whoever_leaves_ends_the_processes() -> None:
    coming = outcomes(pool_work.opener, ["pid", "sleep", "sleep", "sleep"], 2)
    number = next(coming).value
    coming.close()
    assert not is_alive(number)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_does_not_reach_the_processes() -> None:
    coming = outcomes(pool_work.opener, ["pid", 5, "interrupted", 6], 1)
    with contextlib.closing(coming):
        number = next(coming).value
        os.kill(number, signal.SIGINT)
        assert [one.value for one in coming] == [25, "still here", 36]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from leap_avvp.media.pool import outcomes\n"
        "from tests.media import pool_work\n"
        "if __name__ == '__main__':\n"
        "    for one in outcomes(pool_work.opener, ['pid', 'nap', 'nap', 'nap', 'nap', 'nap', 'nap'], 1):\n"
        "        print(one.value, flush=True)\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(root)}
    ) as process:
        assert process.stdout is not None
        number = int(process.stdout.readline())
        process.kill()
    assert wait_for(lambda: not is_alive(number))


def test_as_many_processes_as_there_are_threads_and_memory_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    monkeypatch.setattr("leap_avvp.media.pool.available_memory", lambda: 10_000_000_000)
    assert auto_jobs(100) == 4
    assert auto_jobs(3) == 3
    assert auto_jobs(100, "cuda") == 1
    monkeypatch.setattr("leap_avvp.media.pool.available_memory", lambda: 0)
    assert auto_jobs(100) == 1
