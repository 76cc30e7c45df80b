"""Writes simulated videos as a data folder, of LLP in its real layout, which any program for LLP can read."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from leap_avvp.card import LLP, DataCard
from leap_avvp.card.dataset import CARD_FILE
from leap_avvp.card.features import known_features, named_features
from leap_avvp.data.annotations import SplitAnnotations, find_annotations, write_annotations
from leap_avvp.data.simulate.rows import number_of_rows
from leap_avvp.data.simulate.source import SimulatedLLP
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.files import write_whole
from leap_avvp.llp import PSEUDO_LABEL_FOLDERS, SPLITS

__all__ = ["MARKER", "write_llp_folder"]

MARKER = "SIMULATED.txt"
"""Name of the file that says that a folder is simulated."""

_FULL_FILE = "AVVP_dataset_full.csv"
_NOTE = """ALL FEATURES, LABEL EMBEDDINGS AND PSEUDO LABELS IN THIS FOLDER ARE SIMULATED.
NO SCORE OBTAINED WITH THEM SAYS ANYTHING ABOUT {whose} DATA SET,
AND NONE MAY BE COMPARED WITH A PUBLISHED ONE.

Written by leap-avvp in the layout of {layout}:
  {lines}

"""


def write_llp_folder(
    source: SimulatedLLP,
    out: str | Path,
    *,
    annotations: str | Path | None = None,
    limit: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write all videos of ``source``; every file is whole or absent.

    A full LLP takes about 8 GB (0.7 MB a video). Where classes, segments or features are not LLP's, a ``dataset.yaml``
    says what they are, so that reading the folder needs no option. Annotation files that the card does not name are
    called ``simulated_*.csv``.

    Args:
        source: what to write.
        out: a new or empty folder.
        annotations: folder of the real CSV files from which ``source`` was made; they are then copied, the training
            file cut to the videos written, in place of files made from the source's labels.
        limit: write at most this many training videos; validation and test are always complete.
        overwrite: write into ``out`` even if it holds something. Files of other videos stay.

    Raises:
        ConfigError: a feature set that keeps two kinds of files in one folder.
        DataError: ``out`` holds something, or cannot be written.
    """
    out = Path(out)
    card = source.card if annotations is not None else _complete(source.card)
    _check_folders(card)
    try:
        if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not overwrite)):
            raise DataError(
                f"{out}: expected a new or empty folder; choose another one, or write into it with overwrite=true"
            )
        out.mkdir(parents=True, exist_ok=True)
        counts = dict(source.sizes)
        if limit is not None and "train" in counts:
            counts["train"] = min(counts["train"], limit)
        facts = "".join(f"{key}: {value}\n" for key, value in (source.describe() | {"videos": counts}).items())
        write_whole(out / MARKER, _note(source, card, real=annotations is not None) + facts)
        if card != LLP:
            write_whole(out / CARD_FILE, _card_text(card))
        else:
            (out / CARD_FILE).unlink(missing_ok=True)  # one that was there spoke of other data
        embedding = io.BytesIO()
        np.savez(embedding, embedding=source.label_embedding(), classes=np.array(card.classes))
        write_whole(out / "label_embedding.npz", embedding.getvalue())
        if annotations is None:
            write_annotations(out / "annotations", _labels(source, card, counts), card)
        else:
            folder = find_annotations(annotations, annotations, card)
            _copy_annotations(folder, out / "annotations", source, counts)
        _write_videos(source, out, counts)
    except OSError as error:
        raise DataError(f"{error.filename or out}: cannot be written ({error.strerror or error})") from error


def _complete(card: DataCard) -> DataCard:
    """Return the card with names for the annotation files that it names none for: a simulator knows them all."""
    weak = {split: card.weak.get(split, f"simulated_{split}.csv") for split in SPLITS}
    dense = dict(card.dense) or {key: f"simulated_{key}.csv" for key in LLP.dense}
    return card if (weak, dense) == (card.weak, card.dense) else dataclasses.replace(card, weak=weak, dense=dense)


def _check_folders(card: DataCard) -> None:
    folders = [*card.features.folders.values(), *PSEUDO_LABEL_FOLDERS.values(), "annotations"]
    for name, folder in card.features.folders.items():
        if folders.count(folder) > 1:
            raise ConfigError(
                f"features: {name}: expected a folder of its own, found {folder}, which holds other files too"
            )


