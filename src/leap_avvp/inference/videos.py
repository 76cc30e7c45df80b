"""The videos of a data folder or a packed set, in batches: a split, or whatever has feature files, labels or not."""

from __future__ import annotations

import dataclasses
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import DataCard, named_features
from leap_avvp.config.cards import found_card, same_card
from leap_avvp.data.annotations import SplitAnnotations, find_annotations
from leap_avvp.data.annotations.rows import is_filename, read_weak_rows
from leap_avvp.data.folder.feature_files import BadFileError
from leap_avvp.data.folder.video_files import VideoFiles, read_many
from leap_avvp.data.packed import PackedLLP, find_packed, open_folder
from leap_avvp.data.packed.format import HEADER
from leap_avvp.data.simulate.export import MARKER
from leap_avvp.errors import ConfigError, DataError, check_choice
from leap_avvp.llp import SPLITS

__all__ = ["VideoBatch", "Videos", "data_card", "open_videos", "read_video"]

VideoBatch = tuple[list[str], dict[str, NDArray[np.float32]]]
"""Names (B,), and features (B, T, F) by stream."""
_SHOWN = 5
_LLP_ID = re.compile(r"[A-Za-z0-9_-]{11}")


class Videos(ABC):
    """Videos to parse.

    Args:
        card: of the data.
        split: None for videos without annotations.
        names: as the annotation file has them; else what the feature files are called.
        data_source: ``simulated``, or the name of the card.
        facts: what they are, plain: which folder, which card.
        left_out: names of videos that were left out because files of theirs are missing.
    """

    def __init__(
        self,
        card: DataCard,
        split: str | None,
        names: Sequence[str],
        data_source: str,
        facts: Mapping[str, Any],
        left_out: Sequence[str] = (),
    ) -> None:
        self.card, self.split, self.names, self.data_source = card, split, list(names), data_source
        self.facts, self.left_out = dict(facts), list(left_out)

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def batches(self, size: int) -> Iterator[VideoBatch]:
        """Yield the videos in order; no more than one batch of features is held.

        Raises:
            DataError: missing or damaged files.
        """


class _FileVideos(Videos):
    """Reads feature files."""

    def __init__(self, files: VideoFiles, allow_missing: bool, split: str | None, **facts: Any) -> None:
        absent = _absent(files)
        names = files.annotations.filenames
        if absent and (not allow_missing or len(absent) == len(names)):
            raise _missing(files, absent, allow_missing)
        kept = [row for row in range(len(names)) if row not in absent]
        left_out = [names[row] for row in absent]
        super().__init__(files.card, split, [names[row] for row in kept], left_out=left_out, **facts)
        self._files, self._rows, self._allow_missing = files, kept, allow_missing

    def batches(self, size: int) -> Iterator[VideoBatch]:
        for start in range(0, len(self._rows), size):
            rows = self._rows[start : start + size]
            names: list[str] = []
            arrays: list[dict[str, NDArray[np.float32]]] = []
            bad: list[BadFileError] = []
            for row, video in zip(rows, read_many(self._files.read, rows), strict=True):
                if not video.problems:
                    names.append(self._files.annotations.filenames[row])
                    arrays.append(video.arrays)
                elif self._allow_missing and all(problem.missing for problem in video.problems):
                    self.left_out.append(self._files.annotations.filenames[row])
                else:
                    bad += video.problems
            if bad:
                raise _bad(self._files.root, bad)
            if names:
                yield names, {stream: np.stack([each[stream] for each in arrays]) for stream in self._files.streams}


class _PackedVideos(Videos):
    """Reads a memory-mapped set."""

    def __init__(self, source: PackedLLP, split: str) -> None:
        data = source.load(split)
        facts = {key: value for key, value in source.describe().items() if key in ("packed", "features", "card")}
        missing = source.header.missing[split]
        facts |= {"videos_missing": missing} if missing else {}  # their names are not in the set
        super().__init__(source.card, split, data.filenames, source.name, facts)
        self._arrays = {name: getattr(data, name) for name in source.card.features.streams}

    def batches(self, size: int) -> Iterator[VideoBatch]:
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            features = {name: np.asarray(array[rows], dtype=np.float32) for name, array in self._arrays.items()}
            yield self.names[rows], features


