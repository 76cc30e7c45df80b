"""Files that are whole or absent, and folders with one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from leap_avvp.errors import DataError, LeapError

__all__ = ["folder_lock", "write_whole"]


def write_whole(path: Path, content: str | bytes | Callable[[Path], None]) -> None:
    """Write a file by way of a temporary one beside it, so that no reader ever sees half of it; folders are made.

    Args:
        path: the file.
        content: what to write, or a function that writes it to the path it is given.

    Raises:
        DataError: the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(part)
        else:
            part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[int]:
    """Hold the folder for this process, and yield the lock's file descriptor.

    The system lets go of the lock when the last process that holds the descriptor ends, however it ends: hand it to a
    child that writes into the folder, and the folder stays locked while an orphaned child still writes.

    Raises:
        LeapError: another process holds the folder.
        DataError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror})") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise LeapError(
                f"{folder}: another process writes here (number {holder}); wait for it, stop it, or use another folder"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()
