"""``.npy`` headers and ``.npz`` archives of unknown origin: sizes are read before anything is allocated or unpacked."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import DataError

__all__ = ["NpyHeader", "NpzArchive", "open_npz", "read_npy_header"]

# numpy refuses headers above 10,000 characters, yet reads them first, and a header may claim to be 4 GB long.
_MOST_BYTES = 10_240
_USUAL_BYTES = 128
# What numpy writes. zipfile unpacks the others without a bound: 10 kB of bzip2 may be 200 MB of zeros.
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclasses.dataclass(frozen=True)
class NpyHeader:
    """What a ``.npy`` file says of itself; its data need not be there."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    data_offset: int
    """Bytes before the data."""
    fortran_order: bool = False
    """The first axis varies fastest."""

    @property
    def data_bytes(self) -> int:
        """Bytes of the data."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy_header(file: IO[bytes]) -> NpyHeader:
    """Read the header at the start of ``file``, and a little further.

    Raises:
        ValueError: it is not that of a ``.npy`` file.
        OSError: the file cannot be read.
    """
    head = file.read(_USUAL_BYTES)
    length = 10 + int.from_bytes(head[8:10], "little") if head[6:7] == b"\x01" else _MOST_BYTES
    if length > len(head) == _USUAL_BYTES:
        head += file.read(min(length, _MOST_BYTES) - len(head))
    return _parse(head[:length])


@functools.lru_cache(maxsize=64)
def _parse(content: bytes) -> NpyHeader:
    """Parse a header. Thousands of files share a few, and to parse one takes longer than to read it."""
    head = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(head)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(head)
        elif version in ((2, 0), (3, 0)):  # 3.0 differs in the encoding of field names, and there are none in numbers
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(head)
        else:
            raise ValueError(f"version {version} of the format is not known")
    except Exception as error:  # the header is Python source: damaged, it raises whatever Python's parsers do
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0][:200]) from error
    return NpyHeader(shape, dtype, head.tell(), fortran)


class NpzArchive:
    """An open ``.npz``: which arrays it holds, what each says of itself, and, asked for, the arrays."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.names = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
        """Names of the arrays. Of members ``a`` and ``a.npy``, which ``np.load`` confuses, the second alone counts."""

    def header(self, name: str) -> NpyHeader:
        """Return what the array ``name`` says of itself: shape and type are to be checked before :meth:`read`."""
        with self._open(name) as file:
            return read_npy_header(file)

    def read(self, name: str) -> NDArray[Any]:
        """Return the array ``name``; it takes as much memory as its header says, however much is packed behind it."""
        with self._open(name) as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array

    def _open(self, name: str) -> IO[bytes]:
        member = self._archive.getinfo(f"{name}.npy")
        if member.compress_type not in _PACKED:
            raise ValueError(f"{name[:80]!r} is packed in a way that numpy never writes")
        return self._archive.open(member)


@contextlib.contextmanager
def open_npz(path: Path) -> Iterator[NpzArchive]:
    """Open an archive; whatever is wrong with it while it is open becomes one line.

    Raises:
        DataError: the file is missing, or no archive of plain arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield NpzArchive(archive)
    except DataError:
        raise
    except Exception as error:  # a damaged or encrypted archive raises what zlib, zipfile and numpy please
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: expected an .npz of plain arrays, cannot read it ({reason[:200]})") from error
