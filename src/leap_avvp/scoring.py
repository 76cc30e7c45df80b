"""Anybody's predictions, in a file, to the ten numbers; and the file that our own runs write."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from leap_avvp.data.annotations import SplitAnnotations, find_annotations, read_annotations
from leap_avvp.errors import DataError, check_choice
from leap_avvp.files import write_whole
from leap_avvp.llp import NUM_CLASSES, NUM_SEGMENTS, video_id
from leap_avvp.metrics import ParsingMetrics
from leap_avvp.metrics.protocol import FILTERS
from leap_avvp.report import score_table

__all__ = ["ScoreResult", "score_predictions", "write_predictions"]

_FILTER_ARRAYS = {"none": (), "union": ("video",), "per_modality": ("video_audio", "video_visual")}
_SHOWN = 5
_LARGEST = 2**30
"""No array of this many bytes is needed to describe predictions."""


@dataclasses.dataclass(frozen=True)
class ScoreResult:
    """The ten numbers of a prediction file, with all that they depend on."""

    scores: dict[str, float]
    """In percent, with ``average``; names as :class:`~leap_avvp.metrics.ParsingMetrics` has them."""
    protocol: str
    split: str
    videos: int
    """Scored."""
    expected: int
    """In the split."""
    audio_annotations: str
    """Which version of the audio annotation file."""

    def table(self) -> Table:
        """Return the numbers for the terminal."""
        title = f"{self.split}: {self.videos} of {self.expected} videos"
        return score_table(
            self.scores, title, f"protocol: {self.protocol}; audio annotations: {self.audio_annotations}"
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain content."""
        return {"format": "leap-avvp/score/1", **dataclasses.asdict(self)}


def write_predictions(
    path: Path,
    *,
    video_ids: Sequence[str],
    audio: NDArray[np.bool_],
    visual: NDArray[np.bool_],
    video: NDArray[np.bool_] | None = None,
) -> None:
    """Write predictions as :func:`score_predictions` reads them, whole or not at all.

    Args:
        path: the ``.npz``.
        video_ids: length N.
        audio: (N, 10, 25)
        visual: (N, 10, 25)
        video: (N, 25) video-level predictions.
    """
    arrays: dict[str, NDArray[np.generic]] = {"video_id": np.array(list(video_ids)), "audio": audio, "visual": visual}
    if video is not None:
        arrays["video"] = video
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())


def score_predictions(
    predictions: Path, annotations: Path, split: str = "test", *, filter: str = "none", allow_missing: bool = False
) -> ScoreResult:
    """Score a file of predictions on the real annotations.

    Args:
        predictions: an ``.npz`` with ``video_id`` (N,), 11-character ids or whole file names, in any order; ``audio`` and
            ``visual``, boolean (N, 10, 25); for the filters also ``video``, or ``video_audio`` and ``video_visual``,
            boolean (N, 25).
        annotations: folder of LLP's CSV files.
        split: ``val`` or ``test``.
        filter: ``none`` takes the segments as given; ``union`` keeps those of a class only where ``video`` holds it;
            ``per_modality`` where ``video_audio`` or ``video_visual`` does.
        allow_missing: score the videos that are there, instead of stopping when some are not.

    Raises:
        DataError: naming the file, what was expected and what was found.
    """
    check_choice("--split", split, ("val", "test"))
    check_choice("--filter", filter, FILTERS)
    truth, dirt = read_annotations(find_annotations(annotations, annotations), ("val", "test"))
    target = truth[split]
    arrays = _read(predictions, _FILTER_ARRAYS[filter])
    rows = _match(predictions, [str(name) for name in arrays.pop("video_id")], target, split, allow_missing)
    kept = np.array([index for index, row in enumerate(rows) if row is not None], dtype=np.intp)
    order = np.array([row for row in rows if row is not None], dtype=np.intp)
    said = {name: array[order] for name, array in arrays.items()}
    for modality in ("audio", "visual"):
        mask = said.get("video" if filter == "union" else f"video_{modality}")
        if mask is not None:
            said[modality] = said[modality] & mask[:, None, :]
    assert target.audio is not None
    assert target.visual is not None
    metrics = ParsingMetrics()
    metrics.update(
        *(torch.from_numpy(grid) for grid in (said["audio"], said["visual"], target.audio[kept], target.visual[kept]))
    )
    scores = {name: float(value) for name, value in metrics.compute().items()}
    protocol = f"filter={filter}{' (as given)' if filter == 'none' else ''}, event IoU>=0.5"
    return ScoreResult(scores, protocol, split, len(kept), len(rows), dirt.audio_version)


