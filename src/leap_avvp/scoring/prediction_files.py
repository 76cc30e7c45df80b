"""Predictions in an ``.npz``: written by runs, and read from anybody, whose file may be anything."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import DataCard
from leap_avvp.errors import DataError
from leap_avvp.files import write_whole
from leap_avvp.files.npz import NpyHeader, open_npz
from leap_avvp.metrics import Protocol
from leap_avvp.metrics.protocol import filtering

__all__ = ["boolean", "names_of", "read_arrays", "read_predictions", "read_probabilities", "write_predictions"]

_VIDEO_ARRAYS = ("video", "video_audio", "video_visual")
_VIDEO_PROBABILITIES = ("video_prob", "audio_prob", "visual_prob")
# No array of more bytes is needed: of LLP's largest split, in eight-byte integers, one is 20 MB. A file of whose videos
# nothing is known may be as large as that of many videos of many segments and classes.
_LARGEST, _LARGEST_UNKNOWN = 2**26, 2**32
_WIDEST = 8  # bytes of a number


def write_predictions(
    path: str | Path,
    *,
    video_ids: Sequence[str],
    audio: NDArray[np.bool_],
    visual: NDArray[np.bool_],
    video: NDArray[np.bool_] | None = None,
    video_audio: NDArray[np.bool_] | None = None,
    video_visual: NDArray[np.bool_] | None = None,
    card: DataCard | None = None,
) -> None:
    """Write predictions as :func:`score_predictions` reads them, whole or not at all.

    Args:
        path: the ``.npz``.
        video_ids: length N.
        audio: (N, T, C) segments; all else follows its T and C.
        visual: (N, T, C) segments.
        video: (N, C) the event occurs in the video.
        video_audio: (N, C) it is heard somewhere in the video.
        video_visual: (N, C) it is seen somewhere in the video.
        card: whose T and C they must have.

    Raises:
        ValueError: an array of another shape or type.
        DataError: the file cannot be written.
    """
    arrays = {"audio": audio, "visual": visual}
    for name, array in zip(_VIDEO_ARRAYS, (video, video_audio, video_visual), strict=True):
        if array is not None:
            arrays[name] = array
    if audio.ndim != 3:
        raise ValueError(f"audio: expected boolean (videos, segments, classes), found {audio.dtype} {audio.shape}")
    segments, classes = audio.shape[1:] if card is None else (card.segments, card.num_classes)
    for name, array in arrays.items():
        shape = (len(video_ids), *_item_shape(name, segments, classes))
        if array.shape != shape or array.dtype != np.bool_:
            raise ValueError(f"{name}: expected boolean {shape}, found {array.dtype} {array.shape}")
    buffer = io.BytesIO()
    # mypy takes any keyword for `allow_pickle`, which numpy 1.26 would store as an array.
    np.savez_compressed(buffer, video_id=np.array(list(video_ids), dtype=np.str_), **arrays)  # type: ignore[arg-type]
    write_whole(Path(path), buffer.getvalue())


def read_predictions(
    path: str | Path, card: DataCard | None = None
) -> tuple[list[str], NDArray[np.bool_], NDArray[np.bool_]]:
    """Read a file that :func:`write_predictions` wrote: video ids (N,), audio and visual segments (N, T, C).

    Args:
        path: the ``.npz``.
        card: whose T and C it must hold; None takes any.

    Raises:
        DataError: naming the file, what was expected and what was found.
    """
    path = Path(path)
    arrays = read_arrays(path, "none", card)
    audio, visual = (boolean(path, name, arrays[name]) for name in ("audio", "visual"))
    return names_of(arrays["video_id"]), audio, visual


def _item_shape(name: str, segments: int, classes: int) -> tuple[int, ...]:
    """Return the shape of one video's part of an array."""
    return (classes,) if name in (*_VIDEO_ARRAYS, *_VIDEO_PROBABILITIES) else (segments, classes)


def names_of(array: NDArray[np.generic]) -> list[str]:
    """Return the strings of an array, (N,) of text or bytes."""
    return [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in array.tolist()]


def read_arrays(
    path: Path, filter: str, card: DataCard | None = None, videos: int | None = None
) -> dict[str, NDArray[np.generic]]:
    """Return the arrays that a filter needs, their shapes and kinds checked before they are unpacked.

    Args:
        path: the ``.npz``.
        filter: one of :data:`~leap_avvp.metrics.protocol.FILTERS`.
        card: whose T and C they must have; None takes any.
        videos: how many there are; a file that holds far more is not unpacked.

    Raises:
        DataError: naming the file, what was expected and what was found.
    """
    return _read(path, lambda names: _wanted(path, names, filter), card, videos)


