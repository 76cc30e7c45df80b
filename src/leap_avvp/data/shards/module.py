"""The data module of a sharded set: training streamed from its shards, validation and test in memory."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.utils.data import DataLoader

from leap_avvp.card import LLP, DataCard
from leap_avvp.data.datamodule import LLPDataModule, ResumableLoader, SplitDataset
from leap_avvp.data.shards.order import LANES, ShardOrder
from leap_avvp.data.shards.source import ShardedDataset, ShardedLLP, find_shards
from leap_avvp.errors import ConfigError
from leap_avvp.types import Batch

__all__ = ["ShardsDataModule", "shards_data"]


class ShardsDataModule(LLPDataModule):
    """Batches of a sharded set. Memory does not grow with its training split.

    Args:
        source: the set.
        batch_size: videos a training step and process.
        eval_batch_size: videos a validation or test step; it changes no number.
        seed: of the training order.
        window: videos that are shuffled together, in all lanes (see :class:`~leap_avvp.data.shards.order.ShardOrder`).
    """

    source: ShardedLLP

    def __init__(
        self,
        source: ShardedLLP,
        batch_size: int = 32,
        eval_batch_size: int = 128,
        seed: int = 0,
        window: int = 4096,
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size, seed)
        if isinstance(window, bool) or not isinstance(window, int) or window < LANES:
            raise ConfigError(f"data.window: expected a whole number of at least {LANES}, found {window!r}")
        self.window = window

    def dataset(self, split: str) -> SplitDataset:
        """Return one split; that for training is not read."""
        if split == "train" and split not in self._datasets:
            self._datasets[split] = ShardedDataset(self.source)
        return super().dataset(split)

    def fingerprint(self) -> str:
        """Return 16 hex digits of what is trained and chosen on, from the checksums in the index."""
        return self.source.index.fingerprint("train", "val")

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled batches of the training split, each read when it is asked for."""
        dataset = self.dataset("train")
        assert isinstance(dataset, ShardedDataset)
        rank, world_size = (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        sizes, block = dataset.reader.sizes, dataset.reader.block
        order = ShardOrder(sizes, block, self.window, self.batch_size, self.seed, rank, world_size, self.same_batches)
        return ResumableLoader(dataset, batch_size=None, sampler=order, generator=torch.Generator())


def shards_data(
    root: str | Path | None = None,
    pseudo_labels: str | None = None,
    dtype: str = "float32",
    window: int = 4096,
    batch_size: int = 32,
    eval_batch_size: int = 128,
    seed: int = 0,
    card: DataCard = LLP,
) -> ShardsDataModule:
    """Return the data module of a sharded set (``data=shards``)."""
    if root is None:
        raise ConfigError(
            "data.root: expected the folder of a sharded set, or the data folder it lies in: data.root=DIR"
        )
    source = ShardedLLP(find_shards(root, card, dtype), pseudo_labels, card)
    return ShardsDataModule(source, batch_size, eval_batch_size, seed, window)
