"""Anybody's predictions, in a file, to the ten numbers; and the file that our own runs write."""

from __future__ import annotations

import dataclasses
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from leap_avvp.data.annotations import SplitAnnotations, find_annotations, read_annotations
from leap_avvp.data.simulate.export import MARKER
from leap_avvp.errors import DataError, check_choice
from leap_avvp.files import write_whole
from leap_avvp.files.npz import NpyHeader, open_npz
from leap_avvp.llp import NUM_CLASSES, NUM_SEGMENTS
from leap_avvp.metrics import ParsingMetrics
from leap_avvp.metrics.protocol import FILTERS
from leap_avvp.scoring.report import score_table

__all__ = ["ScoreResult", "read_predictions", "score_predictions", "write_predictions"]

_VIDEO_ARRAYS = ("video", "video_audio", "video_visual")
_SHOWN = 5
# No array of so many bytes is needed: the largest split has 10,000 videos, in eight-byte integers 20 MB a modality.
_LARGEST = 2**26


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
    data_source: str = "llp"
    """``simulated`` where the annotations lie in a folder of simulated videos."""

    def table(self) -> Table:
        """Return the numbers for the terminal."""
        simulated = self.data_source == "simulated"  # its annotation files are no version of LLP's
        warning = " (SIMULATED data, not comparable with LLP)" if simulated else ""
        title = f"{self.split}: {self.videos:,} of {self.expected:,} videos{warning}"
        version = "" if simulated else f"; audio annotations: {self.audio_annotations}"
        return score_table(self.scores, title, f"protocol: {self.protocol}{version}")

    def to_dict(self) -> dict[str, object]:
        """Return plain content."""
        return {"format": "leap-avvp/score/1", **dataclasses.asdict(self)}


def write_predictions(
    path: str | Path,
    *,
    video_ids: Sequence[str],
    audio: NDArray[np.bool_],
    visual: NDArray[np.bool_],
    video: NDArray[np.bool_] | None = None,
    video_audio: NDArray[np.bool_] | None = None,
    video_visual: NDArray[np.bool_] | None = None,
) -> None:
    """Write predictions as :func:`score_predictions` reads them, whole or not at all.

    Args:
        path: the ``.npz``.
        video_ids: length N.
        audio: (N, T, C) segments.
        visual: (N, T, C) segments.
        video: (N, C) the event occurs in the video.
        video_audio: (N, C) it is heard somewhere in the video.
        video_visual: (N, C) it is seen somewhere in the video.

    Raises:
        ValueError: an array of another shape or type.
        DataError: the file cannot be written.
    """
    arrays = {"audio": audio, "visual": visual}
    for name, array in zip(_VIDEO_ARRAYS, (video, video_audio, video_visual), strict=True):
        if array is not None:
            arrays[name] = array
    for name, array in arrays.items():
        shape = (len(video_ids), *_item_shape(name))
        if array.shape != shape or array.dtype != np.bool_:
            raise ValueError(f"{name}: expected boolean {shape}, found {array.dtype} {array.shape}")
    buffer = io.BytesIO()
    # mypy takes any keyword for `allow_pickle`, which numpy 1.26 would store as an array.
    np.savez_compressed(buffer, video_id=np.array(list(video_ids), dtype=np.str_), **arrays)  # type: ignore[arg-type]
    write_whole(Path(path), buffer.getvalue())


