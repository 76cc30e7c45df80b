"""LLP's six annotation files: read into weak labels and dense grids, their known dirt counted; and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.annotations.dirt import Dirt, count_dirt
from leap_avvp.data.annotations.rows import DenseRow, WeakRow, is_filename, read_dense_rows, read_weak_rows
from leap_avvp.errors import DataError, check_choice
from leap_avvp.files import write_whole
from leap_avvp.llp import CLASSES, DENSE_FILES, NUM_CLASSES, NUM_SEGMENTS, SPLITS, WEAK_FILES, video_id

__all__ = ["Dirt", "SplitAnnotations", "find_annotations", "read_annotations", "write_annotations"]

_FULL_FILE = "AVVP_dataset_full.csv"
_WEAK_COLUMNS = ("filename", "event_labels")
_DENSE_COLUMNS = ("filename", "onset", "offset", "event_labels")


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


def find_annotations(root: str | Path, annotations: str | Path | None = None) -> Path:
    """Return the folder of the CSV files.

    Args:
        root: the data folder; the files are looked for in ``root/annotations``, ``root/data`` and ``root``.
        annotations: where they are, if not there; then nothing else is looked at.

    Raises:
        DataError: no such folder, or not one annotation file in it.
    """
    root = Path(root)
    places = [root / "annotations", root / "data", root] if annotations is None else [Path(annotations)]
    wanted = [*WEAK_FILES.values(), *DENSE_FILES.values()]
    for place in places:
        # A link that leads nowhere counts: reading it says how to get what it points to.
        if any((place / name).is_file() or (place / name).is_symlink() for name in wanted):
            return place
    if not places[-1].is_dir():
        what = "feats/ and annotations/" if annotations is None else "annotations; data.annotations=DIR says where"
        raise DataError(f"{places[-1]}: no such folder; expected the one that holds LLP's {what}")
    raise DataError(
        f"{places[-1]}: expected LLP's annotation files ({', '.join(wanted)}), found none of them in "
        f"{', '.join(str(place) for place in places)}; name their folder with data.annotations=DIR"
    )


def read_annotations(
    folder: str | Path, splits: Sequence[str] = SPLITS, link_store: str | Path | None = None
) -> tuple[dict[str, SplitAnnotations], Dirt]:
    """Read the splits' annotations, and count what is irregular in them.

    A dense row makes ``grid[onset:offset]`` true, as in the released programs: one whose times are not in order marks
    nothing, and rows of videos that are in no split are left out.

    Args:
        folder: holds LLP's CSV files (tab-separated).
        splits: which splits are needed; files of the others need not be there.
        link_store: a trusted folder that links of single files may lead into, beside the data folder itself.

    Raises:
        DataError: naming file and line, what was expected, what was found and how to mend it.
    """
    folder, link_store = Path(folder), None if link_store is None else Path(link_store)
    weak = {
        split: read_weak_rows(folder / WEAK_FILES[check_choice("split", split, SPLITS)], link_store) for split in splits
    }
    _check_disjoint(folder, weak)
    dense: dict[str, list[DenseRow]] = {}
    audio_bytes = None
    if weak.keys() - {"train"}:
        dense = {modality: read_dense_rows(folder / name, link_store) for modality, name in DENSE_FILES.items()}
        audio_bytes = (folder / DENSE_FILES["audio"]).stat().st_size
    result = {}
    for split, rows in weak.items():
        names = [row.name for row in rows]
        labels = np.zeros((len(rows), NUM_CLASSES), dtype=np.bool_)
        for index, row in enumerate(rows):
            labels[index, list(row.events)] = True
        audio, visual = (None if split == "train" else _grid(dense[modality], names) for modality in DENSE_FILES)
        result[split] = SplitAnnotations(split, names, labels, audio, visual)
    return result, count_dirt(weak, dense, audio_bytes)


def write_annotations(folder: str | Path, splits: Mapping[str, SplitAnnotations]) -> None:
    """Write LLP's six files, each whole or not at all; :func:`read_annotations` gives the same annotations back.

    Dense events are written as the grids' maximal runs. LLP has none for training, so those of ``train`` are left out.

    Args:
        folder: is made if need be; files of the same names are replaced.
        splits: what to write; of splits that are not given the dense files hold nothing.

    Raises:
        DataError: a name that is not ``<id>_<start>_<end>``, a video without a label, a folder that cannot be written.
    """
    folder = Path(folder)
    everything: list[tuple[str, str]] = []
    for split, one in splits.items():
        for name, weak in zip(one.filenames, one.weak, strict=True):
            if not is_filename(name) or not weak.any():
                wrong = "no label" if is_filename(name) else "a name that is not <11-character id>_<start>_<end>"
                raise DataError(f"{folder / WEAK_FILES[split]}: video {name!r} has {wrong}: it could not be read back")
    for split, one in splits.items():
        rows = [
            (name, ",".join(CLASSES[event] for event in np.flatnonzero(weak)))
            for name, weak in zip(one.filenames, one.weak, strict=True)
        ]
        everything += rows
        _write_table(folder / WEAK_FILES[split], _WEAK_COLUMNS, rows)
    _write_table(folder / _FULL_FILE, _WEAK_COLUMNS, everything)
    for modality, file in DENSE_FILES.items():
        runs: list[tuple[str, int, int, str]] = []
        for split, one in splits.items():
            grid = one.audio if modality == "audio" else one.visual
            if split != "train" and grid is not None:
                runs += _runs(one.filenames, grid)
        _write_table(folder / file, _DENSE_COLUMNS, runs)


def _check_disjoint(folder: Path, weak: Mapping[str, Sequence[WeakRow]]) -> None:
    owner: dict[str, str] = {}
    for split, rows in weak.items():
        for row in rows:
            other = owner.setdefault(video_id(row.name), split)
            if other != split:
                raise DataError(
                    f"{folder / WEAK_FILES[split]}: expected splits that share no video, found {video_id(row.name)} in "
                    f"{WEAK_FILES[other]} too; remove it from one of them"
                )


def _grid(rows: Sequence[DenseRow], names: Sequence[str]) -> NDArray[np.bool_]:
    """Return what the rows mark, (N, T, C)."""
    place = {name: index for index, name in enumerate(names)}
    grid = np.zeros((len(names), NUM_SEGMENTS, NUM_CLASSES), dtype=np.bool_)
    for row in rows:
        if row.name in place:
            grid[place[row.name], row.onset : row.offset, row.event] = True
    return grid


def _runs(names: Sequence[str], grid: NDArray[np.bool_]) -> Iterator[tuple[str, int, int, str]]:
    """Yield the maximal runs of a grid (N, T, C), by video, class and onset."""
    by_class = grid.transpose(0, 2, 1).astype(np.int8)  # (N, C, T)
    change = np.diff(by_class, axis=2, prepend=0, append=0)  # (N, C, T + 1)
    starts, ends = np.argwhere(change == 1), np.argwhere(change == -1)
    for (video, event, onset), (_, _, offset) in zip(starts, ends, strict=True):
        yield names[video], int(onset), int(offset), CLASSES[event]


def _write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    lines = ["\t".join(str(field) for field in row) for row in (header, *rows)]
    write_whole(path, "\n".join(lines) + "\n")
