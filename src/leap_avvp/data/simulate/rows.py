"""The rows of simulated feature files: drawn so that a reader's reduction gives the features back that were drawn."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import Stream
from leap_avvp.card.reduce import file_rows, row_weights
from leap_avvp.data.simulate.world import video_rng

__all__ = ["draw_frames", "draw_rows", "number_of_rows", "readable"]

_CHANGE = 0.3
"""Standard deviation of rows around what their reduction says."""
_PURPOSE = {"video_2d": 1, "audio": 2, "video_3d": 3}  # each stream has its own generator
_SOLID = 1e-6  # singular values below this share of the largest count as none


def number_of_rows(stream: Stream, segments: int) -> int:
    """Return R of the files of a stream; where a set takes ``any``, about three for two segments."""
    rows = file_rows(stream.rows, segments)
    return 3 * segments // 2 + 1 if rows is None else rows


def readable(stream: Stream, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what of the features (T, F) of a stream its files can say.

    That is all of them, unless R rows are fewer than T, as the 32 places of ``clap_map`` are in longer videos.
    """
    segments = len(pooled)
    if stream.reduce in ("segment", "mean"):
        return pooled
    weights, back, whole = _ways(stream.reduce, number_of_rows(stream, segments), segments)
    return pooled if whole else (weights @ (back @ pooled.astype(np.float64))).astype(np.float32)


def draw_rows(stream: Stream, filename: str, pooled: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """Return the rows (R, F) of a file whose reduction is ``pooled`` (T, F), up to rounding in float32.

    Args:
        stream: says how many rows there are, and how they are reduced.
        filename: of the video, as the annotation files have it.
        pooled: as :func:`readable` returns it.
        seed: of the data.
    """
    segments, width = pooled.shape
    rows = number_of_rows(stream, segments)
    if stream.reduce == "segment":
        return pooled
    if stream.reduce == "mean":
        return draw_frames(filename, pooled, rows // segments, seed=seed, purpose=_PURPOSE[stream.name])
    weights, back, _ = _ways(stream.reduce, rows, segments)
    noise = _CHANGE * video_rng(seed, filename, _PURPOSE[stream.name]).standard_normal((rows, width))
    return (noise + back @ (pooled - weights @ noise)).astype(np.float32)


def draw_frames(
    filename: str, pooled: NDArray[np.float32], frames: int, *, seed: int, purpose: int = _PURPOSE["video_2d"]
) -> NDArray[np.float32]:
    """Return (T * frames, F) rows of which each segment's mean is ``pooled`` (T, F), up to rounding in float32."""
    rng = video_rng(seed, filename, purpose)
    change = np.float32(_CHANGE) * rng.standard_normal((len(pooled), frames, pooled.shape[1]), dtype=np.float32)
    change -= change.mean(axis=1, keepdims=True)
    return (pooled[:, None] + change).reshape(-1, pooled.shape[1])


@functools.lru_cache(maxsize=8)
def _ways(reduce: str, rows: int, segments: int) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Return (T, R) the reduction, (R, T) its pseudo-inverse, and whether any T segments can come out of it."""
    weights = row_weights(reduce, rows, segments)
    left, size, right = np.linalg.svd(weights, full_matrices=False)
    solid = size > _SOLID * size[0]
    back = (right[solid].T / size[solid]) @ left[:, solid].T
    return weights, back, int(solid.sum()) == segments