def score_predictions(
    predictions: str | Path,
    annotations: str | Path,
    split: str = "test",
    *,
    filter: str = "none",
    allow_missing: bool = False,
    link_store: str | Path | None = None,
) -> ScoreResult:
    """Score a file of predictions on the real annotations.

    Args:
        predictions: an ``.npz`` with ``video_id`` (N,), 11-character ids or whole names ``<id>_<start>_<end>``, in any
            order; ``audio`` and ``visual`` (N, T, C), boolean or 0 and 1; for the filters also ``video``, or
            ``video_audio`` and ``video_visual``, (N, C).
        annotations: folder of LLP's CSV files.
        split: ``val`` or ``test``.
        filter: ``none`` takes the segments as given; ``union`` keeps those of a class only where ``video`` holds it (or
            ``video_audio`` or ``video_visual``, without that array); ``per_modality`` keeps audio segments only where
            ``video_audio`` holds the class, and visual ones where ``video_visual`` does.
        allow_missing: score the videos that are there, instead of stopping when some are not.
        link_store: a trusted folder that the CSV files may be links into.

    Raises:
        ConfigError: another split or filter.
        DataError: naming the file, what was expected and what was found.
    """
    check_choice("--split", split, ("val", "test"))
    check_choice("--filter", filter, FILTERS)
    predictions = Path(predictions)
    folder = find_annotations(annotations, annotations)
    truth, dirt = read_annotations(folder, ("val", "test"), link_store)
    target = truth[split]
    if target.audio is None or target.visual is None:
        raise DataError(f"{folder}: no dense labels for {split}")
    arrays = _read(predictions, filter)
    place = _match(predictions, _names(arrays.pop("video_id")), target, allow_missing)
    there = np.array([name in place for name in target.video_ids])
    order = [place[name] for name in target.video_ids if name in place]
    said = _filtered({name: _boolean(predictions, name, array)[order] for name, array in arrays.items()}, filter)
    metrics = ParsingMetrics()
    grids = (said["audio"], said["visual"], target.audio[there], target.visual[there])
    metrics.update(*(torch.from_numpy(grid) for grid in grids))
    return ScoreResult(
        scores={name: float(value) for name, value in metrics.compute().items()},
        protocol=f"filter={filter}{' (segments as given)' if filter == 'none' else ''}, event IoU>=0.5",
        split=split,
        videos=len(order),
        expected=len(target.filenames),
        audio_annotations=dirt.audio_version,
        data_source="simulated"
        if any((near / MARKER).exists() for near in (folder, folder.resolve().parent))
        else "llp",
    )


def read_predictions(path: str | Path) -> tuple[list[str], NDArray[np.bool_], NDArray[np.bool_]]:
    """Read a file that :func:`write_predictions` wrote: video ids (N,), audio and visual segments (N, T, C).

    Raises:
        DataError: naming the file, what was expected and what was found.
    """
    path = Path(path)
    arrays = _read(path, "none")
    audio, visual = (_boolean(path, name, arrays[name]) for name in ("audio", "visual"))
    return _names(arrays["video_id"]), audio, visual


def _item_shape(name: str) -> tuple[int, ...]:
    """Return the shape of one video's part of an array."""
    return (NUM_CLASSES,) if name in _VIDEO_ARRAYS else (NUM_SEGMENTS, NUM_CLASSES)


def _filtered(said: Mapping[str, NDArray[np.bool_]], filter: str) -> dict[str, NDArray[np.bool_]]:
    """Return ``audio`` and ``visual`` (N, T, C) with the video-level predictions applied."""
    kept = {}
    for modality in ("audio", "visual"):
        kept[modality] = said[modality]
        if filter == "per_modality":
            kept[modality] = said[modality] & said[f"video_{modality}"][:, None, :]
        elif filter == "union":
            union = said["video"] if "video" in said else said["video_audio"] | said["video_visual"]
            kept[modality] = said[modality] & union[:, None, :]
    return kept


