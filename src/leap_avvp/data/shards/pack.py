"""``leap-avvp data pack --shards``: a folder of any size becomes shards, or further shards of a set that is there."""

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
from leap_avvp.card import LLP, DataCard
from leap_avvp.card.read import card_content
from leap_avvp.data.annotations import SplitAnnotations
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.folder.report import FolderReport, SplitReport
from leap_avvp.data.folder.video_files import VideoFiles, read_many
from leap_avvp.data.packed.pack import DTYPES
from leap_avvp.data.shards.format import INDEX, PROGRESS, Shard, ShardIndex, read_index, record_type, shards_folder
from leap_avvp.data.shards.progress import PackProgress
from leap_avvp.data.shards.reader import ShardReader
from leap_avvp.data.shards.writer import ShardWriter, block_videos
from leap_avvp.data.targets import given_targets, read_targets
from leap_avvp.errors import ConfigError, DataError, check_choice
from leap_avvp.files import folder_lock

__all__ = ["pack_shards"]

_TRUTH = {"target_audio": "audio", "target_visual": "visual"}
_SEGMENTS = ("segment_audio", "segment_visual")


def pack_shards(
    root: str | Path,
    annotations: str | Path | None = None,
    *,
    dtype: str = "float32",
    shard_mb: float = 1000,
    pseudo_labels: str = "valor",
    add: bool = False,
    out: str | Path | None = None,
    allow_missing: bool = False,
    link_store: str | Path | None = None,
    card: DataCard = LLP,
    console: Console | None = None,
) -> Path:
    """Pack a folder into shards; return the folder of the set.

    What was interrupted goes on behind the last shard that was finished. The index is written last, and at once: until
    then a set that is added to is what it was.

    Args:
        root: see :class:`~leap_avvp.data.folder.LLPFolder`.
        annotations: folder of the CSV files, where it is elsewhere.
        dtype: of the features: ``float32`` keeps them exactly, ``float16`` rounds them.
        shard_mb: size of a shard, in millions of bytes.
        pseudo_labels: kind of the training labels that go into the shards.
        add: put the videos that a set lacks behind those it has.
        out: folder of the set, ``root/shards-<dtype>`` by default.
        allow_missing: leave videos out whose files are missing.
        link_store: a trusted folder that links of single files may lead into.
        card: classes, segments and features.
        console: for progress; stderr by default.

    Raises:
        DataError: bad source files, a set of another kind, videos that it lacks without ``add``, no space.
        ConfigError: an argument out of range.
        LeapError: another process packs there.
    """
    check_choice("--dtype", dtype, DTYPES)
    if isinstance(shard_mb, bool) or not isinstance(shard_mb, int | float) or not shard_mb > 0:
        raise ConfigError(f"--shard-mb: expected a number above 0, found {shard_mb!r}")
    console = console or Console(stderr=True, highlight=False, soft_wrap=True)
    source = LLPFolder(root, annotations, pseudo_labels, allow_missing, link_store, card)
    target = shards_folder(Path(root), dtype, card.features) if out is None else Path(out)
    if add and not (target / INDEX).is_file():
        raise DataError(f"{target}: --add: expected a sharded set, found none; without --add one is made")
    with folder_lock(target):
        known = read_index(target) if (target / INDEX).is_file() else None
        packing = _Packing(source, target, dtype, shard_mb, known, console)
        if known is not None:
            packing.check_kind(known)
            if not any(packing.new.values()):
                for split in known.shards:
                    ShardReader.of(target, known, split).verify()
                console.print(f"{target}: already packed, sound: every video is in it")
                return target
            if not add:
                number = sum(map(len, packing.new.values()))
                raise DataError(
                    f"{target}: holds a sharded set without {number:,} videos of {source.root}; --add puts them into it"
                )
        packing.run()
    return target


@dataclasses.dataclass
class _Split:
    """What goes into the shards of one split."""

    files: VideoFiles
    rows: list[int]
    """Of the annotations, in the order of packing."""
    labels: dict[str, str]
    """Types of the label fields, by name."""
    targets: Mapping[str, NDArray[np.float32]]
    """Training labels of all rows that were read at once, (N, T, C) by name."""


