"""Annotation files: read into weak labels and dense grids, their known dirt counted; and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import LLP, DataCard
from leap_avvp.data.annotations.dirt import Dirt, count_dirt
from leap_avvp.data.annotations.rows import DenseRow, WeakRow, is_filename, read_dense_rows, read_weak_rows
from leap_avvp.errors import DataError, check_choice
from leap_avvp.files import write_whole
from leap_avvp.llp import SPLITS

__all__ = ["Dirt", "SplitAnnotations", "find_annotations", "read_annotations", "runs_of_grid", "write_annotations"]

_FULL_FILE = "AVVP_dataset_full.csv"
_WEAK_COLUMNS = ("filename", "event_labels")
_DENSE_COLUMNS = ("filename", "onset", "offset", "event_labels")


@dataclasses.dataclass(frozen=True)
class SplitAnnotations:
    """The annotations of one split. N videos, T segments, C classes."""

    split: str
    """``train``, ``val`` or ``test``."""
    filenames: list[str]
    """Length N, in the order of the file; of LLP ``<11-character id>_<start>_<end>``."""
    weak: NDArray[np.bool_]
    """(N, C) which events occur somewhere in the video."""
    audio: NDArray[np.bool_] | None
    """(N, T, C) what is heard when; None where no file says it, as for LLP's train."""
    visual: NDArray[np.bool_] | None
    """(N, T, C) what is seen when; None as above."""
    card: DataCard = LLP
    """Classes, segments and ids."""

    @property
    def video_ids(self) -> list[str]:
        """Length N, what names the videos' files; of LLP the YouTube ids."""
        return [self.card.video_id(name) for name in self.filenames]


def find_annotations(root: str | Path, annotations: str | Path | None = None, card: DataCard = LLP) -> Path:
    """Return the folder of the CSV files.

    Args:
        root: the data folder; the files are looked for in ``root/annotations``, ``root/data`` and ``root``.
        annotations: where they are, if not there; then nothing else is looked at.
        card: names the files.

    Raises:
        DataError: no such folder, or not one annotation file in it.
    """
    root = Path(root)
    places = [root / "annotations", root / "data", root] if annotations is None else [Path(annotations)]
    wanted = list(dict.fromkeys([*card.weak.values(), *card.dense.values()]))
    whose = "LLP's" if card.is_llp else f"{card.name}'s"
    for place in places:
        # A link that leads nowhere counts: reading it says how to get what it points to.
        if any((place / name).is_file() or (place / name).is_symlink() for name in wanted):
            return place
    if not places[-1].is_dir():
        what = "feats/ and annotations/" if annotations is None else "annotations; data.annotations=DIR says where"
        raise DataError(f"{places[-1]}: no such folder; expected the one that holds {whose} {what}")
    raise DataError(
        f"{places[-1]}: expected {whose} annotation files ({', '.join(wanted)}), found none of them in "
        f"{', '.join(str(place) for place in places)}; name their folder with data.annotations=DIR"
    )


def read_annotations(
    folder: str | Path,
    splits: Sequence[str] | None = None,
    link_store: str | Path | None = None,
    card: DataCard = LLP,
) -> tuple[dict[str, SplitAnnotations], Dirt]:
    """Read the splits' annotations, and count what is irregular in them.

    A dense row makes ``grid[onset:offset]`` true, as in the released programs: one whose times are not in order marks
    nothing, and rows of videos that are in no split are left out.

    Args:
        folder: holds the CSV files, of LLP tab-separated.
        splits: which splits are needed, None for all of the card; files of the others need not be there.
        link_store: a trusted folder that links of single files may lead into, beside the data folder itself.
        card: names files, classes and segments.

    Raises:
        DataError: naming file and line, what was expected, what was found and how to mend it.
    """
    folder, link_store = Path(folder), None if link_store is None else Path(link_store)
    weak = {
        split: read_weak_rows(folder / _weak_file(card, split), link_store, card)
        for split in (card.weak if splits is None else splits)
    }
    _check_disjoint(folder, weak, card)
    dense: dict[str, list[DenseRow]] = {}
    audio_bytes = None
    if card.dense and (weak.keys() - {"train"} or not card.is_llp):
        dense = {modality: read_dense_rows(folder / name, link_store, card) for modality, name in card.dense.items()}
        audio_bytes = (folder / card.dense["audio"]).stat().st_size if card.is_llp else None
    result = {}
    for split, rows in weak.items():
        names = [row.name for row in rows]
        labels = np.zeros((len(rows), card.num_classes), dtype=np.bool_)
        for index, row in enumerate(rows):
            labels[index, list(row.events)] = True
        known = split != "train" or (not card.is_llp and _names_any(dense, names))
        grids = {modality: _grid(own, names, card) if known else None for modality, own in dense.items()}
        result[split] = SplitAnnotations(split, names, labels, grids.get("audio"), grids.get("visual"), card)
    return result, count_dirt(weak, dense, audio_bytes)


