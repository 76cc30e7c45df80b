"""The files of each video of a split: where they are, and one video's arrays, read and checked."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card.features import LLP_FEATURES
from leap_avvp.data.annotations import SplitAnnotations
from leap_avvp.data.folder.feature_files import BadFileError, read_features, read_pseudo_labels
from leap_avvp.errors import DataError
from leap_avvp.llp import PSEUDO_LABEL_FOLDERS

__all__ = ["READ_THREADS", "Video", "VideoFiles", "read_many"]

READ_THREADS = min(8, os.cpu_count() or 1)
_PROBE = 16
# A video of files that the system holds in memory takes 0.4 ms, and threads would only take turns; off a disk or a
# network it takes many times longer, and threads wait together.
_SLOW = 0.002


_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Video:
    """What the files of one video hold."""

    arrays: dict[str, NDArray[np.float32]]
    """(T, F) features with pooled frames and (T, C) pseudo labels, by name; those that could be read."""
    problems: list[BadFileError]
    outside: int
    """Pseudo labels that name an event outside the video's weak label."""


def read_many(read: Callable[[int], _T], indices: Sequence[int]) -> Iterator[_T]:
    """Yield ``read(index)`` for each index, in order; in threads where the first ones show that files come slowly."""
    started = time.perf_counter()
    for index in indices[:_PROBE]:
        yield read(index)
    rest = indices[_PROBE:]
    if not rest:
        return
    if READ_THREADS == 1 or time.perf_counter() - started < _SLOW * _PROBE:
        yield from map(read, rest)
        return
    pool = ThreadPoolExecutor(READ_THREADS)
    try:
        yield from pool.map(read, rest)
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupted check does not read the other files first


class VideoFiles:
    """The feature files of a split and, for ``train`` with pseudo labels, VALOR's label files.

    Args:
        root: the data folder.
        annotations: of the split.
        pseudo_labels: whether training needs VALOR's.
        link_store: a trusted folder that links of single files may lead into.

    Raises:
        DataError: naming every folder that is not there, and how to get VALOR's or to do without.
    """

    def __init__(
        self, root: Path, annotations: SplitAnnotations, pseudo_labels: bool, link_store: Path | None = None
    ) -> None:
        self.root = root
        self.link_store = link_store
        self.annotations = annotations
        self.card = annotations.card
        self.streams = self.card.features.streams
        self.video_ids = annotations.video_ids
        self.folders = {name: root / folder for name, folder in self.card.features.folders.items()}
        if annotations.split == "train" and pseudo_labels:
            self.folders |= {f"segment_{modality}": root / folder for modality, folder in PSEUDO_LABEL_FOLDERS.items()}
        absent = {name: folder for name, folder in self.folders.items() if not folder.is_dir()}
        if absent:
            advice = (
                f"; expected the features of {self.card.features.describe()} there; features=NAME names another set"
            )
            if self.card.features == LLP_FEATURES:
                advice = "; expected LLP's released features there; features=NAME names another set"
            if all(name.startswith("segment_") for name in absent):
                advice = (
                    "; expected the segment pseudo labels that VALOR released (Lai et al., NeurIPS 2023) there; "
                    "data.pseudo_labels=none trains without them"
                )
            if any(folder.with_name(f"{folder.name}.dvc").is_file() for folder in absent.values()):
                advice += "; `dvc pull` fetches what DVC tracks"
            raise DataError(f"{root}: no such folder: {', '.join(map(str, absent.values()))}{advice}")

    def __len__(self) -> int:
        return len(self.video_ids)

    def notes(self) -> list[str]:
        """Tell of folders that hold labels of other videos, too: the released ones hold those of LLP's test."""
        own = {f"{identity}.npy" for identity in self.video_ids}
        found = []
        for name, folder in self.folders.items():
            if name not in self.streams:
                names = {entry.name for entry in os.scandir(folder)} - own
                others = sum(name.endswith(".npy") and not name.startswith("._") for name in names)
                if others:
                    where, files = folder.relative_to(self.root), "1 file" if others == 1 else f"{others:,} files"
                    found.append(f"{where}: {files} of other videos than the training ones are not read")
        return found

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """(T, F) or (T, C) of each array of a video, by name."""
        return {
            name: (self.card.segments, self.streams[name].width if name in self.streams else self.card.num_classes)
            for name in self.folders
        }

    def path(self, name: str, index: int) -> Path:
        """Return the file of an array of a video."""
        return self.folders[name] / f"{self.video_ids[index]}.npy"

    def array(self, name: str, index: int) -> NDArray[np.float32]:
        """Read and check one file of a video.

        Raises:
            BadFileError: what is wrong with it.
        """
        path = self.path(name, index)
        if name in self.streams:
            return read_features(path, self.root, self.streams[name], self.card.segments, self.link_store)
        return read_pseudo_labels(path, self.root, (self.card.segments, self.card.num_classes), self.link_store)

    def read(self, index: int) -> Video:
        """Read and check every file of a video."""
        arrays: dict[str, NDArray[np.float32]] = {}
        problems, outside = [], 0
        for name in self.folders:
            try:
                arrays[name] = self.array(name, index)
                if name not in self.streams:
                    outside += int(arrays[name][:, ~self.annotations.weak[index]].sum())
            except BadFileError as problem:
                problems.append(problem)
        return Video(arrays, problems, outside)
