"""Arrays of single videos in folders: whole files, recognised without reading them."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import DataError
from leap_avvp.files import write_whole
from leap_avvp.files.links import absence, pointer
from leap_avvp.files.npz import read_npy_header

__all__ = ["clear_parts", "is_whole", "read_rows", "read_whole", "write_array"]

# What a killed `write_whole` leaves.
_PART = re.compile(r"\..+\.[0-9]+\.part")


def write_array(path: Path, array: NDArray[np.generic]) -> None:
    """Write a ``.npy`` file that is whole or absent; equal arrays give equal bytes.

    Raises:
        DataError: it cannot be written.
    """
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(array), allow_pickle=False)
    write_whole(path, content.getvalue())


def is_whole(path: Path, shape: tuple[int, ...], dtype: str = "<f4") -> bool:
    """Say whether a file is an array of this shape and type, with all its bytes."""
    try:
        with path.open("rb", buffering=0) as file:
            header = read_npy_header(file)
            size = path.stat().st_size
    except (OSError, ValueError):
        return False
    return (
        header.shape == shape
        and header.dtype == np.dtype(dtype)
        and not header.fortran_order
        and size == header.data_offset + header.data_bytes
    )


def read_whole(path: Path, shape: tuple[int, ...], dtype: str = "<f4") -> NDArray[Any] | None:
    """Return the array of a file; None where :func:`is_whole` says no."""
    if not is_whole(path, shape, dtype):
        return None
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return array


def read_rows(path: Path, shapes: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """Return the features (R, F) of somebody's file in float32.

    Args:
        path: the file; floating-point numbers of any width.
        shapes: those that are taken.

    Raises:
        DataError: missing, damaged, of another shape or type, or holding NaN or Inf.
    """
    try:
        gone = absence(path)
        if gone:
            raise DataError(f"{path}: {gone}")
        with path.open("rb") as file:
            header = read_npy_header(file)
            if header.shape not in shapes or header.dtype.kind != "f":
                wanted = " or ".join(map(str, shapes))
                found = "objects, which are not loaded" if header.dtype.hasobject else f"{header.shape} {header.dtype}"
                raise DataError(f"{path}: expected floating-point numbers of shape {wanted}, found {found}")
            file.seek(0)
            values: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, DataError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{path}: {_unreadable(path, reason)}") from error
    with np.errstate(over="ignore"):  # what is too large becomes Inf
        rows = np.ascontiguousarray(values, np.float32)
    if not np.isfinite(rows).all():
        raise DataError(f"{path}: expected finite numbers, found NaN or Inf")
    return rows


def _unreadable(path: Path, reason: str) -> str:
    try:
        instead = pointer(path)
    except OSError:
        instead = None
    return instead or f"expected a .npy file, cannot read it ({reason})"


def clear_parts(*folders: Path) -> None:
    """Remove halves of files that a killed process has left; only who holds the folder's lock may do so."""
    for folder in folders:
        for path in folder.glob(".*.part"):
            if _PART.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()