def _weak_file(card: DataCard, split: str) -> str:
    check_choice("split", split, SPLITS)
    if split not in card.weak:
        raise DataError(f"{card.name}: the data card names no file of {split} videos; add weak.{split}")
    return card.weak[split]


def _names_any(dense: Mapping[str, Sequence[DenseRow]], names: Sequence[str]) -> bool:
    """Say whether dense rows speak of these videos: then those without a row hold no event."""
    own = set(names)
    return any(row.name in own for rows in dense.values() for row in rows)


def write_annotations(folder: str | Path, splits: Mapping[str, SplitAnnotations], card: DataCard = LLP) -> None:
    """Write the files of a card, each whole or not at all; :func:`read_annotations` gives the same annotations back.

    Dense events are written as the grids' maximal runs. LLP has none for training, so those of ``train`` are left out.

    Args:
        folder: is made if need be; files of the same names are replaced.
        splits: what to write; of splits that are not given the dense files hold nothing.
        card: names files, classes and segments.

    Raises:
        DataError: a name that could not be read back (of LLP one that is not ``<id>_<start>_<end>``), of LLP a video
            without a label, a folder that cannot be written.
    """
    folder = Path(folder)
    everything: list[tuple[str, str]] = []
    for split, one in splits.items():
        for name, weak in zip(one.filenames, one.weak, strict=True):
            readable = is_filename(name, card)
            if not readable or not (weak.any() or card.ids != "llp"):
                odd = "is not <11-character id>_<start>_<end>" if card.ids == "llp" else "is no file name"
                wrong = "no label" if readable else f"a name that {odd}"
                raise DataError(
                    f"{folder / _weak_file(card, split)}: video {name!r} has {wrong}: it could not be read back"
                )
    for split, one in splits.items():
        rows = [
            (name, ",".join(card.classes[event] for event in np.flatnonzero(weak)))
            for name, weak in zip(one.filenames, one.weak, strict=True)
        ]
        everything += rows
        _write_table(folder / _weak_file(card, split), _WEAK_COLUMNS, rows)
    if card.is_llp:
        _write_table(folder / _FULL_FILE, _WEAK_COLUMNS, everything)
    for modality, file in card.dense.items():
        runs: list[tuple[str, str, str, str]] = []
        for split, one in splits.items():
            grid = one.audio if modality == "audio" else one.visual
            if grid is not None and not (split == "train" and card.is_llp):
                runs += runs_of_grid(one.filenames, grid, card)
        _write_table(folder / file, _DENSE_COLUMNS, runs)


def _check_disjoint(folder: Path, weak: Mapping[str, Sequence[WeakRow]], card: DataCard) -> None:
    owner: dict[str, str] = {}
    for split, rows in weak.items():
        for row in rows:
            identity = card.video_id(row.name)
            other = owner.setdefault(identity, split)
            if other != split:
                raise DataError(
                    f"{folder / card.weak[split]}: expected splits that share no video, found {identity} in "
                    f"{card.weak[other]} too; remove it from one of them"
                )


def _grid(rows: Sequence[DenseRow], names: Sequence[str], card: DataCard) -> NDArray[np.bool_]:
    """Return what the rows mark, (N, T, C)."""
    place = {name: index for index, name in enumerate(names)}
    grid = np.zeros((len(names), card.segments, card.num_classes), dtype=np.bool_)
    for row in rows:
        if row.name in place:
            grid[place[row.name], row.onset : row.offset, row.event] = True
    return grid


def runs_of_grid(
    names: Sequence[str], grid: NDArray[np.bool_], card: DataCard = LLP
) -> Iterator[tuple[str, str, str, str]]:
    """Yield the maximal runs of a grid (N, T, C), by video, class and onset: name, onset, offset (seconds), class."""
    by_class = grid.transpose(0, 2, 1).astype(np.int8)  # (N, C, T)
    change = np.diff(by_class, axis=2, prepend=0, append=0)  # (N, C, T + 1)
    starts, ends = np.argwhere(change == 1), np.argwhere(change == -1)
    for (video, event, onset), (_, _, offset) in zip(starts, ends, strict=True):
        start, end = (f"{int(place) * card.seconds:.10g}" for place in (onset, offset))
        yield names[video], start, end, card.classes[event]


def _write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    lines = ["\t".join(str(field) for field in row) for row in (header, *rows)]
    write_whole(path, "\n".join(lines) + "\n")
