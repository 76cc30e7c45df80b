"""Which pieces of a clip's sound and which of its pictures a row is made of: plain arithmetic. T segments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import DataError

__all__ = ["MAP_PLACES", "MAP_SECONDS", "centre_rows", "equal_pieces", "map_places", "second_pieces"]

MAP_PLACES, MAP_SECONDS = 32, 10.0
"""Places in time of CLAP's map, and the seconds that it is of."""


def centre_rows(n: int, segments: int) -> NDArray[np.int64]:
    """Return (T,) which of n pictures are in the middle of each T-th part: number floor((i + 1/2) n / T)."""
    return (2 * np.arange(segments, dtype=np.int64) + 1) * n // (2 * segments)


def second_pieces(samples: NDArray[Any], segments: int, seconds: float, rate: int) -> list[list[NDArray[Any]]]:
    """Return for each segment its whole seconds of sound: ceil(``seconds``) of them, at equal distances inside it.

    Of a segment under a second one that is as short; behind the end of the sound they are shorter, or empty.

    Args:
        samples: (n,).
        segments, seconds: T, and s of a segment.
        rate: samples a second.
    """
    length = min(round(seconds * rate), rate)
    count = max(1, math.ceil(seconds - 1e-6))
    inner = np.linspace(0, max(0.0, seconds - 1), count)
    starts = [[round((place * seconds + offset) * rate) for offset in inner] for place in range(segments)]
    return [[samples[start : start + length] for start in some] for some in starts]


def equal_pieces(samples: NDArray[Any], segments: int) -> list[NDArray[Any]]:
    """Return T pieces of floor(n / T) samples, piece i from round(i n / T) on, as VALOR cuts.

    Raises:
        DataError: fewer samples than segments.
    """
    if len(samples) < segments:
        raise DataError(f"expected a sample of sound for each of {segments} segments, found {len(samples)}")
    starts = np.round(np.linspace(0, len(samples), segments + 1)).astype(np.int64)[:-1]
    return [samples[start : start + len(samples) // segments] for start in starts]


def map_places(duration: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where maps of 10 s begin that cover a sound, (W,) seconds, and how they are averaged onto one, (32, 32 W).

    Each of a map's 32 places holds 10/32 s, each of the whole's 32 places a 32nd of it: it is the mean of what it
    overlaps, weighted by how far; so one map of 10 s stays what it is.

    Args:
        duration: seconds of the sound.
    """
    starts = np.linspace(0, max(0.0, duration - MAP_SECONDS), max(1, math.ceil(duration / MAP_SECONDS - 1e-6)))
    begin = (starts[:, None] + np.arange(MAP_PLACES) * MAP_SECONDS / MAP_PLACES).ravel()  # (32 W,)
    wanted = np.arange(MAP_PLACES)[:, None] * duration / MAP_PLACES  # (32, 1)
    ends = np.minimum(begin + MAP_SECONDS / MAP_PLACES, wanted + duration / MAP_PLACES)
    shared = np.maximum(0.0, ends - np.maximum(begin, wanted))
    return starts, shared / shared.sum(axis=1, keepdims=True)
