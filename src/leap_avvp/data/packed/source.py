"""A packed set as a data source: checked, held against its source files, memory-mapped."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import LLP, DataCard, FeatureSet
from leap_avvp.card.features import STREAMS
from leap_avvp.data.annotations import SplitAnnotations, find_annotations
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.folder.video_files import read_many
from leap_avvp.data.packed.format import (
    HEADER,
    PackedArray,
    PackHeader,
    blocks,
    damaged,
    digest,
    file_digest,
    read_header,
    set_folder,
    source_status,
)
from leap_avvp.data.split import DataSource, SplitData
from leap_avvp.data.targets import check_kind, given_targets, read_targets
from leap_avvp.errors import ConfigError, DataError, check_choice
from leap_avvp.llp import PSEUDO_LABEL_FOLDERS

__all__ = ["PACKED", "PackedLLP", "find_packed", "open_folder"]

PACKED = ("auto", "off", "float32", "float16")
_THREADS = min(8, os.cpu_count() or 1)


def find_packed(root: str | Path, packed: str | Path = "auto", features: FeatureSet = LLP.features) -> Path | None:
    """Return the packed set that a data folder is to be read from, if any.

    Args:
        root: the data folder, or a packed set itself.
        packed: ``auto`` takes the float32 set where there is one (it gives the same numbers), ``off`` none,
            ``float32`` or ``float16`` that one, and anything else is the folder of a set.
        features: that are packed.

    Raises:
        DataError: a set that is asked for is not there.
    """
    root = Path(root)
    if packed == "off":
        return None
    if (root / HEADER).is_file():
        return root
    if packed == "auto":
        folder = set_folder(root, "float32", features)
        return folder if folder.is_dir() else None
    folder = set_folder(root, str(packed), features) if packed in PACKED else Path(packed)
    if not (folder / HEADER).is_file():
        raise DataError(
            f"data.packed: expected a packed set at {folder}, found none; `leap-avvp data pack {root}` makes one "
            "(--dtype, --out)"
        )
    return folder


class PackedLLP:
    """A packed set, as a :class:`~leap_avvp.data.split.DataSource`.

    Args:
        folder: of the set.
        root: the data folder that it was made from; None, or one without the feature folders, leaves the comparison
            with the sources out, as on a machine that was given only the set.
        annotations: folder of the CSV files, likewise.
        pseudo_labels: see :class:`~leap_avvp.data.folder.LLPFolder`; those of VALOR are in the set, others are read
            from their files.
        allow_missing: take a set that was packed without the videos whose files were missing.
        card: that the set is to be of; None takes any.
        link_store: a trusted folder that links of label files may lead into.

    Raises:
        DataError: a damaged header, one of another version, or of another card.
    """

    name: str
    """That of the card, or ``simulated`` for a set made from simulated videos."""

    def __init__(
        self,
        folder: str | Path,
        root: str | Path | None = None,
        annotations: str | Path | None = None,
        pseudo_labels: str = "valor",
        allow_missing: bool = False,
        card: DataCard | None = None,
        link_store: str | Path | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.link_store = None if link_store is None else Path(link_store).resolve()
        self.root = None if root is None else Path(root)
        self.annotation_folder = None if annotations is None else Path(annotations)
        self.pseudo_labels = check_kind(pseudo_labels)
        self.allow_missing = allow_missing
        self.header: PackHeader = read_header(self.folder)
        self.card = self.header.data_card()
        self.name = "simulated" if self.header.simulated else self.card.name
        difference = None if card is None else self.card.difference(card)
        if difference:
            raise DataError(
                f"{self.folder}: packed for another data card, {difference}; run `leap-avvp data pack` again, or read "
                "the source files with data.packed=off"
            )

    def describe(self) -> dict[str, object]:
        """Return folder, options and what the check of the source files found when the set was packed."""
        return {
            "packed": str(self.folder.resolve()),
            "dtype": self.header.dtype,
            **self.card.describe(),
            "pseudo_labels": self.pseudo_labels,
            "allow_missing": self.allow_missing,
            **self.header.facts,
        }

    def load(self, split: str) -> SplitData:
        """Return one split, its features memory-mapped, after holding it against its checksums and its sources.

        Raises:
            DataError: a damaged or stale set, or one without the pseudo labels or videos that are asked for.
        """
        check_choice("split", split, self.header.arrays)
        arrays = self.verify(split)
        self._check_fresh(split, arrays["sources"])
        missing = self.header.missing[split]
        if missing and not self.allow_missing:
            raise DataError(
                f"{self.folder}: {split} was packed without {missing} videos whose files were missing; "
                "data.allow_missing=true goes on without them"
            )
        label = arrays["video_label"].astype(np.float32)
        truth: dict[str, Any] = {
            f"target_{modality}": arrays[f"target_{modality}"].astype(np.bool_)
            for modality in ("audio", "visual")
            if f"target_{modality}" in arrays
        }
        targets = self._targets(arrays, truth) if split == "train" else {}
        features: dict[str, Any] = {name: arrays.get(name) for name in STREAMS}  # there may be no video_3d
        return SplitData(split, list(self.header.filenames[split]), **features, video_label=label, **targets, **truth)

    def _targets(self, arrays: dict[str, NDArray[Any]], truth: dict[str, Any]) -> dict[str, Any]:
        """Return what the training split is trained on."""
        if self.pseudo_labels == "valor":
            if not all(f"segment_{modality}" in arrays for modality in ("audio", "visual")):
                raise DataError(
                    f"{self.folder}: packed without VALOR's pseudo labels; put them into the data folder and pack "
                    "it again, or train without them: data.pseudo_labels=none"
                )
            return {f"segment_{key}": arrays[f"segment_{key}"].astype(np.float32) for key in ("audio", "visual")}
        grids = (truth.get("target_audio"), truth.get("target_visual"))
        names, weak = list(self.header.filenames["train"]), arrays["video_label"].astype(np.bool_)
        annotations = SplitAnnotations("train", names, weak, *grids, self.card)
        given = given_targets(self.pseudo_labels, annotations)
        if given is not None:
            return dict(given)
        found = read_targets(self.pseudo_labels, self.root or self.folder, annotations, self.link_store, read_many)
        if found.problems:
            first = "; ".join(str(problem) for _, problem in found.problems[:5])
            raise DataError(f"{self.folder}: {len(found.problems)} files of labels are missing or damaged: {first}")
        for note in found.notes:
            print(f"train: {note}")
        return dict(found.arrays)

    def verify(self, split: str | None = None) -> dict[str, NDArray[Any]]:
        """Hold every byte of a split (or of all) against its checksum; return the mapped arrays by name.

        Raises:
            DataError: naming the file that is damaged.
        """
        arrays: dict[str, NDArray[Any]] = {}
        work: list[tuple[PackedArray, NDArray[Any], slice, str]] = []
        for name in self.header.arrays if split is None else (split,):
            for key, packed in self.header.arrays[name].items():
                arrays[key] = packed.open(self.folder)
                places = list(blocks(len(arrays[key])))
                if len(places) != len(packed.sha256) or len(arrays[key]) != len(self.header.filenames[name]):
                    raise damaged(self.folder, f"{packed.file} does not hold the videos that {HEADER} lists")
                work += [(packed, arrays[key], *pair) for pair in zip(places, packed.sha256, strict=True)]

        def check(item: tuple[PackedArray, NDArray[Any], slice, str]) -> str | None:
            packed, array, place, expected = item
            return (
                None if digest(array[place]) == expected else f"{packed.file}, videos {place.start} to {place.stop - 1}"
            )

        with ThreadPoolExecutor(_THREADS) as pool:
            wrong = next((problem for problem in pool.map(check, work) if problem), None)
        if wrong:
            raise damaged(self.folder, f"the checksum of {wrong} does not fit")
        return arrays

    def _check_fresh(self, split: str, sources: NDArray[np.int64]) -> None:
        """Hold sizes and times of the source files against those at packing."""
        stale = f"{self.folder}: stale packed set"
        advice = "run `leap-avvp data pack` again, or read the source files with data.packed=off"
        if self.annotation_folder is not None:
            for name, expected in self.header.annotations.items():
                path = self.annotation_folder / name
                if path.is_file() and file_digest(path) != expected:
                    raise DataError(f"{stale}: {path} has changed since it was packed; {advice}")
        if self.root is None:
            return
        ids = [self.card.video_id(name) for name in self.header.filenames[split]]
        folders = self.card.features.folders | {
            f"segment_{key}": folder for key, folder in PSEUDO_LABEL_FOLDERS.items()
        }
        for column, name in enumerate(self.header.source_names[split]):
            folder = self.root / folders[name]
            if not folder.is_dir():
                continue  # only the set was taken along
            status = source_status(folder)
            for row, identity in enumerate(ids):
                found = status.get(f"{identity}.npy")
                if found != tuple(sources[row, column]):
                    what = "is gone" if found is None else "has changed"
                    file = folder / f"{identity}.npy"
                    raise DataError(f"{stale}: {file} {what} since it was packed; {advice}")


def open_folder(
    root: str | Path,
    annotations: str | Path | None = None,
    pseudo_labels: str = "valor",
    allow_missing: bool = False,
    packed: str | Path = "auto",
    link_store: str | Path | None = None,
    card: DataCard = LLP,
) -> DataSource:
    """Return the packed set of a data folder where there is one to use, and say so, else the folder itself.

    Args:
        root: see :class:`~leap_avvp.data.folder.LLPFolder`, or a packed set that was taken along alone.
        annotations: likewise.
        pseudo_labels: likewise.
        allow_missing: likewise.
        packed: see :func:`find_packed`.
        link_store: see :class:`~leap_avvp.data.folder.LLPFolder`. Packed features need none: what they were
            made from is no longer read, only held against its sizes and times.
        card: classes, segments and features.

    Raises:
        DataError: as :class:`PackedLLP` and :class:`~leap_avvp.data.folder.LLPFolder`.
    """
    if not isinstance(packed, str | Path) or not packed:
        raise ConfigError(f"data.packed: expected one of {', '.join(PACKED)}, or a folder, found {packed!r}")
    root = Path(root)
    found = find_packed(root, packed, card.features)
    if found is None:
        return LLPFolder(root, annotations, pseudo_labels, allow_missing, link_store, card)
    print(f"data: packed set {found}")
    if found == root:
        return PackedLLP(found, None, annotations, pseudo_labels, allow_missing, card, link_store)
    with contextlib.suppress(DataError):  # only the set may have been taken along
        annotations = find_annotations(root, annotations, card)
    return PackedLLP(found, root, annotations, pseudo_labels, allow_missing, card, link_store)
