"""A sharded set as a data source: opened by its index alone, read as it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leap_avvp.card import DataCard
from leap_avvp.card.features import STREAMS
from leap_avvp.data.annotations import SplitAnnotations
from leap_avvp.data.datamodule import SplitDataset
from leap_avvp.data.shards.format import INDEX, damaged, read_index, shards_folder
from leap_avvp.data.shards.reader import ShardReader
from leap_avvp.data.split import SplitData
from leap_avvp.data.targets import given_targets
from leap_avvp.errors import DataError, check_choice
from leap_avvp.types import Batch

__all__ = ["ShardedDataset", "ShardedLLP", "find_shards"]

_COMPUTED = ("weak", "none", "dense")
"""Kinds of targets that need nothing but the labels of a video."""
_TRUTH = ("target_audio", "target_visual")


def find_shards(root: str | Path, card: DataCard, dtype: str = "float32") -> Path:
    """Return the sharded set that a folder is, or has.

    Raises:
        DataError: there is none, by :func:`~leap_avvp.data.shards.format.read_index`.
    """
    root = Path(root)
    inside = shards_folder(root, dtype, card.features)
    return inside if inside.is_dir() and not (root / INDEX).is_file() else root


class ShardedLLP:
    """A sharded set, as a :class:`~leap_avvp.data.split.DataSource`. Nothing is read but the index.

    Args:
        folder: of the set.
        pseudo_labels: what the training split is trained on: None for what the shards hold, ``weak``, ``none`` and
            ``dense`` for what needs no more than the other labels.
        card: that the set is to be of; None takes any.

    Raises:
        DataError: a damaged index, one of another version or card, a shard that is not there, or other pseudo labels
            than those in the shards.
    """

    name: str
    """That of the card, or ``simulated`` for a set made from simulated videos."""

    def __init__(self, folder: str | Path, pseudo_labels: str | None = None, card: DataCard | None = None) -> None:
        self.folder = Path(folder)
        self.index = read_index(self.folder)
        self.card = self.index.data_card()
        self.name = "simulated" if self.index.simulated else self.card.name
        difference = None if card is None else self.card.difference(card)
        if difference:
            raise DataError(
                f"{self.folder}: packed for another data card: {difference}; pack the features of this card with "
                "`leap-avvp data pack --shards`, or leave features=... and data.card out"
            )
        self.readers = {split: ShardReader.of(self.folder, self.index, split) for split in self.index.shards}
        self.pseudo_labels = self.index.pseudo_labels if pseudo_labels is None else pseudo_labels
        if self.pseudo_labels not in (self.index.pseudo_labels, *_COMPUTED):
            raise DataError(
                f"{self.folder}: data.pseudo_labels: expected {self.index.pseudo_labels}, which are in the shards, or "
                f"one of {', '.join(_COMPUTED)}, found {self.pseudo_labels}; pack a set with --pseudo-labels "
                f"{self.pseudo_labels}"
            )
        known = self.index.labels.get("train", {})
        if self.pseudo_labels == "dense" and not all(name in known for name in _TRUTH):
            raise DataError(f"{self.folder}: data.pseudo_labels=dense: the training videos were packed without any")

    def describe(self) -> dict[str, object]:
        """Return folder, sizes and options."""
        return {
            "shards": str(self.folder.resolve()),
            "dtype": self.index.dtype,
            **self.card.describe(),
            "pseudo_labels": self.pseudo_labels,
            "videos": {split: len(reader) for split, reader in self.readers.items()},
            "missing": dict(self.index.missing),
        }

    def reader(self, split: str) -> ShardReader:
        """Return the videos of a split.

        Raises:
            DataError: none was packed.
        """
        check_choice("split", split, self.readers)
        if not len(self.readers[split]):
            raise damaged(self.folder, f"no video of {split} is in it")
        return self.readers[split]

    def load(self, split: str) -> SplitData:
        """Read and check a whole split into memory, as validation and test are.

        Raises:
            DataError: a damaged shard.
        """
        blocks = list(self.reader(split).blocks())
        arrays = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        fields: dict[str, Any] = {name: arrays.get(name) for name in STREAMS}
        fields |= {name: arrays[name].astype(np.bool_) for name in _TRUTH if name in arrays}
        fields["video_label"] = arrays["video_label"].astype(np.float32)
        if split == "train":
            fields |= self.targets(arrays)
        return SplitData(split, _names(arrays), **fields)

    def targets(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Return what videos are trained on, float32, from the fields of their records."""
        if self.pseudo_labels not in _COMPUTED:
            return {name: arrays[name].astype(np.float32) for name in ("segment_audio", "segment_visual")}
        audio, visual = (arrays[name].astype(np.bool_) if name in arrays else None for name in _TRUTH)
        weak = arrays["video_label"].astype(np.bool_)
        given = given_targets(
            self.pseudo_labels, SplitAnnotations("train", _names(arrays), weak, audio, visual, self.card)
        )
        assert given is not None
        return given


def _names(arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    return [name.decode("utf-8") for name in arrays["filename"].tolist()]


class ShardedDataset(SplitDataset):
    """The training split, read from its shards a batch at a time; nothing of it stays in the process.

    Args:
        source: whose training split it is.
    """

    def __init__(self, source: ShardedLLP) -> None:
        self.source, self.card, self.reader = source, source.card, source.reader("train")
        self.tensors: dict[str, Tensor] = {}
        """None: see :meth:`__getitem__`."""
        self.on_disk = True

    @property
    def video_ids(self) -> list[str]:  # type: ignore[override]
        """All of them, read from the shards."""
        return [self.card.video_id(name.decode("utf-8")) for name in self.reader.filenames()]

    @property
    def nbytes(self) -> int:
        """Bytes of all records."""
        return len(self) * self.reader.record.itemsize

    def targets(self) -> Iterable[Mapping[str, Tensor]]:
        """Return what the split is trained on, a block at a time: each pass reads the shards through."""
        return _Targets(self)

    def place(self, placement: str, device: torch.device) -> None:
        """Leave the videos where they are."""

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: Sequence[int]) -> Batch:
        arrays = self.reader.read(index)
        features = {name: torch.from_numpy(arrays[name]).to(torch.float32) for name in STREAMS if name in arrays}
        batch: dict[str, Tensor | list[str]] = {**features, **self.trained_on(arrays)}
        batch["video_id"] = [self.card.video_id(name) for name in _names(arrays)]
        return batch  # type: ignore[return-value]

    def trained_on(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
        """Return the targets of videos, float32, from the fields of their records."""
        targets = {"video_label": arrays["video_label"], **self.source.targets(arrays)}
        return {name: torch.from_numpy(array).to(torch.float32) for name, array in targets.items()}


class _Targets(Iterable[Mapping[str, Tensor]]):
    """The targets of a training split, a block of its shards at a time."""

    def __init__(self, dataset: ShardedDataset) -> None:
        self.dataset = dataset

    def __iter__(self) -> Iterator[Mapping[str, Tensor]]:
        return (self.dataset.trained_on(arrays) for arrays in self.dataset.reader.blocks())
