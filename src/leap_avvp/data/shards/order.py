"""The order in which shards are trained on: shuffled without reading all over the disk, and the same after a stop."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.datamodule import SeededBatches

__all__ = ["LANES", "ShardOrder"]

LANES = 8
"""Streams that batches are taken from in turn. With 8 processes, or 2 or 4, each has lanes of its own."""


class ShardOrder(SeededBatches):
    """Lists of video numbers that depend on (seed, epoch) alone, whatever the number of processes.

    The shards of an epoch are put in a random row, each with its blocks in another, and the row is cut into
    :data:`LANES` lanes. Videos of a lane are shuffled within windows. The n-th batch is the next one of lane
    n modulo ``LANES``, so neighbours come from as many shards; a process takes every ``world_size``-th batch.

    Args:
        sizes: videos of each shard.
        block: videos of a block, which lie together.
        window: videos of all lanes' windows together.
        batch_size: videos a batch.
        seed: of the order.
        rank: as for :class:`~leap_avvp.data.datamodule.SeededBatches`.
        world_size: likewise.
        same: likewise.
    """

    joins = False
    """Batches in turn are of different lanes."""

    def __init__(
        self,
        sizes: Sequence[int] | NDArray[np.int64],
        block: int,
        window: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        same: bool = False,
    ) -> None:
        super().__init__(int(np.sum(sizes)), batch_size, seed, rank, world_size, same)
        self.sizes, self.block = np.asarray(sizes, dtype=np.int64), block
        self.window = max(1, round(window / LANES / batch_size)) * batch_size
        """Videos of a lane's window: whole batches."""

    def _batches(self) -> Callable[[int], list[int]]:
        return _Epoch(self, (self.seed or 0, 0 if self.same else self.epoch)).batch


class _Epoch:
    """The order of one epoch, of which only the windows at hand are worked out."""

    def __init__(self, order: ShardOrder, key: tuple[int, int]) -> None:
        self.order, self.key = order, key
        self.starts = np.cumsum(order.sizes) - order.sizes
        self.row = np.random.default_rng((*key, 0)).permutation(len(order.sizes))
        self.ends = np.cumsum(order.sizes[self.row])
        size, videos = order.batch_size, order.length
        number = math.ceil(videos / size)
        lengths = [len(range(lane, number, LANES)) * size for lane in range(LANES)]
        lengths[(number - 1) % LANES] -= number * size - videos  # the last batch may be short
        self.lanes = np.concatenate([[0], np.cumsum(lengths)])
        self.windows: dict[int, tuple[int, NDArray[np.int64]]] = {}
        self.inside: OrderedDict[int, NDArray[np.int64]] = OrderedDict()

    def batch(self, number: int) -> list[int]:
        """Return the videos of a batch."""
        size = self.order.batch_size
        turn, lane = divmod(number, LANES)
        window, place = divmod(turn * size, self.order.window)
        if self.windows.get(lane, (-1, None))[0] != window:
            first = int(self.lanes[lane]) + window * self.order.window
            videos = self._stretch(first, min(first + self.order.window, int(self.lanes[lane + 1])))
            rng = np.random.default_rng((*self.key, 1, lane, window))
            self.windows[lane] = window, rng.permutation(videos)
        rows: list[int] = self.windows[lane][1][place : place + size].tolist()
        return rows

    def _stretch(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the videos from ``first`` to before ``last`` of the row of all shards."""
        parts = []
        for turn in range(int(np.searchsorted(self.ends, first, side="right")), len(self.row)):
            shard = int(self.row[turn])
            begin = int(self.ends[turn] - self.order.sizes[shard])
            if begin >= last:
                break
            parts.append(self.starts[shard] + self._shard(shard)[max(first - begin, 0) : last - begin])
        return np.concatenate(parts)

    def _shard(self, shard: int) -> NDArray[np.int64]:
        """Return the rows of a shard, its blocks in random order."""
        if shard not in self.inside:
            size, block = int(self.order.sizes[shard]), self.order.block
            blocks = np.random.default_rng((*self.key, 2, shard)).permutation(math.ceil(size / block))
            rows = (blocks[:, None] * block + np.arange(block)).ravel()
            if len(self.inside) > LANES:
                self.inside.popitem(last=False)
            self.inside[shard] = rows[rows < size]
        self.inside.move_to_end(shard)
        return self.inside[shard]
