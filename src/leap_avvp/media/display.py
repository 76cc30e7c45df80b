"""What a long run over videos shows: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO

__all__ = ["Advance", "display", "rates"]

Advance = Callable[[float], None]
"""Called when a video is done, with the seconds of it that were looked at."""
_EVERY = 30.0  # seconds between lines


def rates(videos: int, seconds: float, took: float) -> str:
    """Return videos, and seconds of video, a second: ``2.1 videos/s, 21 s of video a second``."""
    took = max(took, 1e-9)
    return f"{videos / took:.3g} videos/s, {seconds / took:.3g} s of video a second"


@contextlib.contextmanager
def display(what: str, total: int, file: IO[str] | None = None, every: float = _EVERY) -> Iterator[Advance]:
    """Show how far a run over ``total`` videos is, while the block runs.

    Args:
        what: what is done, in a word.
        total: videos.
        file: to which it is written; None for stderr.
        every: seconds between lines where it is no terminal.
    """
    file = sys.stderr if file is None else file
    if total and file.isatty():
        with _bar(what, total, file) as advance:
            yield advance
    else:
        yield _lines(what, total, file, every)


@contextlib.contextmanager
def _bar(what: str, total: int, file: IO[str]) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    began, looked = time.monotonic(), [0, 0.0]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(file=file), transient=True) as progress:
        task = progress.add_task(what, total=total, speed="")

        def advance(seconds: float) -> None:
            looked[0] += 1
            looked[1] += seconds
            speed = rates(int(looked[0]), looked[1], time.monotonic() - began)
            progress.update(task, advance=1, speed=speed)

        yield advance


def _lines(what: str, total: int, file: IO[str], every: float) -> Advance:
    began = told = time.monotonic()
    done, looked = 0, 0.0

    def advance(seconds: float) -> None:
        nonlocal told, done, looked
        done, looked = done + 1, looked + seconds
        now = time.monotonic()
        if now - told >= every and done < total:
            told = now
            left = (now - began) / done * (total - done)
            print(
                f"{what}: {done:,} of {total:,} videos, {rates(done, looked, now - began)}, about {left:.0f} s left",
                file=file,
                flush=True,
            )

    return advance
