"""Reads videos of a split by their numbers, from shards whose blocks are held against their checksums once."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.shards.format import Shard, ShardIndex, damaged, npy_head

__all__ = ["ShardReader"]

_OPEN = 32
"""Shards that are held open."""
_RECENT = 64
"""Blocks that are known to be in the system's memory, or on their way."""


class _Open:
    """An open shard, closed when nothing reads it any more."""

    def __init__(self, path: Path, offset: int, sums: list[str]) -> None:
        self.offset, self.sums = offset, sums
        self.file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def __del__(self) -> None:
        if hasattr(self, "file"):
            os.close(self.file)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes from ``offset`` on, fewer only where the file ends."""
        os.lseek(self.file, offset, os.SEEK_SET)
        pieces = []
        while length and (piece := os.read(self.file, length)):
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)


class ShardReader:
    """The videos of a split, numbered through its shards in the index's order.

    It reads, and maps nothing: what the process holds is what it was asked for, and the system keeps what it has room
    for. N videos.

    Args:
        folder: of the set.
        shards: of the split.
        record: type of their records.
        block: videos that share a checksum.

    Raises:
        DataError: a shard is missing, or not as long as the index says.
    """

    def __init__(self, folder: Path, shards: Sequence[Shard], record: np.dtype[Any], block: int) -> None:
        self.folder, self.shards, self.record, self.block = folder, shards, record, block
        self.sizes = np.array([shard.videos for shard in self.shards], dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)])
        """(shards + 1,) the number of each shard's first video."""
        self._open: OrderedDict[int, _Open] = OrderedDict()
        self._sound = [bytearray(-(-shard.videos // self.block)) for shard in self.shards]
        self._recent: OrderedDict[tuple[int, int], None] = OrderedDict()
        for shard in self.shards:
            self._check_size(shard)

    @classmethod
    def of(cls, folder: Path, index: ShardIndex, split: str) -> ShardReader:
        """Return the reader of a split that the index lists.

        Raises:
            DataError: as the class.
        """
        return cls(folder, index.shards[split], index.record(split), index.block)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def read(self, rows: Sequence[int] | NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the fields of videos by name, (N, ...) each, in the order of ``rows``.

        Raises:
            DataError: a shard that is damaged, or was taken away.
        """
        found: dict[str, NDArray[Any]] = {n: np.empty(len(rows), self.record[n]) for n in self.record.names or ()}
        # Memory of each field as bytes, and how many of them a video has: a record is scattered by one call.
        views = [(array.reshape(-1).view(np.uint8).data, self.record[n].itemsize) for n, array in found.items()]
        owners = np.searchsorted(self.starts, rows, side="right") - 1
        for place, (row, owner) in enumerate(zip(rows, owners.tolist(), strict=True)):
            within = int(row) - int(self.starts[owner])
            opened = self._touch(owner, within // self.block)
            offset = opened.offset + within * self.record.itemsize
            parts = [view[place * size : (place + 1) * size] for view, size in views]
            if not _scatter(opened, parts, offset, self.record.itemsize):
                raise damaged(self.folder, f"{self.shards[owner].file} ends early")
        return found

    def blocks(self) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield the whole split in order, block by block, as :meth:`read`."""
        for start, stop in zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True):
            for first in range(start, stop, self.block):
                yield self.read(range(first, min(first + self.block, stop)))

    def verify(self) -> None:
        """Hold every byte against its checksum.

        Raises:
            DataError: naming the shard that is damaged.
        """
        for number, sound in enumerate(self._sound):
            for block in range(len(sound)):
                sound[block] = 0
                self._touch(number, block)
                self._recent.clear()

    def filenames(self) -> Iterator[bytes]:
        """Yield all filenames, without reading what lies between them."""
        for number, shard in enumerate(self.shards):
            opened = self._shard(number)
            records = np.memmap(
                self.folder / shard.file, self.record, mode="r", offset=opened.offset, shape=(shard.videos,)
            )
            yield from records["filename"].tolist()

    def _check_size(self, shard: Shard) -> None:
        expected = len(npy_head(self.record, shard.videos)) + shard.videos * self.record.itemsize
        try:
            size = (self.folder / shard.file).stat().st_size
        except OSError as error:
            raise damaged(self.folder, f"the shard {shard.file} cannot be read ({error.strerror})") from error
        if size != expected:
            raise damaged(self.folder, f"{shard.file}: expected {expected:,} bytes, found {size:,}")

    def _shard(self, number: int) -> _Open:
        """Return a shard, opened and its header checked."""
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        shard, head = self.shards[number], npy_head(self.record, self.shards[number].videos)
        self._check_size(shard)
        try:
            sums = (self.folder / f"{shard.file}.sums").read_bytes()
            lines = sums.decode("ascii", "replace").split()
            if hashlib.sha256(sums).hexdigest() != shard.sha256 or len(lines) != len(self._sound[number]) + 1:
                raise damaged(self.folder, f"the checksum of {shard.file}.sums does not fit")
            opened = _Open(self.folder / shard.file, len(head), lines[1:])
        except OSError as error:
            raise damaged(self.folder, f"{Path(error.filename).name} cannot be read ({error.strerror})") from error
        if opened.read(0, len(head)) != head or hashlib.sha256(head).hexdigest() != lines[0]:
            raise damaged(self.folder, f"{shard.file}: the checksum of its header does not fit")
        if len(self._open) >= _OPEN:
            self._open.popitem(last=False)
        self._open[number] = opened
        return opened

    def _touch(self, number: int, block: int) -> _Open:
        """Return a shard of which a block is to be read: checked when it is the first time, else asked for at once."""
        opened, key = self._shard(number), (number, block)
        if key in self._recent:
            return opened
        stride = self.block * self.record.itemsize
        length = min(stride, int(self.sizes[number]) * self.record.itemsize - block * stride)
        offset = opened.offset + block * stride
        if not self._sound[number][block]:
            content = opened.read(offset, length)
            if hashlib.sha256(content).hexdigest() != opened.sums[block]:
                first = block * self.block
                what = f"{self.shards[number].file}, videos {first} to {first + length // self.record.itemsize - 1}"
                raise damaged(self.folder, f"the checksum of {what} does not fit")
            self._sound[number][block] = 1
        elif hasattr(os, "posix_fadvise"):  # single videos are wanted next, which a disk gives slowly
            os.posix_fadvise(opened.file, offset, length, os.POSIX_FADV_WILLNEED)
        if len(self._recent) >= _RECENT:
            self._recent.popitem(last=False)
        self._recent[key] = None
        return opened


def _scatter(opened: _Open, parts: list[memoryview], offset: int, length: int) -> bool:
    """Read ``length`` bytes at ``offset`` into the parts, one after the other; False where the file ends before."""
    if hasattr(os, "preadv") and os.preadv(opened.file, parts, offset) == length:
        return True
    content, place = opened.read(offset, length), 0  # a system without it, or one that gave less
    if len(content) < length:
        return False
    for part in parts:
        part[:] = content[place : place + len(part)]
        place += len(part)
    return True
