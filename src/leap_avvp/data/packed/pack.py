"""``leap-avvp data pack``: a checked folder in LLP's layout becomes one packed set."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console

from leap_avvp.card import LLP, DataCard
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.folder.feature_files import BadFileError
from leap_avvp.data.folder.video_files import VideoFiles, read_many
from leap_avvp.data.packed.format import file_digest, set_folder, source_status
from leap_avvp.data.packed.source import PackedLLP
from leap_avvp.data.packed.writer import PROGRESS, PackedSplit, PackWriter
from leap_avvp.errors import DataError, check_choice
from leap_avvp.files import folder_lock
from leap_avvp.files.locks import LOCK_FILES

__all__ = ["DTYPES", "pack_folder"]

DTYPES = ("float32", "float16")


def pack_folder(
    root: str | Path,
    annotations: str | Path | None = None,
    *,
    dtype: str = "float32",
    out: str | Path | None = None,
    allow_missing: bool = False,
    link_store: str | Path | None = None,
    card: DataCard = LLP,
    console: Console | None = None,
) -> Path:
    """Pack a folder in LLP's layout; return the folder of the packed set.

    A set that is there and fresh is left alone; an interrupted packing goes on with the blocks that are missing.

    Args:
        root: see :class:`~leap_avvp.data.folder.LLPFolder`. Pseudo labels are packed when their folders are there.
        annotations: folder of the CSV files, where it is elsewhere.
        dtype: of the features: ``float32`` keeps them exactly, ``float16`` rounds them and states by how much.
        out: folder of the set, ``root/packed-<dtype>`` by default.
        allow_missing: leave videos out whose files are missing, or of a clip that was cut short.
        link_store: a trusted folder that links of single files may lead into.
        card: classes, segments and features.
        console: for progress; stderr by default.

    Raises:
        DataError: bad source files, another process that packs, no space.
    """
    check_choice("--dtype", dtype, DTYPES)
    console = console or Console(stderr=True, highlight=False, soft_wrap=True)
    source = LLPFolder(root, annotations, allow_missing=allow_missing, link_store=link_store, card=card)
    pseudo_labels = source.has_pseudo_labels()
    target = set_folder(Path(root), dtype, card.features) if out is None else Path(out)
    part = target.with_name(f".{target.name}.part")
    with folder_lock(part):
        splits = [
            _survey(VideoFiles(source.root, source.split(split), pseudo_labels, source.link_store))
            for split in card.weak
        ]
        digests = {
            name: file_digest(source.annotation_folder / name)
            for name in (*card.weak.values(), *card.dense.values())
            if (source.annotation_folder / name).is_file()
        }
        if _is_current(target, splits, digests, dtype, card):
            console.print(f"{target}: already packed, fresh and sound")
        else:
            _check_space(part, splits, dtype, card)
            writer = PackWriter(part, dtype, source, splits, digests, console)
            if writer.resumed:
                console.print(f"{part}: going on after {writer.resumed} blocks")
            writer.run()
            _replace(part, target)
        shutil.rmtree(part, ignore_errors=True)
    return target


def _survey(files: VideoFiles) -> PackedSplit:
    """Take size and time of every file, and leave videos out that lack one, or one of whose files is cut short."""
    sources = np.zeros((len(files), len(files.folders), 2), dtype=np.int64)
    complete = np.ones(len(files), dtype=np.bool_)
    for column, (name, folder) in enumerate(files.folders.items()):
        status = source_status(folder)
        by_size: dict[int, list[int]] = {}
        for row in range(len(files)):
            found = status.get(files.path(name, row).name)
            if found is None:
                complete[row] = False
            else:
                sources[row, column] = found
                by_size.setdefault(found[0], []).append(row)
        for rows in by_size.values():
            complete[_short(files, name, rows)] = False
    return PackedSplit(files, np.flatnonzero(complete), sources[complete])


def _short(files: VideoFiles, name: str, rows: list[int]) -> list[int]:
    """Return those of ``rows``, whose files have one size, that count as missing though a file is there."""

    def missing(row: int) -> bool:
        try:
            files.array(name, row)
        except BadFileError as problem:
            return problem.missing
        return False

    # Thousands of sound files share a size: where the first one is whole, the others are read once, when packed.
    if not missing(rows[0]):
        return []
    return [row for row, short in zip(rows, read_many(missing, rows), strict=True) if short]


def _is_current(
    target: Path, splits: list[PackedSplit], digests: Mapping[str, str], dtype: str, card: DataCard
) -> bool:
    """Say whether a sound set of just these sources is there."""
    try:
        there = PackedLLP(target)
        stored = {split.name: there.verify(split.name)["sources"] for split in splits}
    except (DataError, KeyError):
        return False
    header = there.header
    return (
        header.dtype == dtype
        and header.data_card() == card
        and header.annotations == digests
        and all(
            np.array_equal(stored[split.name], split.sources)
            and header.source_names[split.name] == list(split.files.folders)
            for split in splits
        )
    )


def _check_space(part: Path, splits: list[PackedSplit], dtype: str, card: DataCard) -> None:
    features = sum(card.features.widths.values()) * card.segments * np.dtype(dtype).itemsize
    labels = 4 * card.segments * card.num_classes + 1_000
    needed = sum(len(split.rows) for split in splits) * (features + labels)
    there = sum(file.stat().st_blocks * 512 for file in part.iterdir())
    free = shutil.disk_usage(part).free
    if needed - there > free:
        raise DataError(
            f"{part.parent}: a packed set of {needed / 1e9:.2f} GB does not fit: {free / 1e9:.2f} GB are free; make "
            "room, pack elsewhere with --out, or take half with --dtype float16"
        )


def _replace(part: Path, target: Path) -> None:
    """Put the finished set in place of an old one. Whoever reads the old one keeps its files."""
    for name in (*LOCK_FILES, PROGRESS):
        (part / name).unlink(missing_ok=True)
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    try:
        if target.exists():
            target.rename(old)
        part.rename(target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror})") from error
    shutil.rmtree(old, ignore_errors=True)