class _Packing:
    """One packing, with what it goes on from."""

    def __init__(
        self, source: LLPFolder, target: Path, dtype: str, shard_mb: float, known: ShardIndex | None, console: Console
    ) -> None:
        self.source, self.target, self.dtype, self.known, self.console = source, target, dtype, known, console
        self.bytes, self.card = int(shard_mb * 1_000_000), source.card
        there = {} if known is None else _names(target, known)
        self.new = {split: self._lacking(split, there) for split in self.card.weak}

    def _lacking(self, split: str, there: Mapping[str, str]) -> list[int]:
        """Return the rows of a split that are in no shard; those for training in an order that is nobody's."""
        names = self.source.split(split).filenames
        for name in names:
            if there.get(name, split) != split:
                raise DataError(f"{self.target}: {name}: is in the set for {there[name]}, and in {split} here")
        rows = [row for row, name in enumerate(names) if name not in there]
        # Neighbours in a file may be alike: any stretch of a shard is to be a sample of all.
        return sorted(rows, key=lambda row: hashlib.sha256(names[row].encode()).digest()) if split == "train" else rows

    def check_kind(self, known: ShardIndex) -> None:
        """Hold what is to be packed against what is there.

        Raises:
            DataError: features, classes or labels of another kind.
        """
        difference = known.data_card().difference(self.card)
        pairs = (
            ("--dtype", known.dtype, self.dtype),
            ("--pseudo-labels", known.pseudo_labels, self.source.pseudo_labels),
            ("simulated videos", known.simulated, self.source.name == "simulated"),
        )
        for what, old, new in pairs:
            if old != new:
                difference = difference or f"{what}: {old} and {new}"
        if difference:
            raise DataError(f"{self.target}: holds a sharded set of another kind: {difference}; choose another --out")

    def run(self) -> None:
        """Write the shards, then the index."""
        splits = {split: self._split(split, rows) for split, rows in self.new.items() if rows}
        labels = {split: each.labels for split, each in splits.items()}
        if self.known is not None:
            labels = {split: dict(named) for split, named in self.known.labels.items()} | labels
            for one in splits.keys() & self.known.labels.keys():
                if list(labels[one].items()) != list(self.known.labels[one].items()):
                    old, new = ", ".join(self.known.labels[one]), ", ".join(labels[one])
                    raise DataError(f"{self.target}: {one} holds the labels {old}, found {new}; choose another --out")
        block = self._block(labels)
        progress = PackProgress(self.target / PROGRESS, self._plan())
        with Progress(console=self.console, transient=True, disable=not self.console.is_terminal) as bar:
            task = bar.add_task("packing", total=sum(map(len, self.new.values())))
            for name, split in splits.items():
                self._write(name, split, block, progress, lambda number: bar.advance(task, number))
        listed: Mapping[str, list[Shard]] = {} if self.known is None else self.known.shards
        shards = {name: [*listed.get(name, []), *progress.shards(name)] for name in dict.fromkeys([*listed, *splits])}
        for name, found in shards.items():
            if not found:
                raise DataError(f"{self.source.root}: {name}: not one video has all its files")
        ShardIndex(
            dtype=self.dtype,
            simulated=self.source.name == "simulated",
            pseudo_labels=self.source.pseudo_labels,
            block=block,
            labels=labels,
            shards=shards,
            missing={name: progress.missing(name) for name in shards},
            card=card_content(self.card),
            version=__version__,
        ).write(self.target)
        for left in (self.target / PROGRESS, *self.target.glob(".*.part")):  # what killed packings left, too
            left.unlink(missing_ok=True)

    def _plan(self) -> str:
        """Return what tells this packing from others."""
        names = {split: [self.source.split(split).filenames[row] for row in rows] for split, rows in self.new.items()}
        known = None if self.known is None else self.known.fingerprint(*self.known.shards)
        what = [__version__, self.dtype, self.bytes, self.source.pseudo_labels, card_content(self.card), names, known]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def _block(self, labels: Mapping[str, Mapping[str, str]]) -> int:
        if self.known is not None:
            return self.known.block
        return min(block_videos(record_type(self.card, self.dtype, named)) for named in labels.values())

    def _split(self, split: str, rows: list[int]) -> _Split:
        """Say what goes into the records of a split, and read the labels that are not a file a video."""
        whole, kind = self.source.split(split), self.source.pseudo_labels
        files = VideoFiles(self.source.root, whole, kind == "valor", self.source.link_store)
        labels, targets = {"video_label": "|u1"}, {}
        if split == "train" and kind == "valor":
            labels |= dict.fromkeys(_SEGMENTS, "|u1")
        elif split == "train" and given_targets(kind, _first(whole)) is None:
            found = read_targets(kind, self.source.root, whole, self.source.link_store, read_many)
            if found.problems:
                first = "; ".join(str(problem) for _, problem in found.problems[:5])
                raise DataError(
                    f"{self.source.root}: {len(found.problems)} files of labels are missing or damaged: {first}"
                )
            labels, targets = labels | dict.fromkeys(_SEGMENTS, "<f4"), dict(found.arrays)
        labels |= {name: "|u1" for name, modality in _TRUTH.items() if getattr(whole, modality) is not None}
        return _Split(files, rows, labels, targets)

    def _write(
        self, name: str, split: _Split, block: int, progress: PackProgress, advance: Callable[[int], None]
    ) -> None:
        """Write the shards of a split that are not there yet."""
        record = record_type(self.card, self.dtype, split.labels)
        size = max(1, self.bytes // record.itemsize)
        listed = [] if self.known is None else self.known.shards.get(name, [])
        number = int(listed[-1].file.rpartition("-")[2].removesuffix(".npy")) + 1 if listed else 0
        for place in range(0, len(split.rows), size):
            rows = split.rows[place : place + size]
            file = f"{name}-{number + place // size:06d}.npy"
            if not progress.holds(self.target, name, file, record, block):
                with ShardWriter(self.target, file, record, block) as writer:
                    report = SplitReport(name, len(rows))
                    for start in range(0, len(rows), block):
                        writer.add(self._records(split, rows[start : start + block], record, report))
                    shard = writer.finish() if writer.videos else None
                progress.add(name, file, shard, len(rows) - writer.videos)
            advance(len(rows))

    def _records(self, split: _Split, rows: list[int], record: np.dtype[Any], report: SplitReport) -> NDArray[Any]:
        """Read videos into records, without those that may be missing."""
        files, whole = split.files, split.files.annotations
        kept: list[int] = []
        records = np.zeros(len(rows), dtype=record)
        for row, video in zip(rows, read_many(files.read, rows), strict=True):
            report.add(files.video_ids[row], video.problems, video.outside)
            if video.problems:
                continue
            one = records[len(kept)]
            for field, values in video.arrays.items():
                with np.errstate(over="ignore"):  # what is too large becomes Inf, which is refused
                    one[field] = values
                if self.dtype == "float16" and not np.isfinite(one[field]).all():
                    raise DataError(
                        f"{files.path(field, row)}: numbers above 65504, the largest of float16; pack float32"
                    )
            kept.append(row)
        if report.damaged or (report.missing and not self.source.allow_missing):
            problems = "; ".join(FolderReport("", self.source.dirt, [report]).problems())
            allow = "" if report.damaged else "; --allow-missing packs without those videos"
            raise DataError(f"{self.source.root}: {report.split}: {problems}{allow}; what is packed so far is kept")
        records = records[: len(kept)]
        records["filename"] = [whole.filenames[row].encode() for row in kept]
        records["video_label"] = whole.weak[kept]
        for field, array in _labels(split, whole):
            records[field] = array[kept]
        return records


def _labels(split: _Split, whole: SplitAnnotations) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the labels (N, T, C) of a split that are in memory, by field."""
    yield from split.targets.items()
    for name, modality in _TRUTH.items():
        if name in split.labels:
            yield name, getattr(whole, modality)


def _first(whole: SplitAnnotations) -> SplitAnnotations:
    """Return the annotations of one video, to ask what needs no files."""
    audio, visual = (None if grid is None else grid[:1] for grid in (whole.audio, whole.visual))
    return SplitAnnotations(whole.split, whole.filenames[:1], whole.weak[:1], audio, visual, whole.card)


def _names(folder: Path, index: ShardIndex) -> dict[str, str]:
    """Return the split of every video of a set, by filename."""
    return {name.decode(): split for split in index.shards for name in ShardReader.of(folder, index, split).filenames()}
