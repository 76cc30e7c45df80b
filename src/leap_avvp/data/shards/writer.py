"""Writes one shard from the front to the back, in the memory of the videos at hand."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.shards.format import Shard, npy_head
from leap_avvp.files import unwritable, write_whole

__all__ = ["ShardWriter", "block_videos"]

_BLOCK_BYTES = 16_000_000
# Long enough to be read from a disk at its full rate, short enough to be held many times.


def block_videos(record: np.dtype[Any]) -> int:
    """Return how many videos make a block."""
    return max(1, _BLOCK_BYTES // record.itemsize)


class ShardWriter:
    """Writes ``folder/file`` under another name, which it loses when all is written; left early, nothing stays.

    Args:
        folder: of the set.
        file: name of the shard.
        record: type of its records.
        block: videos that share a checksum.

    Raises:
        DataError: it cannot be written.
    """

    def __init__(self, folder: Path, file: str, record: np.dtype[Any], block: int) -> None:
        self.path, self.record, self.block, self.videos = folder / file, record, block, 0
        self._part = folder / f".{file}.part"
        self._sums: list[str] = []
        self._hash = hashlib.sha256()
        self._head = npy_head(record, 0)
        try:
            self._file = self._part.open("wb")
            self._file.write(self._head)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
            self._part.unlink(missing_ok=True)

    def add(self, records: NDArray[Any]) -> None:
        """Write further videos, records (N,).

        Raises:
            DataError: no space.
        """
        start = 0
        while start < len(records):
            piece = records[start : start + self.block - self.videos % self.block]
            content = np.ascontiguousarray(piece).view(np.uint8).data
            self._hash.update(content)
            try:
                self._file.write(content)
            except OSError as error:
                raise unwritable(self.path, error) from error
            start, self.videos = start + len(piece), self.videos + len(piece)
            if self.videos % self.block == 0:
                self._end_block()

    def finish(self) -> Shard:
        """Give the shard its name, once its bytes are on the disk.

        Raises:
            DataError: no space.
        """
        if self.videos % self.block:
            self._end_block()
        head = npy_head(self.record, self.videos)
        assert len(head) == len(self._head), "numpy leaves room for any number of rows"
        try:
            self._file.seek(0)
            self._file.write(head)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            sums = "".join(f"{line}\n" for line in (hashlib.sha256(head).hexdigest(), *self._sums)).encode()
            write_whole(self.path.with_name(f"{self.path.name}.sums"), sums)
            self._part.replace(self.path)
        except OSError as error:
            raise unwritable(self.path, error) from error
        return Shard(self.path.name, self.videos, hashlib.sha256(sums).hexdigest())

    def _end_block(self) -> None:
        self._sums.append(self._hash.hexdigest())
        self._hash = hashlib.sha256()
