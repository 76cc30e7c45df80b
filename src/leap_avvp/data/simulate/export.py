"""Writes simulated videos as a folder in LLP's real layout, which any program for LLP can read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from leap_avvp.data.annotations import SplitAnnotations, find_annotations, write_annotations
from leap_avvp.data.simulate.features import draw_frames
from leap_avvp.data.simulate.source import SimulatedLLP
from leap_avvp.errors import DataError
from leap_avvp.files import write_whole
from leap_avvp.llp import CLASSES, FEATURE_FOLDERS, PSEUDO_LABEL_FOLDERS, SPLITS, WEAK_FILES, video_id

__all__ = ["MARKER", "write_llp_folder"]

MARKER = "SIMULATED.txt"
"""Name of the file that says that a folder is simulated."""

_FULL_FILE = "AVVP_dataset_full.csv"
_NOTE = """ALL FEATURES, LABEL EMBEDDINGS AND PSEUDO LABELS IN THIS FOLDER ARE SIMULATED.
NO SCORE OBTAINED WITH THEM SAYS ANYTHING ABOUT THE REAL LLP DATA SET,
AND NONE MAY BE COMPARED WITH A PUBLISHED ONE.

Written by leap-avvp in the layout of LLP (Tian, Li and Xu, ECCV 2020):
  feats/vggish/ID.npy (10, 128), feats/res152/ID.npy (80, 2048), feats/r2plus1d_18/ID.npy (10, 512), float32
  CLAP/segment_pseudo_labels/ID.npy and CLIP/segment_pseudo_labels/ID.npy (10, 25), int64, training videos only
  annotations/*.csv, {annotations}
  label_embedding.npz: embedding (25, 300), classes (25)

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

    A full LLP takes about 8 GB (0.7 MB a video).

    Args:
        source: what to write.
        out: a new or empty folder.
        annotations: folder of the real CSV files from which ``source`` was made; they are then copied, the training
            file cut to the videos written, in place of files made from the source's labels.
        limit: write at most this many training videos; validation and test are always complete.
        overwrite: write into ``out`` even if it holds something. Files of other videos stay.

    Raises:
        DataError: ``out`` holds something, or cannot be written.
    """
    out = Path(out)
    try:
        if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not overwrite)):
            raise DataError(
                f"{out}: expected a new or empty folder; choose another one, or write into it with overwrite=true"
            )
        out.mkdir(parents=True, exist_ok=True)
        counts = {split: source.sizes[split] for split in SPLITS}
        if limit is not None:
            counts["train"] = min(counts["train"], limit)
        origin = "simulated too" if annotations is None else "real annotations"
        facts = "".join(f"{key}: {value}\n" for key, value in (source.describe() | {"videos": counts}).items())
        write_whole(out / MARKER, _NOTE.format(annotations=origin) + facts)
        embedding = io.BytesIO()
        np.savez(embedding, embedding=source.label_embedding(), classes=np.array(CLASSES))
        write_whole(out / "label_embedding.npz", embedding.getvalue())
        if annotations is None:
            write_annotations(out / "annotations", _labels(source, counts))
        else:
            _copy_annotations(find_annotations(annotations, annotations), out / "annotations", source, counts["train"])
        _write_videos(source, out, counts)
    except OSError as error:
        raise DataError(f"{error.filename or out}: cannot be written ({error.strerror or error})") from error


def _labels(source: SimulatedLLP, counts: dict[str, int]) -> dict[str, SplitAnnotations]:
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
        )
    return splits


def _copy_annotations(folder: Path, out: Path, source: SimulatedLLP, limit: int) -> None:
    """Copy the CSV files of ``folder``; rows of training videos after the first ``limit`` are left out."""
    dropped = {name.encode() for name in source.labels("train")[0][limit:]}
    for path in sorted(folder.glob("AVVP_*.csv")):
        if not path.is_file():  # a named pipe would wait forever
            continue
        content = path.read_bytes()
        if path.name in (WEAK_FILES["train"], _FULL_FILE):
            lines = content.splitlines(keepends=True)  # bytes: what is no text stays as it is
            content = b"".join(line for line in lines if line.split(b"\t", 1)[0].strip(b' "') not in dropped)
        write_whole(out / path.name, content)


def _write_videos(source: SimulatedLLP, out: Path, counts: dict[str, int]) -> None:
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("simulated videos", total=sum(counts.values()))
        for split, count in counts.items():
            filenames, _, _ = source.labels(split)
            pseudo = source.teachers(split) if split == "train" and source.has_teachers else None
            for index in range(count):
                name = f"{video_id(filenames[index])}.npy"
                features = source.features(split, index)
                arrays = features._asdict()
                arrays["video_2d"] = draw_frames(filenames[index], features.video_2d, seed=source.seed)
                for key, folder in FEATURE_FOLDERS.items():
                    _save(out / folder / name, arrays[key])
                if pseudo is not None:
                    for labels, folder in zip(pseudo, PSEUDO_LABEL_FOLDERS.values(), strict=True):
                        _save(out / folder / name, labels[index].astype(np.int64))
                progress.advance(task)


def _save(path: Path, array: NDArray[np.generic]) -> None:
    content = io.BytesIO()
    np.save(content, array)
    write_whole(path, content.getvalue())
