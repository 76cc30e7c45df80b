"""LLP's six annotation files: read into weak labels and dense grids, with their known dirt counted; and written."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import DataError, nearest
from leap_avvp.files import write_whole
from leap_avvp.llp import CLASSES, DENSE_FILES, NUM_CLASSES, NUM_SEGMENTS, SPLITS, WEAK_FILES, video_id

__all__ = ["Dirt", "SplitAnnotations", "find_annotations", "read_annotations", "write_annotations"]

_CLASS_ID = {name: index for index, name in enumerate(CLASSES)}
# The id becomes a file name, so nothing but YouTube's own alphabet may stand in it.
_FILENAME = re.compile(r"[A-Za-z0-9_-]{11}_\d+(\.\d+)?_\d+(\.\d+)?")
# Some rows of the real dense files carry a shortened id. They are in no split, so no file is ever named after them.
_DENSE_NAME = re.compile(r"[A-Za-z0-9_-]{1,11}_\d+(\.\d+)?_\d+(\.\d+)?")
_AUDIO_VERSIONS = {134_355: "corrected", 134_360: "older, with another truth for two test videos"}


@dataclasses.dataclass(frozen=True)
class SplitAnnotations:
    """The annotations of one split. N videos, T = 10 segments, C = 25 classes."""

    split: str
    """``train``, ``val`` or ``test``."""
    filenames: list[str]
    """Length N, ``<11-character id>_<start>_<end>``, in the order of the file."""
    weak: NDArray[np.bool_]
    """(N, C) which events occur somewhere in the video."""
    audio: NDArray[np.bool_] | None
    """(N, T, C) what is heard when; None for train."""
    visual: NDArray[np.bool_] | None
    """(N, T, C) what is seen when; None for train."""

    @property
    def video_ids(self) -> list[str]:
        """Length N, the YouTube ids."""
        return [video_id(name) for name in self.filenames]


@dataclasses.dataclass
class Dirt:
    """What is irregular in a set of annotation files; none of it stops a run."""

    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    """What, and how often."""
    examples: dict[str, str] = dataclasses.field(default_factory=dict)
    """The first of each kind."""
    audio_version: str = "not read"
    """Which of the two circulating versions of the audio file this is, told by its size."""

    def add(self, what: str, number: int = 1, example: str = "") -> None:
        """Count ``number`` cases of ``what``."""
        self.counts[what] = self.counts.get(what, 0) + number
        if number and example:
            self.examples.setdefault(what, example)

    def lines(self) -> list[str]:
        """Return one line for each kind that occurs."""
        found = [
            f"{what}: {number}" + (f" (first: {self.examples[what]})" if what in self.examples else "")
            for what, number in self.counts.items()
            if number
        ]
        return [f"audio annotation file: {self.audio_version}", *found]


def find_annotations(root: Path, annotations: Path | None = None) -> Path:
    """Return the folder of the CSV files: ``annotations`` if given, else ``root/annotations``, ``root/data`` or ``root``.

    Raises:
        DataError: no such folder, or none with the training file in it.
    """
    places = [annotations] if annotations is not None else [root / "annotations", root / "data", root]
    if annotations is None and not root.is_dir():
        raise DataError(f"{root}: no such folder; data.root is the folder that holds feats/ and the annotation files")
    wanted = [*WEAK_FILES.values(), *DENSE_FILES.values()]
    for place in places:
        if any((place / name).is_file() for name in wanted):
            return place
    raise DataError(
        f"{root if annotations is None else annotations}: found none of LLP's annotation files ({', '.join(wanted)}) in "
        f"{', '.join(str(place) for place in places)}; name their folder with data.annotations=DIR"
    )


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and the named columns of a tab-separated file."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # tolerates a BOM
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; it belongs to LLP's annotations") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error})") from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(reader, None)
    if header is None:
        raise DataError(f"{path}: the file is empty; expected a header with {', '.join(columns)}")
    missing = [name for name in columns if name not in header]
    if missing:
        hint = "; the columns are separated by tabs" if len(header) == 1 and re.search("[,; ]", header[0]) else ""
        raise DataError(
            f"{path}:1: expected columns {', '.join(columns)}, found {', '.join(header)}: no {missing[0]}{hint}"
        )
    places = [header.index(name) for name in columns]
    for number, fields in enumerate(reader, start=2):
        if not any(fields):
            continue
        if len(fields) <= max(places):
            raise DataError(f"{path}:{number}: expected {len(header)} tab-separated fields, found {len(fields)}")
        yield number, [fields[place].strip() for place in places]


def _class(name: str, path: Path, number: int) -> int:
    if name not in _CLASS_ID:
        near = nearest(name, CLASSES, limit=1)
        hint = f"; nearest: {near[0]}" if near else ""
        raise DataError(f"{path}:{number}: expected one of LLP's 25 classes, found {name!r}{hint}")
    return _CLASS_ID[name]


def _checked_name(name: str, path: Path, number: int, pattern: re.Pattern[str] = _FILENAME) -> str:
    if not pattern.fullmatch(name):
        raise DataError(f"{path}:{number}: expected <11-character YouTube id>_<start>_<end>, found {name!r}")
    return name


def _read_weak(path: Path, dirt: Dirt) -> tuple[list[str], NDArray[np.bool_]]:
    names: list[str] = []
    labels: list[list[int]] = []
    seen: dict[str, int] = {}
    for number, (name, events) in _rows(path, ("filename", "event_labels")):
        identity = video_id(_checked_name(name, path, number))
        if identity in seen:
            raise DataError(f"{path}:{number}: video {identity} stands in line {seen[identity]} already")
        seen[identity] = number
        classes = [_class(event.strip(), path, number) for event in events.split(",")]
        if len(set(classes)) < len(classes):
            dirt.add("weak rows that repeat a class", example=f"{name} {events}")
        names.append(name)
        labels.append(classes)
    if not names:
        raise DataError(f"{path}: expected at least one video, found only a header")
    weak = np.zeros((len(names), NUM_CLASSES), dtype=np.bool_)
    for row, classes in enumerate(labels):
        weak[row, classes] = True
    return names, weak


@dataclasses.dataclass(frozen=True)
class _DenseRow:
    name: str
    onset: int
    offset: int
    event: int


def _read_dense(path: Path, modality: str, dirt: Dirt) -> list[_DenseRow]:
    rows: list[_DenseRow] = []
    for number, (name, onset, offset, event) in _rows(path, ("filename", "onset", "offset", "event_labels")):
        times = []
        for column, text in (("onset", onset), ("offset", offset)):
            if not re.fullmatch(r"\d+(\.0+)?", text) or not 0 <= float(text) <= NUM_SEGMENTS:
                raise DataError(
                    f"{path}:{number}: {column}: expected a whole second from 0 to {NUM_SEGMENTS}, found {text!r}"
                )
            times.append(int(float(text)))
        _checked_name(name, path, number, _DENSE_NAME)
        row = _DenseRow(name, times[0], times[1], _class(event, path, number))
        if row.onset >= row.offset:
            dirt.add(f"{modality} rows with onset >= offset, which mark nothing", example=f"{name} {onset} -> {offset}")
        rows.append(row)
    repeated = len(rows) - len(set(rows))
    first = next((row for row, times in Counter(rows).items() if times > 1), None)
    dirt.add(f"{modality} rows that repeat another exactly", repeated, f"{first.name}" if first else "")
    return rows


def _count_overlaps(rows: Sequence[_DenseRow]) -> int:
    """Count neighbours, in order of onset, of one video and class that share a second; exact repeats are among them."""
    ordered = sorted(rows, key=lambda row: (row.name, row.event, row.onset, row.offset))
    return sum(
        (one.name, one.event) == (following.name, following.event) and following.onset < one.offset
        for one, following in itertools.pairwise(ordered)
    )


def _grid(rows: Sequence[_DenseRow], names: Sequence[str]) -> NDArray[np.bool_]:
    place = {name: index for index, name in enumerate(names)}
    grid = np.zeros((len(names), NUM_SEGMENTS, NUM_CLASSES), dtype=np.bool_)
    for row in rows:
        if row.name in place:
            grid[place[row.name], row.onset : row.offset, row.event] = True
    return grid


def read_annotations(folder: Path, splits: Sequence[str] = SPLITS) -> tuple[dict[str, SplitAnnotations], Dirt]:
    """Read the splits' annotations.

    Args:
        folder: holds LLP's CSV files (tab-separated).
        splits: which splits are needed; files of the others need not be there.

    Raises:
        DataError: naming file and line, what was expected, what was found.
    """
    dirt = Dirt()
    weak = {split: _read_weak(folder / WEAK_FILES[split], dirt) for split in splits}
    owner: dict[str, str] = {}
    for split, (names, _) in weak.items():
        for name in names:
            other = owner.setdefault(video_id(name), split)
            if other != split:
                raise DataError(
                    f"{folder / WEAK_FILES[split]}: video {video_id(name)} stands in {WEAK_FILES[other]} too; "
                    "the splits must not share videos"
                )
    if not any(split in ("val", "test") for split in splits):
        return {split: SplitAnnotations(split, *weak[split], None, None) for split in splits}, dirt
    size = (folder / DENSE_FILES["audio"]).stat().st_size if (folder / DENSE_FILES["audio"]).is_file() else 0
    dirt.audio_version = f"{_AUDIO_VERSIONS.get(size, 'not one of the two that circulate')} ({size:,} bytes)"
    dense = {modality: _read_dense(folder / name, modality, dirt) for modality, name in DENSE_FILES.items()}
    result = {}
    for split, (names, labels) in weak.items():
        if split == "train":
            result[split] = SplitAnnotations(split, names, labels, None, None)
            continue
        audio, visual = (_grid(dense[modality], names) for modality in ("audio", "visual"))
        result[split] = SplitAnnotations(split, names, labels, audio, visual)
        # Held against the classes that the rows name, also where their times mark nothing.
        named = np.zeros_like(labels)
        place = {name: index for index, name in enumerate(names)}
        for row in itertools.chain.from_iterable(dense.values()):
            if row.name in place:
                named[place[row.name], row.event] = True
        differ = (labels != named).any(axis=1)
        dirt.add(f"{split} videos whose weak and dense labels differ", int(differ.sum()), names[int(differ.argmax())])
    _count_strays(dense, {split: names for split, (names, _) in weak.items()}, dirt)
    return result, dirt


def _count_strays(dense: Mapping[str, Sequence[_DenseRow]], names: Mapping[str, Sequence[str]], dirt: Dirt) -> None:
    known = {name for split in names.values() for name in split}
    for modality, rows in dense.items():
        dirt.add(f"{modality} pairs of overlapping rows of one class", _count_overlaps(rows))
        there = {row.name: None for row in rows}  # in order
        strays = [name for name in there if name not in known]
        if {"val", "test"} <= set(names):
            dirt.add(f"{modality} file names that are in no split", len(strays), strays[0] if strays else "")
        for split in ("val", "test"):
            absent = [name for name in names.get(split, ()) if name not in there]
            dirt.add(f"{split} videos without {modality} rows", len(absent), absent[0] if absent else "")


def _write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    lines = ["\t".join(str(field) for field in row) for row in (header, *rows)]
    write_whole(path, "\n".join(lines) + "\n")


def _runs(names: Sequence[str], grid: NDArray[np.bool_]) -> Iterator[tuple[str, int, int, str]]:
    padded = np.pad(grid.astype(np.int8), ((0, 0), (1, 1), (0, 0)))
    change = np.diff(padded, axis=1)  # (N, T + 1, C)
    for index, name in enumerate(names):
        for event in np.flatnonzero(grid[index].any(axis=0)):
            onsets = np.flatnonzero(change[index, :, event] == 1)
            offsets = np.flatnonzero(change[index, :, event] == -1)
            yield from ((name, int(on), int(off), CLASSES[event]) for on, off in zip(onsets, offsets, strict=True))


def write_annotations(folder: Path, splits: Mapping[str, SplitAnnotations]) -> None:
    """Write the six files of ``splits``, each whole or not at all; events are the grids' maximal runs.

    Raises:
        DataError: the folder cannot be written.
    """
    everything: list[tuple[str, str]] = []
    for split, annotations in splits.items():
        rows = [
            (name, ",".join(CLASSES[event] for event in np.flatnonzero(weak)))
            for name, weak in zip(annotations.filenames, annotations.weak, strict=True)
        ]
        everything += rows
        _write_table(folder / WEAK_FILES[split], ("filename", "event_labels"), rows)
    _write_table(folder / "AVVP_dataset_full.csv", ("filename", "event_labels"), everything)
    for modality, file in DENSE_FILES.items():
        runs = [
            run
            for annotations in splits.values()
            if (grid := getattr(annotations, modality)) is not None and annotations.split != "train"
            for run in _runs(annotations.filenames, grid)
        ]
        _write_table(folder / file, ("filename", "onset", "offset", "event_labels"), runs)