def _note(source: SimulatedLLP, card: DataCard, *, real: bool) -> str:
    """Return what SIMULATED.txt says of the files that are written."""
    segments, classes = card.segments, card.num_classes
    streams = [
        f"{one.folder}/ID.npy ({number_of_rows(one, segments)}, {one.width})" for one in card.features.streams.values()
    ]
    lines = [f"{', '.join(streams)}, float32"]
    if source.has_teachers:
        teachers = " and ".join(f"{folder}/ID.npy" for folder in PSEUDO_LABEL_FOLDERS.values())
        lines.append(f"{teachers} ({segments}, {classes}), int64, training videos only")
    lines.append(f"annotations/*.csv, {'real annotations' if real else 'simulated too'}")
    lines.append(f"label_embedding.npz: embedding ({classes}, 300), classes ({classes})")
    layout = "LLP (Tian, Li and Xu, ECCV 2020)"
    if card != LLP:
        lines.append(
            f"{CARD_FILE}: the data card {card.name}, {classes} classes, {segments} segments of {card.seconds:g} s, "
            f"features {card.features.name}"
        )
    if not card.is_llp:
        layout = f"the data card {card.name}"
    return _NOTE.format(whose="THE REAL LLP" if card.is_llp else "A REAL", layout=layout, lines="\n  ".join(lines))


def _card_text(card: DataCard) -> str:
    features = card.features
    known = features.name in known_features() and named_features(features.name) == features
    content = card.to_dict() | {"features": features.name if known else features.to_dict()}
    head = "# The data card of simulated videos, see SIMULATED.txt\n"
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)


def _labels(source: SimulatedLLP, card: DataCard, counts: dict[str, int]) -> dict[str, SplitAnnotations]:
    """Return what the CSV files say: dense labels for validation and test only, as in LLP."""
    splits = {}
    for split, count in counts.items():
        filenames, weak, dense = source.labels(split)
        known = split != "train"
        splits[split] = SplitAnnotations(
            split,
            filenames[:count],
            weak[:count],
            dense.audio if known else None,
            dense.visual if known else None,
            card,
        )
    return splits


def _copy_annotations(folder: Path, out: Path, source: SimulatedLLP, counts: dict[str, int]) -> None:
    """Copy the annotation files of ``folder``; training videos after the first ``counts["train"]`` are left out."""
    card = source.card
    if not card.is_llp:
        for name in {*card.weak.values(), *card.dense.values()}:
            if (folder / name).is_file():
                write_whole(out / name, (folder / name).read_bytes())
        if counts.get("train", 0) < source.sizes.get("train", 0):
            # Without dense files nothing but the training file is written.
            weak_only = dataclasses.replace(card, dense={})
            cut = _labels(source, weak_only, {"train": counts["train"]})
            write_annotations(out, cut, weak_only)
        return
    dropped = {name.encode() for name in source.labels("train")[0][counts["train"] :]}
    for path in sorted(folder.glob("AVVP_*.csv")):
        if not path.is_file():  # a named pipe would wait forever
            continue
        content = path.read_bytes()
        if path.name in (card.weak["train"], _FULL_FILE):
            lines = content.splitlines(keepends=True)  # bytes: what is no text stays as it is
            content = b"".join(line for line in lines if line.split(b"\t", 1)[0].strip(b' "') not in dropped)
        write_whole(out / path.name, content)


def _write_videos(source: SimulatedLLP, out: Path, counts: dict[str, int]) -> None:
    console = Console(stderr=True)
    folders = source.card.features.folders
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("simulated videos", total=sum(counts.values()))
        for split, count in counts.items():
            filenames, _, _ = source.labels(split)
            pseudo = source.teachers(split) if split == "train" and source.has_teachers else None
            for index in range(count):
                name = f"{source.card.video_id(filenames[index])}.npy"
                for stream, rows in source.rows(split, index).items():
                    _save(out / folders[stream] / name, rows)
                if pseudo is not None:
                    for labels, folder in zip(pseudo, PSEUDO_LABEL_FOLDERS.values(), strict=True):
                        _save(out / folder / name, labels[index].astype(np.int64))
                progress.advance(task)


def _save(path: Path, array: NDArray[np.generic]) -> None:
    content = io.BytesIO()
    np.save(content, array)
    write_whole(path, content.getvalue())
