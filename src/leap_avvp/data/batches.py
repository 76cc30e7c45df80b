"""Which videos make a batch: an order that depends on (seed, epoch) alone, shared out among processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from torch.utils.data import DataLoader, Sampler

from leap_avvp.types import Batch

__all__ = ["ResumableLoader", "SeededBatches"]


class SeededBatches(Sampler[list[int]]):
    """Lists of indices. Shuffled, their order depends on (seed, epoch) alone, so a resumed run sees the same one.

    Args:
        length: number of videos.
        batch_size: videos a batch.
        seed: of the order; None keeps the videos in theirs.
        rank: of this process: it gets every ``world_size``-th batch from the ``rank``-th on.
        world_size: number of processes. All of them train equally many turns: of the videos that are left for the last
            one each has its share, of which :meth:`weight` tells the size. Ordered batches come just once.
        same: every epoch has the order of the first.
    """

    joins = True
    """Whether n batches in turn are one of n times as many videos, so that processes can train as one does."""

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        same: bool = False,
    ) -> None:
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.rank, self.world_size, self.same = rank, world_size, same
        self.epoch = 0
        self.position = 0
        """Batches of this epoch that were given out."""
        self._begin = (-1, 0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; Lightning calls it before each epoch."""
        self.epoch = epoch

    def go_on(self, epoch: int, position: int) -> None:
        """Leave out the first ``position`` batches of ``epoch``, once: a run stopped there has had them."""
        self._begin = (epoch, position)

    def __len__(self) -> int:
        number = math.ceil(self.length / self.batch_size)
        if self.seed is not None:
            return math.ceil(number / self.world_size)
        return len(range(self.rank, number, self.world_size))

    def __iter__(self) -> Iterator[list[int]]:
        epoch, begin = self._begin
        self._begin = (-1, 0)
        self.position = begin if epoch == self.epoch else 0
        batch = self._batches()
        for turn in range(self.position, len(self)):
            self.position = turn + 1
            number = self.rank + turn * self.world_size
            yield batch(number) if self.seed is None or self._is_full(turn) else self._last(batch, turn)

    def videos(self, turn: int) -> int:
        """Return how many videos all processes together have in a turn of shuffled batches."""
        return min(self.world_size * self.batch_size, self.length - turn * self.world_size * self.batch_size)

    def share(self, turn: int, rank: int | None = None) -> int:
        """Return how many of them are this process's own, or another's: none where its batch only stands in."""
        number = self.videos(turn)
        return number // self.world_size + ((self.rank if rank is None else rank) < number % self.world_size)

    def weight(self, turn: int, turns: int, accumulate: int = 1) -> float:
        """Return by what to multiply a batch's mean loss, so that a step's gradient is the mean over all its videos.

        1 but in the last step of an epoch: means over processes and over accumulated batches do not ask how many
        videos each of them has.

        Args:
            turn: of the epoch.
            turns: that the epoch has.
            accumulate: turns of a step.
        """
        first = turn - turn % accumulate
        videos = sum(self.videos(each) for each in range(first, min(first + accumulate, turns)))
        return self.share(turn) * self.world_size * accumulate / videos

    def _is_full(self, turn: int) -> bool:
        return self.videos(turn) == self.world_size * self.batch_size

    def _last(self, batch: Callable[[int], list[int]], turn: int) -> list[int]:
        """Return this process's share of the videos that are left; one that counts nothing where it has none."""
        numbers = range(turn * self.world_size, math.ceil(self.length / self.batch_size))
        left = [video for number in numbers for video in batch(number)]
        begin = sum(self.share(turn, rank) for rank in range(self.rank))
        return left[begin : begin + self.share(turn)] or left[:1]

    def _batches(self) -> Callable[[int], list[int]]:
        """Return what gives the n-th batch of this epoch, of all processes."""
        order = np.arange(self.length)
        if self.seed is not None:
            order = np.random.default_rng((self.seed, 0 if self.same else self.epoch)).permutation(self.length)
        return lambda number: order[number * self.batch_size : (number + 1) * self.batch_size].tolist()


class ResumableLoader(DataLoader[Batch]):
    """A loader of :class:`SeededBatches` whose place in an epoch goes into a checkpoint."""

    sampler: SeededBatches

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and how many of its batches were given out."""
        return {"epoch": self.sampler.epoch, "position": self.sampler.position}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on behind those batches, if that epoch is the next one to be iterated."""
        self.sampler.go_on(state_dict["epoch"], state_dict["position"])