def _match(path: Path, given: Sequence[str], target: SplitAnnotations, allow_missing: bool) -> dict[str, int]:
    """Return the row of each video's predictions, by its 11-character id.

    A whole name must be the split's own: other seconds of the same video are not what was annotated.
    """
    ids = target.video_ids
    spellings = dict(zip([*ids, *target.filenames], [*ids, *ids], strict=True))
    unknown = [name for name in given if name not in spellings]
    if unknown:
        raise DataError(f"{path}: expected videos of the {target.split} split, found {_first(unknown)}")
    repeated = [name for name, times in Counter(spellings[name] for name in given).items() if times > 1]
    if repeated:
        raise DataError(f"{path}: expected each video once, found more than once {_first(repeated)}")
    place = {spellings[name]: row for row, name in enumerate(given)}
    missing = [name for name in ids if name not in place]
    if not place or (missing and not allow_missing):
        advice = "; --allow-missing scores the others alone" if place else ""
        raise DataError(
            f"{path}: expected all {len(ids):,} {target.split} videos, found {len(place):,}: missing are "
            f"{_first(missing)}{advice}"
        )
    return place


def _first(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _SHOWN else ""
    return f"{len(names):,}: {', '.join(repr(name[:40]) for name in names[:_SHOWN])}{more}"


def _names(array: NDArray[np.generic]) -> list[str]:
    return [name.decode("ascii", "replace") if isinstance(name, bytes) else str(name) for name in array.tolist()]


def _read(path: Path, filter: str) -> dict[str, NDArray[np.generic]]:
    """Return the arrays that a filter needs, their shapes and kinds checked before they are unpacked."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected an .npz with video_id, audio and visual")
    with open_npz(path) as archive:
        wanted = _wanted(path, archive.names, filter)
        _check_headers(path, {name: archive.header(name) for name in wanted})
        arrays = {name: archive.read(name) for name in wanted}
        arrays["video_id"].tolist()  # raises where a character is none
    return arrays


def _plain(name: str) -> str:
    return name if name.isidentifier() else repr(name)  # a member's name may hold line ends


def _wanted(path: Path, names: set[str], filter: str) -> tuple[str, ...]:
    extra: tuple[str, ...] = ()
    if filter == "per_modality" or (filter == "union" and "video" not in names):
        extra = ("video_audio", "video_visual")
    elif filter == "union":
        extra = ("video",)
    wanted = ("video_id", "audio", "visual", *extra)
    missing = [name for name in wanted if name not in names]
    if missing:
        instead = " (or video)" if filter == "union" and extra[-1] in missing else ""
        needed = f" for filter={filter}" if set(missing) <= set(extra) else ""
        raise DataError(
            f"{path}: expected the arrays {', '.join(wanted)}{instead}{needed}, found "
            f"{', '.join(map(_plain, sorted(names)))[:200] or 'none'}: no {missing[0]}"
        )
    return wanted


def _check_headers(path: Path, headers: Mapping[str, NpyHeader]) -> None:
    """Check shapes and kinds before anything is unpacked: a small file may unpack to terabytes.

    Raises:
        DataError: naming the array, what was expected and what was found.
    """
    for name, header in headers.items():
        if header.dtype.hasobject:
            raise DataError(f"{path}: {name}: expected plain numbers or strings, found objects, which are not loaded")
        if header.data_bytes > _LARGEST:
            raise DataError(f"{path}: {name}: expected one row a video, found {header.dtype} {header.shape}")
    ids = headers["video_id"]
    if len(ids.shape) != 1 or ids.dtype.kind not in "US":
        raise DataError(f"{path}: video_id: expected strings (N,), found {ids.dtype} {ids.shape}")
    for name, header in headers.items():
        expected = (*ids.shape, *(() if name == "video_id" else _item_shape(name)))
        if header.shape != expected:
            raise DataError(f"{path}: {name}: expected shape {expected}, found {header.shape}")


def _boolean(path: Path, name: str, array: NDArray[np.generic]) -> NDArray[np.bool_]:
    if array.dtype.kind == "f":
        raise DataError(f"{path}: {name}: expected booleans, found {array.dtype}: apply your thresholds first")
    if array.dtype.kind not in "biu":
        raise DataError(f"{path}: {name}: expected booleans, found {array.dtype}")
    said = array.astype(np.bool_)
    if not np.array_equal(said, array):
        raise DataError(f"{path}: {name}: expected booleans or 0 and 1, found other {array.dtype} values")
    return said
