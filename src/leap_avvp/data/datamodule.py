"""The LightningDataModule: the same batches from real files and from the simulator."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from leap_avvp.card import LLP, DataCard
from leap_avvp.card.features import STREAMS
from leap_avvp.data.batches import ResumableLoader, SeededBatches
from leap_avvp.data.packed import open_folder
from leap_avvp.data.simulate import SimulatedLLP
from leap_avvp.data.split import DataSource, SplitData
from leap_avvp.errors import ConfigError, DataError, check_choice
from leap_avvp.files.machine import available_memory
from leap_avvp.types import Batch

__all__ = [
    "PLACEMENTS",
    "LLPDataModule",
    "ResumableLoader",
    "SeededBatches",
    "SplitDataset",
    "folder_data",
    "simulated_data",
]

_LABELS = ("video_label", "segment_audio", "segment_visual", "video_audio", "video_visual")
_TRUTH = ("target_audio", "target_visual")
PLACEMENTS = ("disk", "ram", "device")
# Beyond these shares of what is free, a split is left where it is.
_RAM_SHARE = 0.25
_DEVICE_SHARE = 0.5


class SplitDataset(Dataset[Batch]):
    """A split that is indexed by lists: one call gives a whole :class:`~leap_avvp.types.Batch`.

    Training batches leave the dense truth out even where a simulator knows it: nothing may train on it.

    Args:
        data: the split; its features may be memory-mapped, and of another width than float32.
        card: classes, segments and ids.
    """

    def __init__(self, data: SplitData, card: DataCard = LLP) -> None:
        self.card = card
        self.video_ids = [card.video_id(name) for name in data.filenames]
        names = (*STREAMS, *_LABELS, *(() if data.split == "train" else _TRUTH))
        self.tensors = {name: torch.from_numpy(array) for name in names if (array := getattr(data, name)) is not None}
        self.on_disk = isinstance(data.video_2d, np.memmap)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def targets(self) -> Iterable[Mapping[str, Tensor]]:
        """Return what the split is trained on, some videos at a time, as often as it is gone through."""
        return [{name: self.tensors[name] for name in _LABELS if name in self.tensors}]

    def place(self, placement: str, device: torch.device) -> None:
        """Take the tensors into memory, or onto ``device``; batches then come from there.

        Raises:
            ConfigError: ``disk`` for a split that is in memory already.
        """
        if placement == "disk" and not self.on_disk:
            raise ConfigError("data.placement=disk needs a packed set: `leap-avvp data pack DIR` makes one")
        if placement == "ram" and self.on_disk:
            self.tensors = {name: tensor.clone() for name, tensor in self.tensors.items()}
            self.on_disk = False
        if placement == "device":
            self.tensors = {name: tensor.to(device) for name, tensor in self.tensors.items()}
            self.on_disk = False

    def __len__(self) -> int:
        return len(self.video_ids)

    def __getitem__(self, index: list[int]) -> Batch:
        rows = torch.as_tensor(index).to(self.tensors["audio"].device)
        batch: dict[str, Tensor | list[str]] = {
            name: tensor.index_select(0, rows).to(torch.bool if name in _TRUTH else torch.float32)
            for name, tensor in self.tensors.items()
        }
        batch["video_id"] = [self.video_ids[row] for row in index]
        return batch  # type: ignore[return-value]


class LLPDataModule(lightning.LightningDataModule):
    """Batches of three splits from any :class:`~leap_avvp.data.split.DataSource`.

    Args:
        source: where the splits come from.
        batch_size: videos a training step and process (32 in the paper): N processes with an N-th of it train as one.
        eval_batch_size: videos a validation or test step; it changes no number.
        seed: of the training order.
        placement: where batches are taken from: ``disk`` (the memory-mapped files of a packed set), ``ram`` or
            ``device``; it changes no number. None chooses by size: a GPU of which the splits fill less than half, else
            memory, and disk for a packed set that would fill more than a quarter of it.
    """

    def __init__(
        self,
        source: DataSource,
        batch_size: int = 32,
        eval_batch_size: int = 128,
        seed: int = 0,
        placement: str | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("data.batch_size", batch_size), ("data.eval_batch_size", eval_batch_size)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name}: expected a whole number of at least 1, found {value!r}")
        if placement is not None:
            check_choice("data.placement", placement, PLACEMENTS)
        self.source = source
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.seed = seed
        self.placement = placement
        self.same_batches = False
        """Whether every epoch has the training batches of the first, for ``trainer.overfit_batches``."""
        self._datasets: dict[str, SplitDataset] = {}
        self._placed: set[str] = set()

    def dataset(self, split: str) -> SplitDataset:
        """Return one split, loaded (and checked) once."""
        if split not in self._datasets:
            self._datasets[split] = SplitDataset(self.source.load(split), self.source.card)
        return self._datasets[split]

    def setup(self, stage: str) -> None:
        """Load what a stage needs, so that bad data end the run before its first step."""
        for split in {"fit": ("train", "val"), "validate": ("val",)}.get(stage, ("test",)):
            dataset = self.dataset(split)
            if split != "train" and not all(name in dataset.tensors for name in _TRUTH):
                what = "picks its epoch by" if split == "val" else "ends with a test on"
                raise DataError(
                    f"{self.source.card.name}: {split}: expected dense labels, which a training {what}, found none; "
                    "add them to the data card: dense.audio and dense.visual"
                )

    def fingerprint(self) -> str:
        """Return 16 hex digits of what is trained and chosen on: video ids and labels, wherever they lie."""
        digest = hashlib.sha256()
        for split in ("train", "val"):
            dataset = self.dataset(split)
            digest.update("\n".join(dataset.video_ids).encode())
            for name in (*_LABELS, *_TRUTH):
                if name in dataset.tensors:
                    digest.update(dataset.tensors[name].cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def _place(self, split: str) -> SplitDataset:
        """Return a split where its batches are to come from."""
        dataset = self.dataset(split)
        if split not in self._placed:
            device = torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
            dataset.place(self.placement or _choose(dataset, device), device)
            self._placed.add(split)
        return dataset

    def _loader(self, split: str) -> DataLoader[Batch]:
        dataset = self._place(split)
        training = split == "train"
        rank, world_size = (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        # Lightning wants a batch for every process.
        eval_size = min(self.eval_batch_size, math.ceil(len(dataset) / world_size))
        size, seed = (self.batch_size, self.seed) if training else (eval_size, None)
        batches = SeededBatches(len(dataset), size, seed, rank, world_size, self.same_batches)
        # batch_size=None: each item of the sampler is a whole batch, taken by one index-select without workers.
        loader = ResumableLoader if training else DataLoader
        return loader(dataset, batch_size=None, sampler=batches, generator=torch.Generator())

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled batches of the training split."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of the validation split, in order."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Batches of the test split, in order."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Batches of the test split, in order, as those of a test."""
        return self._loader("test")


