"""Processes under trial: started warm or cold, in a group of their own, so that they can be ended with all children."""

from __future__ import annotations

import functools
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from multiprocessing import forkserver
from pathlib import Path

import pytest

COLD = bool(os.environ.get("LEAP_AVVP_TORTURE"))
"""Whether each process is started as a user starts it, with some seconds of imports, and not forked from a warm one."""
PATIENCE = 1200.0
"""Seconds that a process may take which takes a few on a machine with nothing else to do."""


def environment() -> dict[str, str]:
    """Return that of a process under trial: one thread."""
    return os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}


def leap_avvp(*words: object) -> list[str]:
    """Return the command as a process runs it."""
    return [sys.executable, "-m", "leap_avvp", *(str(word) for word in words)]


class Forked:
    """What the tests use of ``subprocess.Popen``, for a process forked from one that has imported all that is slow."""

    def __init__(self, words: list[str], log: Path) -> None:
        _warm_up()
        self._process = multiprocessing.get_context("forkserver").Process(target=_as_python, args=(words, str(log)))
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, less than 0 for a signal; None while the process runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit code."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self._process.exitcode


Process = subprocess.Popen[bytes] | Forked


@functools.cache
def _warm_up() -> None:
    """Start the process from which the others are forked."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        multiprocessing.get_context("forkserver").set_forkserver_preload(
            ["leap_avvp.cli.hydra_app", "leap_avvp.config.job", "leap_avvp.training.run", "leap_avvp.studies.launch"]
        )
        forkserver.ensure_running()


def _as_python(words: list[str], log: str) -> None:
    """Do in a forked process what ``python *words`` does, writing into ``log``."""
    os.setsid()
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)
    os.chdir(Path(log).parent)
    os.environ.update(environment())
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(words[1], {"__name__": "__main__"})
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


def start(command: list[str], log: Path, cold: bool = COLD) -> Process:
    """Start a command in a process group of its own, in the folder of its log; a Python is forked unless ``cold``."""
    if command[0] == sys.executable and not cold:
        return Forked(command[1:], log)
    with log.open("ab") as file:
        return subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=environment(), start_new_session=True, cwd=log.parent
        )


def finish(command: list[str], log: Path, timeout: float = PATIENCE, cold: bool = COLD) -> int:
    """Run a command to its end; return its exit code."""
    process = start(command, log, cold)
    try:
        return process.wait(timeout)
    finally:
        kill(process)


def kill(process: Process) -> None:
    """End a process and all its children at once, as a power cut does."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has ended, or was forked a moment ago and has no group yet
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
    process.wait()
