"""Writes a packed set's files block by block, and knows after an interruption which blocks are whole."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from leap_avvp import __version__
from leap_avvp.card import LLP
from leap_avvp.card.read import card_content
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.folder.report import FolderReport, SplitReport
from leap_avvp.data.folder.video_files import Video, VideoFiles, read_many
from leap_avvp.data.packed.format import BLOCK, PackedArray, PackHeader, blocks, digest, write_header
from leap_avvp.errors import DataError
from leap_avvp.files import unwritable, write_whole

__all__ = ["PROGRESS", "PackWriter", "PackedSplit"]

PROGRESS = "progress.json"


@dataclasses.dataclass
class PackedSplit:
    """One split on its way into the set."""

    files: VideoFiles
    rows: NDArray[np.intp]
    """Indices of the videos that are packed, in the order of the annotation file."""
    sources: NDArray[np.int64]
    """(N, files, 2) size in bytes and modification time in ns."""

    @property
    def name(self) -> str:
        """``train``, ``val`` or ``test``."""
        return self.files.annotations.split

    @property
    def filenames(self) -> list[str]:
        """Of the videos that are packed."""
        return [self.files.annotations.filenames[row] for row in self.rows]

    def labels(self) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """Yield weak labels (N, C) and, where there is one, the dense truth (N, T, C)."""
        annotations = self.files.annotations
        yield "video_label", annotations.weak[self.rows].astype(np.uint8)
        for modality in ("audio", "visual"):
            truth: NDArray[np.bool_] | None = getattr(annotations, modality)
            if truth is not None:
                yield f"target_{modality}", truth[self.rows].astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class _Column:
    """The file of one array on its way."""

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    """(N, T, F)"""
    offset: int
    """Where the data begin."""

    @property
    def stride(self) -> int:
        return int(np.prod(self.shape[1:])) * self.dtype.itemsize

    @classmethod
    def make(cls, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> _Column:
        """Make a ``.npy`` file of the final size, or take the one that is there."""
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        try:
            with path.open("r+b" if path.exists() else "w+b") as file:
                np.lib.format.write_array_header_1_0(file, header)
                offset = file.tell()
                file.truncate(offset + int(np.prod(shape)) * dtype.itemsize)
        except OSError as error:
            raise _unwritable(path, error) from error
        return cls(path, dtype, shape, offset)

    def write(self, start: int, values: NDArray[Any]) -> None:
        try:
            with self.path.open("r+b") as file:
                file.seek(self.offset + start * self.stride)
                file.write(np.ascontiguousarray(values).view(np.uint8).data)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def read(self, place: slice) -> NDArray[np.uint8]:
        with self.path.open("rb") as file:
            file.seek(self.offset + place.start * self.stride)
            return np.frombuffer(file.read((place.stop - place.start) * self.stride), dtype=np.uint8)

    def finished(self, sha256: Iterator[str]) -> PackedArray:
        return PackedArray.of(self.path, sha256)


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(f"{unwritable(path, error)}; the same command goes on from the blocks that are written")


class PackWriter:
    """Writes the arrays of all splits into a folder, then the header.

    Args:
        folder: where; what an interrupted writer of the same sources left there is gone on from.
        dtype: of the features.
        source: the checked folder.
        splits: what is packed.
        annotations: SHA-256 of the annotation files, by name.
        console: for progress and remarks.
    """

    def __init__(
        self,
        folder: Path,
        dtype: str,
        source: LLPFolder,
        splits: list[PackedSplit],
        annotations: Mapping[str, str],
        console: Console,
    ) -> None:
        self.folder, self.dtype, self.source, self.splits = folder, dtype, source, splits
        self.annotations, self.console = dict(annotations), console
        self.reports: list[SplitReport] = []
        plan = hashlib.sha256(json.dumps([__version__, dtype, BLOCK, self.annotations]).encode())
        plan.update(json.dumps(card_content(source.card)).encode())
        for split in splits:
            plan.update(split.sources.tobytes())
        self.plan = plan.hexdigest()
        self.done = self._read_progress()
        """By block, ``<split>/<first video>``: ``sha256`` and ``rounding`` by array, and the labels ``outside``."""
        self.resumed = len(self.done)

    def _read_progress(self) -> dict[str, dict[str, Any]]:
        try:
            content = json.loads((self.folder / PROGRESS).read_text(encoding="utf-8"))
            return dict(content["done"]) if content["plan"] == self.plan else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}  # nothing to go on from

    def run(self) -> None:
        """Write everything.

        Raises:
            DataError: missing or damaged source files, numbers too large for float16, no space.
        """
        arrays: dict[str, dict[str, PackedArray]] = {}
        with Progress(console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            task = progress.add_task("packing", total=sum(len(split.rows) for split in self.splits))
            for split in self.splits:
                arrays[split.name] = self._features(split, lambda count: progress.advance(task, count))
                arrays[split.name] |= self._small(split)
        rounding = self._rounding() if self.dtype == "float16" else {}
        write_header(
            self.folder,
            PackHeader(
                dtype=self.dtype,
                simulated=self.source.name == "simulated",
                filenames={split.name: split.filenames for split in self.splits},
                arrays=arrays,
                source_names={split.name: list(split.files.folders) for split in self.splits},
                annotations=self.annotations,
                missing={split.name: len(split.files) - len(split.rows) for split in self.splits},
                facts=FolderReport(str(self.source.root), self.source.dirt, self.reports).to_dict(),
                rounding=rounding,
                version=__version__,
                card=None if self.source.card == LLP else card_content(self.source.card),
            ),
        )
        for name, error in rounding.items():
            self.console.print(
                f"{name}: float16 rounds by at most {error['largest']:.2g}, by {error['relative_rms']:.2g} of the rms"
            )

    def _features(self, split: PackedSplit, advance: Callable[[int], None]) -> dict[str, PackedArray]:
        """Read all videos of a split once, block by block, and write their features and pseudo labels."""
        files, number = split.files, len(split.rows)
        report = SplitReport(split.name, len(files))
        for row in sorted(set(range(len(files))) - set(split.rows.tolist())):
            report.add(files.video_ids[row], files.read(row).problems, 0)
        if report.damaged or (report.missing and not self.source.allow_missing):
            allow = "" if report.damaged else "; --allow-missing packs without those videos"
            raise self._bad(split, report, allow)
        if number == 0:
            raise DataError(f"{files.root}: {split.name}: not one of {len(files)} videos has all its files")
        columns = {
            name: _Column.make(
                self.folder / f"{split.name}.{name}.npy",
                (number, *shape),
                np.dtype(self.dtype if name in files.streams else "uint8"),
            )
            for name, shape in files.shapes.items()
        }
        for place in blocks(number):
            key = f"{split.name}/{place.start}"
            if key not in self.done or not self._holds(self.done[key], columns, place):
                videos = list(read_many(files.read, split.rows[place].tolist()))
                for row, video in zip(split.rows[place], videos, strict=True):
                    report.add(files.video_ids[row], video.problems, 0)
                if report.damaged or any(video.problems for video in videos):
                    raise self._bad(split, report)
                self.done[key] = self._write(videos, columns, place)
                write_whole(self.folder / PROGRESS, json.dumps({"plan": self.plan, "done": self.done}))
            report.unmasked += int(self.done[key]["outside"])
            advance(place.stop - place.start)
        self.reports.append(report)
        keys = [f"{split.name}/{place.start}" for place in blocks(number)]
        return {
            name: column.finished(self.done[key]["sha256"][name] for key in keys) for name, column in columns.items()
        }

    def _bad(self, split: PackedSplit, report: SplitReport, advice: str = "") -> DataError:
        problems = "; ".join(FolderReport("", self.source.dirt, [report]).problems())
        return DataError(f"{split.files.root}: {split.name}: {problems}{advice}")

    def _holds(self, known: Mapping[str, Any], columns: Mapping[str, _Column], place: slice) -> bool:
        """Say whether the bytes of a finished block are still what was written; a power cut may have lost them."""
        sums = known["sha256"]
        return all(sums.get(name) == digest(column.read(place)) for name, column in columns.items())

    def _write(self, videos: list[Video], columns: Mapping[str, _Column], place: slice) -> dict[str, Any]:
        """Write one block; return what is known of it."""
        sums: dict[str, str] = {}
        rounding: dict[str, tuple[float, float, float]] = {}
        for name, column in columns.items():
            exact = np.stack([video.arrays[name] for video in videos])
            with np.errstate(over="ignore"):  # what is too large becomes Inf, which is refused below
                stored = exact.astype(column.dtype)
            if column.dtype == np.float16:
                if not np.isfinite(stored).all():
                    raise DataError(
                        f"{self.source.root}: {name} holds numbers above 65504, the largest of float16; pack it as "
                        "float32"
                    )
                difference = np.abs(exact.astype(np.float64) - stored)
                power = float((exact.astype(np.float64) ** 2).sum())
                rounding[name] = float(difference.max(initial=0)), float((difference**2).sum()), power
            sums[name] = digest(stored)
            column.write(place.start, stored)
        return {"sha256": sums, "rounding": rounding, "outside": sum(video.outside for video in videos)}

    def _rounding(self) -> dict[str, dict[str, float]]:
        """Return by feature what float16 costs: the largest error, and its rms relative to that of the data."""
        known = [block["rounding"] for block in self.done.values()]
        result = {}
        for name in self.source.card.features.streams:
            largest, error, power = zip(*(block[name] for block in known), strict=True)
            result[name] = {"largest": max(largest), "relative_rms": (sum(error) / max(sum(power), 1e-300)) ** 0.5}
        return result

    def _small(self, split: PackedSplit) -> dict[str, PackedArray]:
        """Write labels, truth and the list of sources."""
        packed = {}
        arrays: dict[str, NDArray[Any]] = {**dict(split.labels()), "sources": split.sources}
        for name, array in arrays.items():
            column = _Column.make(self.folder / f"{split.name}.{name}.npy", array.shape, array.dtype)
            column.write(0, array)
            packed[name] = column.finished(digest(array[place]) for place in blocks(len(array)))
        return packed