def _choose(dataset: SplitDataset, device: torch.device) -> str:
    if device.type == "cuda" and dataset.nbytes < _DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]:
        return "device"
    return "disk" if dataset.on_disk and dataset.nbytes > _RAM_SHARE * available_memory() else "ram"


def folder_data(
    root: str | Path | None = None,
    annotations: str | Path | None = None,
    pseudo_labels: str = "valor",
    allow_missing: bool = False,
    packed: str | Path = "auto",
    placement: str | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 128,
    seed: int = 0,
    link_store: str | Path | None = None,
    card: DataCard = LLP,
) -> LLPDataModule:
    """Return the data module of a folder, or of its packed set (``data=llp``)."""
    if root is None:
        raise ConfigError("data.root: expected the folder that holds feats/ and the annotation files: data.root=DIR")
    from leap_avvp.data.shards.format import INDEX  # whose package builds upon this module

    if (Path(root) / INDEX).is_file():
        raise ConfigError(f"data.root: {root} is a sharded set; data=shards data.root={root} reads it")
    source = open_folder(root, annotations, pseudo_labels, allow_missing, packed, link_store, card)
    return LLPDataModule(source, batch_size, eval_batch_size, seed, placement)


def simulated_data(
    batch_size: int = 32,
    eval_batch_size: int = 128,
    seed: int = 0,
    simulation_seed: int = 0,
    placement: str | None = None,
    card: DataCard = LLP,
    **simulation: Any,
) -> LLPDataModule:
    """Return the data module of the simulator (``data=simulated``); ``simulation`` goes to ``SimulatedLLP``."""
    source = SimulatedLLP(seed=simulation_seed, card=card, **simulation)
    return LLPDataModule(source, batch_size, eval_batch_size, seed, placement)