def _match(
    path: Path, given: Sequence[str], target: SplitAnnotations, split: str, allow_missing: bool
) -> list[int | None]:
    """Return, for each video of the split, the row of its predictions."""
    ids = [video_id(name) for name in given]
    repeated = [name for name, times in Counter(ids).items() if times > 1]
    if repeated:
        raise DataError(f"{path}: {len(repeated)} videos stand there more than once: {_first(repeated)}")
    place = {name: row for row, name in enumerate(ids)}
    unknown = [name for name in given if video_id(name) not in set(target.video_ids)]
    if unknown:
        raise DataError(f"{path}: {len(unknown)} videos are not in the {split} split: {_first(unknown)}")
    missing = [name for name in target.video_ids if name not in place]
    if missing and not allow_missing:
        raise DataError(
            f"{path}: predictions for {len(missing)} of {len(target.video_ids)} {split} videos are missing: "
            f"{_first(missing)}; --allow-missing scores the others alone"
        )
    if not place:
        raise DataError(f"{path}: no predictions")
    return [place.get(name) for name in target.video_ids]


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _read(path: Path, extra: Sequence[str]) -> dict[str, NDArray[np.generic]]:
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected an .npz with video_id, audio and visual")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_headers(path, archive, extra)
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in ("video_id", "audio", "visual", *extra)}
    except DataError:
        raise
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: expected an .npz of plain arrays, cannot read it ({reason})") from error
    return {name: _boolean(path, name, array) if name != "video_id" else array for name, array in arrays.items()}


def _check_headers(path: Path, archive: zipfile.ZipFile, extra: Sequence[str]) -> None:
    """Check names, shapes and types before anything is unpacked: a small file may unpack to terabytes."""
    names = {name.removesuffix(".npy") for name in archive.namelist()}
    shapes: dict[str, tuple[int, ...]] = {}
    for name in ("video_id", "audio", "visual", *extra):
        if name not in names:
            raise DataError(f"{path}: expected an array {name!r}, found {', '.join(sorted(names)) or 'none'}")
        with archive.open(f"{name}.npy") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
        shapes[name] = shape
        if dtype.hasobject:
            raise DataError(f"{path}: {name}: expected plain numbers or strings, found objects, which are not loaded")
        if int(np.prod(shape, dtype=object)) * dtype.itemsize > _LARGEST:
            raise DataError(f"{path}: {name}: expected one row a video, found shape {shape}")
    number = shapes["video_id"][0] if len(shapes["video_id"]) == 1 else -1
    expected: Mapping[str, tuple[int, ...]] = {
        "audio": (number, NUM_SEGMENTS, NUM_CLASSES),
        "visual": (number, NUM_SEGMENTS, NUM_CLASSES),
        **{name: (number, NUM_CLASSES) for name in extra},
    }
    if number < 0:
        raise DataError(f"{path}: video_id: expected shape (N,), found {shapes['video_id']}")
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise DataError(f"{path}: {name}: expected shape {shape}, found {shapes[name]}")


def _boolean(path: Path, name: str, array: NDArray[np.generic]) -> NDArray[np.bool_]:
    if array.dtype == np.bool_:
        return array.astype(np.bool_)
    if array.dtype.kind in "iu" and np.isin(array, (0, 1)).all():
        return array.astype(np.bool_)
    hint = " (probabilities? apply your thresholds first)" if array.dtype.kind == "f" else ""
    raise DataError(f"{path}: {name}: expected booleans, found {array.dtype}{hint}")
