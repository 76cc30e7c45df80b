"""Runs ``leap-avvp`` and kills it with SIGKILL at a place: ``python killed_at.py "validation 3" train ...``."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from leap_avvp.cli import main
from leap_avvp.training.module import ParsingModule


def die() -> None:
    """End as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


def after(owner: Any, name: str, number: int, test: Callable[..., bool] = lambda *_: True) -> None:
    """Die after the ``number``-th call of a function for which ``test`` holds."""
    original, calls = getattr(owner, name), []

    def method(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if test(*args):
            calls.append(1)
            if len(calls) == number:
                die()
        return result

    setattr(owner, name, method)


def half(owner: Any, name: str, number: int, place: Callable[..., Path]) -> None:
    """Die in the ``number``-th call, when half of the file is written."""
    original, calls = getattr(owner, name), []

    def method(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        calls.append(1)
        if len(calls) == number:
            path = place(*args)
            os.truncate(path, path.stat().st_size // 2)
            die()
        return result

    setattr(owner, name, method)


def prepare(place: str) -> None:
    """Set the trap."""
    number = int((re.findall(r"\d+", place) or ["1"])[0])
    if place.startswith("step"):
        after(ParsingModule, "training_step", number)
    elif place.startswith("validation"):
        after(ParsingModule, "validation_step", number)
    elif place.startswith("test"):
        after(ParsingModule, "test_step", number)
    elif place.startswith("half a checkpoint"):

        def flushed(content: object, file: Any) -> Path:
            file.flush()
            return Path(file.name)

        half(torch, "save", number, flushed)
    elif place.startswith("checkpoint"):
        after(Path, "replace", number, lambda part, target: Path(target).suffix == ".ckpt")
    elif place == "predictions":
        after(Path, "replace", 1, lambda part, target: Path(target).name == "predictions_test.npz")
    elif place == "metrics.json renamed":
        after(Path, "replace", 1, lambda part, target: Path(target).name == "metrics.json")
    elif place == "half of metrics.json":
        original = Path.replace

        def replace(part: Path, target: Any) -> Path:
            if Path(target).name == "metrics.json":
                os.truncate(part, part.stat().st_size // 2)
                die()
            return original(part, target)

        Path.replace = replace  # type: ignore[method-assign,assignment]
    else:
        raise ValueError(f"no such place: {place}")


if __name__ == "__main__":
    prepare(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
