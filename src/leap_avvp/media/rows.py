"""How a backbone's rows are made of what was read of a clip: the work of :mod:`leap_avvp.media.recipes`. T segments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.media.backbones.clap import CLAP, SAMPLES, stretch
from leap_avvp.media.backbones.clip import unit
from leap_avvp.media.backbones.vggish import VGGish, as_moviepy
from leap_avvp.media.pieces import MAP_PLACES, MAP_SECONDS, centre_rows, equal_pieces, map_places, second_pieces
from leap_avvp.media.sampling import linspace_rows

__all__ = ["centres", "clap_map", "clap_rows", "embedded_rows", "evenly", "vggish_rows"]

_Rows = NDArray[np.float32]


def clap_map(clap: Any, samples: NDArray[np.float32], segments: int, seconds: float) -> _Rows:
    """Return (64, 768): CLAP's map of the whole sound, 2 frequencies x 32 places in time, frequency outer.

    Args:
        clap: with ``map``, of (n,) to (64, 768).
        samples: (n,) mono at 48 kHz.
        segments, seconds: where T segments are 10 s the sound is made 480,000 samples long by taking the nearest, as
            VALOR does; else see :func:`map_places`.
    """
    duration = segments * seconds
    if abs(duration - MAP_SECONDS) < 1e-6:
        return np.asarray(clap.map(stretch(samples)))
    count, window = round(duration * CLAP.rate), SAMPLES
    sound = np.pad(samples[:count], (0, max(0, count - len(samples))))
    starts, weights = map_places(duration)
    maps = [clap.map(sound[round(start * CLAP.rate) :][:window]) for start in starts]
    places = np.concatenate([one.reshape(2, MAP_PLACES, -1) for one in maps], axis=1)  # (2, 32 W, 768)
    return (weights @ places.astype(np.float64)).reshape(2 * MAP_PLACES, -1).astype(np.float32)


def vggish_rows(vggish: Any, samples: NDArray[Any], segments: int, seconds: float) -> _Rows:
    """Return (T, 128): the mean of each segment's whole seconds; ``samples`` (n,) at 44.1 kHz."""
    pieces = second_pieces(as_moviepy(samples), segments, seconds, VGGish.rate)
    rows = vggish([piece for some in pieces for piece in some])
    return np.asarray(rows.reshape(segments, -1, rows.shape[1]).mean(axis=1, dtype=np.float64), np.float32)


def clap_rows(clap: Any, samples: NDArray[Any], segments: int, seconds: float) -> _Rows:
    """Return (T, 512), of length 1: each T-th part of ``samples`` (n,) at 48 kHz, of a long one its tens' mean."""
    rows = []
    for piece in equal_pieces(samples, segments):
        count = max(1, math.ceil(len(piece) / SAMPLES))
        starts = np.round(np.linspace(0, max(0, len(piece) - SAMPLES), count)).astype(np.int64)
        rows.append([piece[start : start + SAMPLES] for start in starts])
    flat = clap([piece for some in rows for piece in some])
    if len(flat) == segments:
        return np.asarray(flat)
    return unit(flat.reshape(segments, -1, flat.shape[1]).mean(axis=1))


def evenly(per_segment: int) -> Callable[[Any, Sequence[Any], int, float], _Rows]:
    """Return what embeds so many a segment of the n pictures of a clip, evenly from the first to the last."""

    def work(backbone: Any, shrunk: Sequence[Any], segments: int, seconds: float) -> _Rows:
        chosen = linspace_rows(len(shrunk), per_segment * segments)
        return np.asarray(backbone.embed([shrunk[row] for row in chosen]))

    return work


def centres(backbone: Any, shrunk: Sequence[Any], segments: int, seconds: float) -> _Rows:
    """Return (T, F): of the picture in the middle of each T-th part of the n of a clip."""
    return np.asarray(backbone.embed([shrunk[row] for row in centre_rows(len(shrunk), segments)]))


def embedded_rows(eye: Any, shrunk: Sequence[Any], segments: int, seconds: float) -> _Rows:
    """Return (4T, 1280): of each picture, zeros where there is none, as ``ZeroShot.embed_frames``."""
    rows = np.zeros((len(shrunk), eye.width), np.float32)
    rows[[place for place, one in enumerate(shrunk) if one is not None]] = eye.embed(
        [one for one in shrunk if one is not None]
    )
    return rows
