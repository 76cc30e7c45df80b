"""A run over many videos: progress, what failed, and files that are made again."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from leap_avvp.errors import ConfigError
from leap_avvp.media.display import display, rates
from leap_avvp.media.engines import Engine
from leap_avvp.media.failures import Failure
from leap_avvp.media.pool import Work, auto_jobs, outcomes

__all__ = ["ALL", "Run", "clear_files", "work_on"]

ALL = "all"
"""Stream of a failure that costs the whole video."""


@dataclasses.dataclass
class Run:
    """What a run has come to."""

    took: float = 0.0
    """Seconds."""
    looked_at: float = 0.0
    """Seconds of video."""
    made: int = 0
    """Videos of which everything was made."""
    again: int = 0
    """Videos whose first worker ended, and that another one did."""
    failures: list[Failure] = dataclasses.field(default_factory=list)
    """In the order of the videos."""

    def told(self, done: str) -> list[str]:
        """Return what to tell of it; ``done`` is what was done, in a word."""
        lines = []
        if self.made:
            lines.append(f"{done}: {self.made:,} in {self.took:.0f} s: {rates(self.made, self.looked_at, self.took)}")
        if self.again:
            lines.append(f"done again, as a worker ended: {self.again:,}")
        return lines


def work_on(
    what: str,
    opener: Callable[[], Work],
    items: Sequence[Any],
    names: Sequence[str],
    take: Callable[[int, Any], tuple[float, list[Failure]]],
    run: Run,
    jobs: int | None = None,
    device: str = "cpu",
    engine: Engine | None = None,
) -> None:
    """Work on items, and show it; ``run`` holds what came of it, also where this is ended on the way.

    Args:
        what: shown before the numbers.
        opener: see :func:`~leap_avvp.media.pool.outcomes`.
        items: likewise.
        names: of the items.
        take: called with an item's place and what came of it, in this process; returns seconds of video and failures.
        run: is filled.
        jobs: processes, or workers of the engine; None: as many as :func:`~leap_avvp.media.pool.auto_jobs`, or the
            engine, says.
        device: of the networks.
        engine: where the work is done; None: in processes of this machine.

    Raises:
        LeapError: that of ``opener``, ``take`` or the engine.
    """
    began = time.monotonic()
    failures: dict[int, list[Failure]] = {}
    if engine is None:
        found = outcomes(opener, items, jobs or auto_jobs(len(items), device))
    else:
        found = engine.outcomes(opener, items, jobs)
    try:
        with display(what, len(items)) as advance, contextlib.closing(found) as coming:
            for outcome in coming:
                seconds, failed = 0.0, [Failure(names[outcome.index], ALL, outcome.problem or "?")]
                if outcome.problem is None:
                    seconds, failed = take(outcome.index, outcome.value)
                failures[outcome.index] = failed
                run.made += not failed
                run.again += outcome.deaths > 0 and outcome.problem is None
                run.looked_at += seconds
                advance(seconds)
    finally:
        run.took = time.monotonic() - began
        run.failures = [failure for index in sorted(failures) for failure in failures[index]]


def clear_files(folders: Sequence[Path], videos: Sequence[str], difference: str | None) -> None:
    """Remove the files of videos that are to be made again.

    Args:
        folders: with ``<id>.npy`` files.
        videos: their ids.
        difference: in what the files that are there differ from those that are to be made; None if in nothing.

    Raises:
        ConfigError: files of other videos, which differ.
    """
    if difference is not None:
        own = {f"{video}.npy" for video in videos}
        others = [path for folder in folders for path in sorted(folder.glob("*.npy")) if path.name not in own]
        if others:
            raise ConfigError(
                f"{others[0]}: --overwrite: {len(others):,} files there are of videos that are not asked for, and made "
                f"in another way ({difference}); use another --out, or remove them"
            )
    for folder in folders:
        for video in videos:
            with contextlib.suppress(FileNotFoundError):
                (folder / f"{video}.npy").unlink()
