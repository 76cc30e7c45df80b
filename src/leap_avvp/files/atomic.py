"""Files that are whole or absent, and folders with one writer at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from leap_avvp.errors import DataError, LeapError

__all__ = ["folder_lock", "unwritable", "write_whole"]

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unwritable(path: Path, error: OSError) -> DataError:
    """Return the error for a file that cannot be written: its path, the reason and, on a full disk, the space left."""
    reason = error.strerror or str(error)
    if error.errno in _NO_SPACE:
        existing = next((folder for folder in path.absolute().parents if folder.is_dir()), Path("/"))
        with contextlib.suppress(OSError):
            reason += f"; {shutil.disk_usage(existing).free / 1e9:.2f} GB free there, or a quota is reached"
    return DataError(f"{path}: cannot be written ({reason})")


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
            with part.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())  # small files that others rely on: whole after a power cut too
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
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
        raise unwritable(folder, error) from error
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
