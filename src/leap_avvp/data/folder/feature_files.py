"""One ``.npy`` file of somebody else's drive: read, checked, brought to float32. Nothing in it is executed."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import Stream
from leap_avvp.card.reduce import reduce_rows
from leap_avvp.files.links import absence, link_refusal, pointer
from leap_avvp.files.npz import read_npy_header

__all__ = ["ANY", "BadFileError", "read_array", "read_features", "read_pseudo_labels"]

ANY = -1
"""Rows of a shape that may be any number."""
_MOST_ROWS = 2**20
_NUMBERS = "fiub"  # numpy's letters for floating-point numbers, integers of both kinds, and booleans


class BadFileError(Exception):
    """What is wrong with one file; the check of a folder collects these. ``missing`` ones may be left out."""

    def __init__(self, path: Path, text: str, missing: bool = False) -> None:
        super().__init__(f"{path}: {text}")
        self.path, self.missing = path, missing


def read_array(
    path: Path,
    root: Path,
    shapes: tuple[tuple[int, int], ...],
    kinds: str = _NUMBERS,
    link_store: Path | None = None,
) -> NDArray[Any]:
    """Return the array of a ``.npy`` file as it is stored.

    Args:
        path: the file.
        root: the data folder. A link of a single file that leads out of it, and out of the folder that it stands in, is
            refused: an archive from elsewhere may hold one. The root and the feature folders may well be links.
        shapes: those that are taken; :data:`ANY` rows stand for one or more.
        kinds: letters of ``dtype.kind`` that are taken.
        link_store: a trusted folder that links of single files may lead into, too.

    Raises:
        BadFileError: unreadable, truncated, of another shape or type, holding objects, or a link out. Missing, too: not
            there, a pointer of Git LFS or git-annex in its place, or an array of fewer rows, from a clip cut short.
    """
    _check_link(path, root, link_store)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait forever
            raise BadFileError(path, "expected a file, found a folder or a device")
        with path.open("rb", buffering=0) as file:
            header = read_npy_header(file)
            if header.dtype.kind not in kinds:
                what = "floating-point numbers" if kinds == "f" else "numbers"
                found = "objects, which are not loaded" if header.dtype.hasobject else header.dtype
                raise BadFileError(path, f"expected {what}, found {found}")
            if not _fits(header.shape, shapes):
                short = len(header.shape) == 2 and any(
                    0 <= header.shape[0] < max(rows, 1) and header.shape[1] == width for rows, width in shapes
                )
                wanted = " or ".join(str(shape).replace(str(ANY), "any") for shape in shapes)
                why = ": a clip that was cut short" if short else ""
                raise BadFileError(path, f"expected shape {wanted}, found {header.shape}{why}", missing=short)
            expected = header.data_offset + header.data_bytes
            if status.st_size < expected:
                raise BadFileError(path, f"expected {expected:,} bytes, found {status.st_size:,}: truncated")
            file.seek(header.data_offset)
            array: NDArray[Any] = np.empty(header.shape, header.dtype, order="F" if header.fortran_order else "C")
            _fill(file, array)
    except FileNotFoundError:
        raise BadFileError(path, absence(path) or "missing", missing=True) from None
    except (OSError, ValueError, EOFError) as error:
        instead = pointer(path) if isinstance(error, ValueError) else None
        if instead:
            raise BadFileError(path, instead, missing=True) from None
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadFileError(path, f"expected a .npy file, cannot read it ({reason})") from error
    return array


def _fits(shape: tuple[int, ...], shapes: tuple[tuple[int, int], ...]) -> bool:
    if len(shape) == 2 and 0 < shape[0] <= _MOST_ROWS and (ANY, shape[1]) in shapes:
        return True
    return shape in shapes


def _fill(file: io.RawIOBase, array: NDArray[Any]) -> None:
    """Read an array's bytes straight into it; other threads run meanwhile."""
    rest = array.ravel(order="K").view(np.uint8).data
    while rest:
        number = file.readinto(rest)
        if not number:
            raise EOFError("the file ends early")
        rest = rest[number:]


def read_features(
    path: Path, root: Path, stream: Stream, segments: int, link_store: Path | None = None
) -> NDArray[np.float32]:
    """Return features (T, F) in float32, the rows of the file brought to segments.

    Args:
        path: the file; any float width, byte and memory order.
        root: see :func:`read_array`.
        stream: what the file holds; one whose rows are segments already is taken too.
        segments: T.
        link_store: see :func:`read_array`.

    Raises:
        BadFileError: as :func:`read_array`; NaN or Inf, also where a number is too large for float32.
    """
    shapes = stream.shapes(segments) or ((ANY, stream.width),)
    array = read_array(path, root, shapes, "f", link_store)
    with np.errstate(over="ignore"):  # what is too large becomes Inf, which is refused below
        values = np.ascontiguousarray(array, dtype=np.float32)
    wrong = values.size - np.count_nonzero(np.isfinite(values))
    if wrong:
        raise BadFileError(path, f"expected finite numbers, found {wrong:,} NaN or Inf among {values.size:,}")
    if len(values) == segments and shapes[0][0] != segments:
        return values
    return reduce_rows(values, stream.reduce, segments)


def read_pseudo_labels(
    path: Path, root: Path, shape: tuple[int, int], link_store: Path | None = None
) -> NDArray[np.float32]:
    """Return segment pseudo labels (T, C), 0 or 1, in float32.

    Args:
        path: the file; integers, booleans or floating-point numbers.
        root: see :func:`read_array`.
        shape: (T, C).
        link_store: likewise.

    Raises:
        BadFileError: as :func:`read_array`; other values than 0 and 1.
    """
    array = read_array(path, root, (shape,), link_store=link_store)
    allowed = (array == 0) | (array == 1)
    if not allowed.all():
        raise BadFileError(path, f"expected 0 or 1 for each segment and class, found {array[~allowed][0]:g}")
    return np.ascontiguousarray(array, dtype=np.float32)


def _check_link(path: Path, root: Path, link_store: Path | None) -> None:
    if not path.is_symlink():
        return
    folders = (path.parent, root) if link_store is None else (link_store, path.parent, root)
    try:
        gone = absence(path)
        refusal = None if gone else link_refusal(path, folders)
    except (OSError, RuntimeError) as error:  # a loop of links
        raise BadFileError(path, "expected a file, found a link that leads nowhere") from error
    if gone or refusal:
        raise BadFileError(path, gone or refusal or "", missing=bool(gone))
