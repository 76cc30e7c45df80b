"""The LightningDataModule for LLP: the same batches from the real files and from the simulator."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.simulate import SimulatedLLP
from leap_avvp.data.split import DataSource, SplitData
from leap_avvp.errors import ConfigError
from leap_avvp.llp import video_id
from leap_avvp.types import Batch

__all__ = ["LLPDataModule", "SeededBatches", "SplitDataset", "folder_data", "simulated_data"]

_ARRAYS = (
    "audio",
    "video_2d",
    "video_3d",
    "video_label",
    "segment_audio",
    "segment_visual",
    "video_audio",
    "video_visual",
    "target_audio",
    "target_visual",
)
_TRUTH = ("target_audio", "target_visual")


class SplitDataset(Dataset[Batch]):
    """A split in memory that is indexed by lists: one call gives a whole :class:`~leap_avvp.types.Batch`.

    Training batches leave the dense truth out even where a simulator knows it: nothing may train on it.
    """

    def __init__(self, data: SplitData) -> None:
        self.video_ids = [video_id(name) for name in data.filenames]
        hidden = _TRUTH if data.split == "train" else ()
        arrays: Mapping[str, np.ndarray[Any, Any] | None] = {
            name: getattr(data, name) for name in _ARRAYS if name not in hidden
        }
        self.tensors = {name: torch.from_numpy(array) for name, array in arrays.items() if array is not None}

    def __len__(self) -> int:
        return len(self.video_ids)

    def __getitem__(self, index: list[int]) -> Batch:
        rows = torch.as_tensor(index)
        batch: dict[str, Tensor | list[str]] = {name: tensor[rows] for name, tensor in self.tensors.items()}
        batch["video_id"] = [self.video_ids[row] for row in index]
        return batch  # type: ignore[return-value]


class SeededBatches(Sampler[list[int]]):
    """Lists of indices. Shuffled, their order depends on (seed, epoch) alone, so a resumed run sees the same one."""

    def __init__(self, length: int, batch_size: int, seed: int | None = None) -> None:
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; Lightning calls it before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.length / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = np.arange(self.length)
        if self.seed is not None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        for start in range(0, self.length, self.batch_size):
            yield order[start : start + self.batch_size].tolist()


class LLPDataModule(lightning.LightningDataModule):
    """Batches of LLP's three splits from any :class:`~leap_avvp.data.split.DataSource`.

    Args:
        source: where the splits come from.
        batch_size: videos a training step (32 in the paper).
        eval_batch_size: videos a validation or test step; it changes no number.
        seed: of the training order.
    """

    def __init__(self, source: DataSource, batch_size: int = 32, eval_batch_size: int = 128, seed: int = 0) -> None:
        super().__init__()
        for name, value in (("data.batch_size", batch_size), ("data.eval_batch_size", eval_batch_size)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name}: expected a whole number of at least 1, found {value!r}")
        self.source = source
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.seed = seed
        self._datasets: dict[str, SplitDataset] = {}

    def dataset(self, split: str) -> SplitDataset:
        """Return one split, loaded (and checked) once."""
        if split not in self._datasets:
            self._datasets[split] = SplitDataset(self.source.load(split))
        return self._datasets[split]

    def setup(self, stage: str) -> None:
        """Load what a stage needs, so that bad data end the run before its first step."""
        for split in {"fit": ("train", "val"), "validate": ("val",)}.get(stage, ("test",)):
            self.dataset(split)

    def _loader(self, split: str) -> DataLoader[Batch]:
        dataset = self.dataset(split)
        training = split == "train"
        batches = SeededBatches(
            len(dataset), self.batch_size if training else self.eval_batch_size, self.seed if training else None
        )
        # batch_size=None: each item of the sampler is a whole batch, taken by one index-select without workers.
        return DataLoader(dataset, batch_size=None, sampler=batches, generator=torch.Generator())

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled batches of the training split."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of the validation split, in order."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Batches of the test split, in order."""
        return self._loader("test")


def folder_data(
    root: str | Path | None,
    annotations: str | Path | None = None,
    pseudo_labels: str = "valor",
    allow_missing: bool = False,
    batch_size: int = 32,
    eval_batch_size: int = 128,
    seed: int = 0,
) -> LLPDataModule:
    """Return the data module of a folder in LLP's real layout (``data=llp``)."""
    if root is None:
        raise ConfigError("data.root: expected the folder that holds feats/ and the annotation files: data.root=DIR")
    folder = None if annotations is None else Path(annotations)
    source = LLPFolder(Path(root), folder, pseudo_labels, allow_missing)
    return LLPDataModule(source, batch_size, eval_batch_size, seed)


def simulated_data(
    batch_size: int = 32, eval_batch_size: int = 128, seed: int = 0, simulation_seed: int = 0, **simulation: Any
) -> LLPDataModule:
    """Return the data module of the simulator (``data=simulated``); ``simulation`` goes to ``SimulatedLLP``."""
    return LLPDataModule(SimulatedLLP(seed=simulation_seed, **simulation), batch_size, eval_batch_size, seed)
