"""Arrays of single videos in folders: whole files, recognised without reading them."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leap_avvp.files import write_whole
from leap_avvp.files.npz import read_npy_header

__all__ = ["clear_parts", "is_whole", "read_whole", "write_array"]

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


def read_whole(path: Path, shape: tuple[int, ...], dtype: str = "<f4") -> NDArray[np.generic] | None:
    """Return the array of a file; None where :func:`is_whole` says no."""
    if not is_whole(path, shape, dtype):
        return None
    try:
        array: NDArray[np.generic] = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return array


def clear_parts(*folders: Path) -> None:
    """Remove halves of files that a killed process has left; only who holds the folder's lock may do so."""
    for folder in folders:
        for path in folder.glob(".*.part"):
            if _PART.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()