def data_card(
    root: Path, trained: DataCard, card: str | Path | None = None, features: str | Path | None = None
) -> DataCard:
    """Return the card of a data folder: the one that is named, its own, or that of the model.

    Raises:
        ConfigError: an unknown feature set.
        DataError: a card that is damaged, or not there.
    """
    found = found_card({"root": str(root), "card": card}) or trained
    return found if features is None else found.with_features(named_features(features))


def open_videos(
    root: str | Path,
    trained: DataCard,
    checkpoint: str | Path = "model",
    *,
    split: str | None = None,
    unlabelled: bool = False,
    annotations: str | Path | None = None,
    card: str | Path | None = None,
    features: str | Path | None = None,
    packed: str | Path = "auto",
    allow_missing: bool = False,
    link_store: str | Path | None = None,
) -> Videos:
    """Return the videos of a data folder that a model is to parse.

    Args:
        root: the data folder, or a packed set.
        trained: the card of the model.
        checkpoint: names the model in messages.
        split: ``train``, ``val`` or ``test``, in the order of the annotation file; None takes ``test`` where there are
            annotation files or a packed set, else what ``unlabelled`` takes.
        unlabelled: take all videos that have a file in the folder of each stream, by name.
        annotations: folder of the CSV files, where it is elsewhere.
        card: file of the data card; without one, and without one in the folder, the folder is read by the model's.
        features: name of a feature set, or its file, in place of the card's.
        packed: see :func:`~leap_avvp.data.packed.find_packed`.
        allow_missing: leave videos out whose files are missing.
        link_store: a trusted folder that links of single files may lead into.

    Raises:
        ConfigError: a model of another card, or options that exclude one another.
        DataError: no such folder, no videos, or missing files that are not allowed.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; expected the one that holds the folders of features")
    store = None if link_store is None else Path(link_store)
    if store is not None and not store.is_dir():
        raise DataError(f"data.link_store: expected the folder that links lead into, found no folder {store}")
    if unlabelled and (split is not None or annotations is not None):
        other = "split" if split is not None else "annotations"
        raise ConfigError(f"unlabelled: expected no {other} beside it, which names labelled videos; leave one out")
    own = data_card(root, trained, card, features)
    same_card(Path(checkpoint), trained, own)
    found = None if unlabelled else find_packed(root, packed, own.features)
    if split is None and not unlabelled and (found or annotations is not None or _has_annotations(root, own)):
        split = "test"
    if split is None:
        return _unlabelled(root, own, allow_missing, store)
    check_choice("split", split, SPLITS)
    if found is not None:
        source = open_folder(root, annotations, "none", allow_missing, packed, link_store, own)
        assert isinstance(source, PackedLLP)
        return _PackedVideos(source, split)
    return _split(root, own, split, annotations, allow_missing, store)


def read_video(root: str | Path, card: DataCard, video_id: str) -> dict[str, NDArray[np.float32]]:
    """Return the features (T, F) of one video of a data folder, by stream.

    Args:
        root: the data folder.
        card: names the folders of features, and T.
        video_id: what names the files; of LLP's ids also ``<id>_<start>_<end>``.

    Raises:
        DataError: a name that is none, or a file that is missing or damaged.
    """
    llp_id = card.ids == "llp" and _LLP_ID.fullmatch(video_id) is not None
    if not llp_id and not _is_safe(video_id, card):
        raise DataError(f"{root}: expected the name of a video, found {video_id[:80]!r}")
    files = VideoFiles(Path(root), _bare([video_id], card), False)
    video = files.read(0)
    if video.problems:
        raise _bad(files.root, video.problems)
    return video.arrays


def _has_annotations(root: Path, card: DataCard) -> bool:
    try:
        find_annotations(root, None, card)
    except DataError:
        return False
    return True


def _bare(names: Sequence[str], card: DataCard, split: str = "test") -> SplitAnnotations:
    """Return the annotations of videos of which nothing is known."""
    return SplitAnnotations(split, list(names), np.zeros((len(names), card.num_classes), np.bool_), None, None, card)


def _split(
    root: Path, card: DataCard, split: str, annotations: str | Path | None, allow_missing: bool, store: Path | None
) -> Videos:
    folder = find_annotations(root, annotations, card)
    if split not in card.weak:
        known = ", ".join(card.weak) or "none"
        raise DataError(
            f"{card.name}: expected a file of {split} videos on the data card (weak.{split}), found {known}"
        )
    names = [row.name for row in read_weak_rows(folder / card.weak[split], store, card)]
    files = VideoFiles(root, _bare(names, card, split), False, store)
    return _FileVideos(files, allow_missing, split, **_facts(root, card))


def _unlabelled(root: Path, card: DataCard, allow_missing: bool, store: Path | None) -> Videos:
    if (root / HEADER).is_file():
        raise DataError(f"{root}: expected folders of features, found a packed set; name a split of it")
    card = dataclasses.replace(card, ids="filename")  # a file's whole name is all that there is
    folders = VideoFiles(root, _bare([], card), False, store).folders
    there = [{name for name in _entries(folder) if not name.startswith(".")} for folder in folders.values()]
    names = sorted(set[str]().union(*there))
    if not names:
        where = ", ".join(str(folder) for folder in folders.values())
        raise DataError(f"{root}: expected a .npy file for each video, found none in {where}")
    odd = [name for name in names if not _is_safe(name, card)]
    if odd:
        raise DataError(f'{root}: expected files named without / \\ : * ? " < > |, found {odd[0][:80]!r}; rename it')
    files = VideoFiles(root, _bare(names, card), False, store)
    return _FileVideos(files, allow_missing, None, **_facts(root, card))


def _facts(root: Path, card: DataCard) -> dict[str, Any]:
    source = "simulated" if (root / MARKER).exists() else card.name
    return {"data_source": source, "facts": {"root": str(root.resolve()), **card.describe()}}


def _is_safe(name: str, card: DataCard) -> bool:
    try:
        return is_filename(name, card)
    except UnicodeEncodeError:  # bytes of the system that are no text
        return False


def _entries(folder: Path) -> set[str]:
    """Return the names of the ``.npy`` files of a folder, without the ending."""
    try:
        return {entry.name.removesuffix(".npy") for entry in os.scandir(folder) if entry.name.endswith(".npy")}
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from error


def _absent(files: VideoFiles) -> dict[int, list[str]]:
    """Return the rows of videos without a file in a stream's folder, with these streams."""
    absent: dict[int, list[str]] = {}
    for stream, folder in files.folders.items():
        there = _entries(folder)
        for row, name in enumerate(files.video_ids):
            if name not in there:
                absent.setdefault(row, []).append(stream)
    return absent


def _missing(files: VideoFiles, absent: Mapping[int, list[str]], allow_missing: bool) -> DataError:
    ids = files.video_ids
    shown = "; ".join(f"{ids[row]} (no {', '.join(absent[row])})" for row in list(absent)[:_SHOWN])
    more = f" (first {_SHOWN})" if len(absent) > _SHOWN else ""
    hint = "" if allow_missing else "; data.allow_missing=true goes on without those videos"
    return DataError(
        f"{files.root}: expected a file of each video in {', '.join(map(str, files.folders.values()))}, found "
        f"{len(absent):,} of {len(ids):,} videos without{more}: {shown}{hint}"
    )


def _bad(root: Path, problems: Sequence[BadFileError]) -> DataError:
    more = f" (first {_SHOWN} of {len(problems)} in a batch)" if len(problems) > _SHOWN else ""
    hint = "; data.allow_missing=true goes on without those videos" if all(one.missing for one in problems) else ""
    return DataError(f"{root}: missing or damaged files{more}: {'; '.join(map(str, problems[:_SHOWN]))}{hint}")
