"""What processes of the pool do in its tests: they import it by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leap_avvp.errors import DataError, LeapError


def work(item: Any) -> Any:
    """Do what an item says."""
    if isinstance(item, int):
        return item**2
    if item == "pid":
        return os.getpid()
    if item == "threads":
        return os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]
    if item == "interrupted":
        time.sleep(0.2)
        return "still here"
    if item in ("sleep", "nap"):
        time.sleep(60 if item == "sleep" else 1)
        return item
    if item.startswith("once "):
        file = Path(item.removeprefix("once "))
        if file.exists():
            return "done"
        file.touch()
        item = "kill"
    return fail(item)


def fail(item: str) -> None:
    """Fail or die in one of several ways."""
    if item == "data":
        raise DataError("file x: expected y")
    if item == "memory":
        raise MemoryError
    if item == "bug":
        raise RuntimeError("a bug\nof two lines")
    if item == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL if item == "kill" else signal.SIGSEGV)


def opener() -> Callable[[Any], Any]:
    """Load nothing."""
    return work


def refuse(kind: type[LeapError]) -> Callable[[Any], Any]:
    """Miss the weights."""
    raise kind("weights x: not there")


def stumble(how: str) -> Callable[[Any], Any]:
    """Fail where networks are loaded."""
    fail(how)
    return work


def never() -> Callable[[Any], Any]:
    """Be called by nobody."""
    raise AssertionError
