"""Files that are whole or absent."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from leap_avvp.errors import DataError

__all__ = ["unwritable", "write_json", "write_whole"]

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


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write JSON as :func:`write_whole` does.

    Raises:
        DataError: the file cannot be written.
        ValueError: a number is NaN or infinite, which JSON does not know.
    """
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