def read_probabilities(
    path: Path, protocol: Protocol, card: DataCard | None = None, videos: int | None = None
) -> dict[str, NDArray[np.generic]]:
    """Return the probabilities that a protocol needs, and ``video_id``; checked as :func:`read_arrays` does.

    ``segment_audio_prob`` and ``segment_visual_prob`` (N, T, C), and of ``video_prob``, ``audio_prob`` and
    ``visual_prob`` (N, C) those that its filter reads; float32 of what is narrower.

    Raises:
        DataError: naming the file, what was expected and what was found.
    """
    video = [filtering(protocol.filter, modality) for modality in ("audio", "visual")]
    wanted = ("video_id", "segment_audio_prob", "segment_visual_prob", *dict.fromkeys(name for name in video if name))

    def choose(names: set[str]) -> tuple[str, ...]:
        missing = [name for name in wanted if name not in names]
        if missing:
            found = ", ".join(map(_plain, sorted(names)))[:200] or "none"
            raise DataError(
                f"{path}: expected the arrays {', '.join(wanted)} for the protocol {protocol.filter}, found {found}: "
                f"no {missing[0]}"
            )
        return wanted

    arrays = _read(path, choose, card, videos)
    for name in wanted[1:]:
        array = arrays[name]
        if array.dtype.kind != "f":
            raise DataError(f"{path}: {name}: expected probabilities, found {array.dtype}")
        numbers: NDArray[np.floating] = array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32)
        if not ((numbers >= 0) & (numbers <= 1)).all():
            raise DataError(f"{path}: {name}: expected probabilities from 0 to 1, found others (NaN, or logits)")
        arrays[name] = numbers
    return arrays


def _read(
    path: Path, choose: Callable[[set[str]], tuple[str, ...]], card: DataCard | None, videos: int | None
) -> dict[str, NDArray[np.generic]]:
    """Return the arrays that are chosen among those of the file."""
    largest = _LARGEST_UNKNOWN
    if card is not None and videos is not None:
        largest = max(_LARGEST, 2 * videos * card.segments * card.num_classes * _WIDEST)  # 2: some may be there twice
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected an .npz with video_id, audio and visual")
    with open_npz(path) as archive:
        wanted = choose(archive.names)
        _check_headers(path, {name: archive.header(name) for name in wanted}, card, largest)
        arrays = {name: archive.read(name) for name in wanted}
        arrays["video_id"].tolist()  # raises where a character is none
    return arrays


def _plain(name: str) -> str:
    return name if name.isidentifier() else repr(name)  # a member's name may hold line ends


def _wanted(path: Path, names: set[str], filter: str) -> tuple[str, ...]:
    extra: tuple[str, ...] = ()
    if filter == "per_modality" or (filter in ("union", "mixed") and "video" not in names):
        extra = ("video_audio", "video_visual")
    elif filter in ("union", "mixed"):
        extra = ("video",) if filter == "union" else ("video", "video_visual")
    wanted = ("video_id", "audio", "visual", *extra)
    missing = [name for name in wanted if name not in names]
    if missing:
        instead = " (or video)" if filter in ("union", "mixed") and "video_audio" in missing else ""
        needed = f" for filter={filter}" if set(missing) <= set(extra) else ""
        if "audio" in missing and "segment_audio_prob" in names:
            needed = " (probabilities are there: --protocol NAME makes predictions of them)"
        raise DataError(
            f"{path}: expected the arrays {', '.join(wanted)}{instead}{needed}, found "
            f"{', '.join(map(_plain, sorted(names)))[:200] or 'none'}: no {missing[0]}"
        )
    return wanted


def _check_headers(path: Path, headers: Mapping[str, NpyHeader], card: DataCard | None, largest: int) -> None:
    """Check shapes and kinds before anything is unpacked: a small file may unpack to terabytes.

    Raises:
        DataError: naming the array, what was expected and what was found.
    """
    for name, header in headers.items():
        if header.dtype.hasobject:
            raise DataError(f"{path}: {name}: expected plain numbers or strings, found objects, which are not loaded")
        if header.data_bytes > largest:
            raise DataError(f"{path}: {name}: expected one row a video, found {header.dtype} {header.shape}")
    ids, first = headers["video_id"], next(name for name in headers if name != "video_id")
    audio = headers[first]
    if len(ids.shape) != 1 or ids.dtype.kind not in "US":
        raise DataError(f"{path}: video_id: expected strings (N,), found {ids.dtype} {ids.shape}")
    if card is None and len(audio.shape) != 3:
        raise DataError(f"{path}: {first}: expected (videos, segments, classes), found {audio.shape}")
    segments, classes = audio.shape[1:] if card is None else (card.segments, card.num_classes)
    for name, header in headers.items():
        expected = (*ids.shape, *(() if name == "video_id" else _item_shape(name, segments, classes)))
        if header.shape != expected:
            hint = ""
            if card is not None and header.shape[1:] != expected[1:]:
                hint = f"; the data card {card.name} has {segments} segments and {classes} classes: data.card=FILE"
                hint += " names another"
            raise DataError(f"{path}: {name}: expected shape {expected}, found {header.shape}{hint}")


def boolean(path: Path, name: str, array: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return an array of the file as booleans, from these or from 0 and 1.

    Raises:
        DataError: it holds something else.
    """
    if array.dtype.kind == "f":
        raise DataError(
            f"{path}: {name}: expected booleans, found {array.dtype}: apply your thresholds first, or name the "
            "probabilities as `leap-avvp predict` does and choose a --protocol"
        )
    if array.dtype.kind not in "biu":
        raise DataError(f"{path}: {name}: expected booleans, found {array.dtype}")
    said = array.astype(np.bool_)
    if not np.array_equal(said, array):
        raise DataError(f"{path}: {name}: expected booleans or 0 and 1, found other {array.dtype} values")
    return said
