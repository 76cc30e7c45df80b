"""Videos of which something could not be made: a table for the terminal, and a file."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

from leap_avvp.files import write_whole

__all__ = ["Failure", "failure_table", "write_failures"]

_SHOWN = 20
_LONGEST = 40


@dataclasses.dataclass(frozen=True)
class Failure:
    """What could not be made of a video."""

    filename: str
    """The video's name, as annotation files have it."""
    stream: str
    """Which of its files; ``all`` where nothing of it could be read."""
    reason: str


def write_failures(path: Path, failures: Sequence[Failure]) -> None:
    """Write a CSV with ``filename``, ``stream`` and ``reason``; without failures remove one that is there.

    Raises:
        DataError: it cannot be written.
    """
    if not failures:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in dataclasses.fields(Failure)])
    writer.writerows(dataclasses.astuple(failure) for failure in failures)
    write_whole(path, text.getvalue())


def failure_table(failures: Sequence[Failure], file: Path) -> str:
    """Return lines of columns; of many failures the first, and where all are."""
    rows = [(failure.filename[:_LONGEST], failure.stream, failure.reason) for failure in failures[:_SHOWN]]
    rows.insert(0, ("filename", "stream", "reason"))
    first, second = (max(len(row[place]) for row in rows) for place in (0, 1))
    lines = [f"{name:<{first}}  {stream:<{second}}  {reason}" for name, stream, reason in rows]
    if len(failures) > _SHOWN:
        lines.append(f"... and {len(failures) - _SHOWN:,} more")
    return "\n".join([*lines, f"all of them: {file}"])
