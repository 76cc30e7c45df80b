"""The features of videos that a caller hands over: checked, and brought to segments as those of files are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leap_avvp.card import DataCard, Stream
from leap_avvp.card.reduce import reduce_rows
from leap_avvp.errors import DataError

__all__ = ["Features", "segments_of"]

Features = Mapping[str, Any]
"""By stream: (R, F) of one video or (B, R, F) of several, arrays of numpy or tensors of torch."""
_MOST_ROWS = 2**20


def segments_of(features: Features, card: DataCard) -> tuple[dict[str, NDArray[np.float32]], bool]:
    """Return the features as segments (B, T, F), float32, and whether they came as one video, without B.

    Args:
        features: rows as the files of the card's features have them, or a row a segment already; floating-point numbers
            of any width.
        card: names, shapes and T.

    Raises:
        DataError: naming the stream, what was expected and what was found: another name, shape or type, NaN or Inf.
    """
    streams = card.features.streams
    if not isinstance(features, Mapping):
        raise DataError(
            f"features: expected an array for each of {', '.join(streams)}, found {type(features).__name__}; "
            'pass them by name: {"audio": ..., "video_2d": ...}'
        )
    if set(features) != set(streams):
        found = ", ".join(str(name)[:40] for name in features) or "none"
        raise DataError(
            f"features: expected the streams {', '.join(streams)} of {card.features.describe()}, found {found[:200]}"
        )
    arrays = {name: _array(name, features[name]) for name in streams}
    dims = {name: array.ndim for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.ndim not in (2, 3) or array.ndim != dims["audio"] or array.shape[-1] != streams[name].width:
            expected = _expected(streams[name], card.segments)
            raise DataError(
                f"{name}: expected {expected} of one video, or such arrays of several videos in a row, found shape "
                f"{array.shape}"
            )
    single = dims["audio"] == 2
    batches = {name: array[None] if single else array for name, array in arrays.items()}
    counts = {name: len(array) for name, array in batches.items()}
    if len(set(counts.values())) > 1 or not counts["audio"]:
        numbers = ", ".join(f"{name} {number}" for name, number in counts.items())
        raise DataError(f"features: expected the same number of videos, at least one, in each stream, found {numbers}")
    return {name: _reduced(streams[name], array, card.segments) for name, array in batches.items()}, single


def _array(name: str, value: Any) -> NDArray[np.float32]:
    """Return float32 on the CPU."""
    if isinstance(value, Tensor):
        if value.layout != torch.strided or not value.is_floating_point() or value.device.type == "meta":
            raise DataError(
                f"{name}: expected a dense tensor of floating-point numbers, found {value.dtype}, {value.layout}"
            )
        value = value.detach().to("cpu", torch.float32).numpy()
    try:
        given = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = (str(error).splitlines() or ["?"])[0][:120]
        raise DataError(f"{name}: expected an array, found {type(value).__name__} ({reason})") from error
    if given.dtype.kind != "f":
        what = type(value).__name__ if given.dtype.hasobject else given.dtype
        raise DataError(f"{name}: expected floating-point numbers, found {what}")
    with np.errstate(over="ignore"):  # what is too large becomes Inf, which is refused
        array = np.ascontiguousarray(given, dtype=np.float32) if given.ndim else given.astype(np.float32)
    wrong = array.size - np.count_nonzero(np.isfinite(array))
    if wrong:
        raise DataError(f"{name}: expected finite numbers, found {wrong:,} NaN or Inf among {array.size:,}")
    return array


def _expected(stream: Stream, segments: int) -> str:
    shapes = stream.shapes(segments)
    return " or ".join(map(str, shapes)) if shapes else f"(any, {stream.width})"


def _reduced(stream: Stream, values: NDArray[np.float32], segments: int) -> NDArray[np.float32]:
    """Return (B, T, F) of (B, R, F)."""
    rows, shapes = values.shape[1], stream.shapes(segments)
    if (rows, stream.width) not in shapes and (shapes or not 0 < rows <= _MOST_ROWS):
        raise DataError(f"{stream.name}: expected {_expected(stream, segments)}, found shape {values.shape[1:]}")
    if stream.reduce == "segment" or (rows == segments and (not shapes or shapes[0][0] != segments)):
        return values
    return np.stack([reduce_rows(video, stream.reduce, segments) for video in values])
