"""The header of a ``.npy`` file, read before anything is allocated, unpacked or executed."""

from __future__ import annotations

import dataclasses
import functools
import io
import math
from typing import IO, Any

import numpy as np

__all__ = ["NpyHeader", "read_npy_header"]

# numpy refuses headers above 10,000 characters, yet reads them first, and a header may claim to be 4 GB long.
_MOST_BYTES = 10_240
_USUAL_BYTES = 128


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
