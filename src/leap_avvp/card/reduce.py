"""How the rows of a feature file become one row a segment: each way is a fixed linear map over time."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ANY_ROWS", "MAP_ROWS", "REDUCTIONS", "file_rows", "reduce_rows", "row_weights"]

REDUCTIONS = ("segment", "mean", "clap_map", "pool")
"""``segment``: one row a segment. ``mean``: the mean of the rows of a segment, a whole number of them. ``clap_map``:
VALOR's reading of CLAP's last layer, 2 frequencies x 32 places in time. ``pool``: adaptive average pooling."""
ANY_ROWS = "any"
"""Rows of a file that need not be the same for all videos, for ``pool``."""
_FREQUENCIES, _PLACES, _FINE = 2, 32, 1024
MAP_ROWS = _FREQUENCIES * _PLACES
_ROWS = re.compile(r"([1-9][0-9]{0,3})|([1-9][0-9]{0,2})?T")


def file_rows(rows: str, segments: int) -> int | None:
    """Return the rows of a file: ``64`` as it says, ``8T`` eight a segment; None for ``any``.

    Raises:
        ValueError: it says none of these.
    """
    if rows == ANY_ROWS:
        return None
    found = _ROWS.fullmatch(rows)
    if found is None:
        raise ValueError(rows)
    return int(found[1]) if found[1] else int(found[2] or 1) * segments


def reduce_rows(values: NDArray[np.float32], reduce: str, segments: int) -> NDArray[np.float32]:
    """Return (T, F) of the rows (R, F) of a file, float32.

    Raises:
        ValueError: R rows do not make T segments in this way.
    """
    rows, width = values.shape
    if reduce == "segment":
        if rows != segments:
            raise ValueError(f"{rows} rows are not {segments}")
        return values
    if reduce == "mean":
        if rows % segments:
            raise ValueError(f"{rows} rows are no multiple of {segments}")
        pooled: NDArray[np.float32] = values.reshape(segments, rows // segments, width).mean(axis=1)
        return pooled
    return (row_weights(reduce, rows, segments) @ values.astype(np.float64)).astype(np.float32)


@functools.lru_cache(maxsize=64)
def row_weights(reduce: str, rows: int, segments: int) -> NDArray[np.float64]:
    """Return (T, R) the weights of a file's rows in each segment; every row of them sums to 1.

    So a linear layer may stand before or after: VALOR's program has one between the steps of ``clap_map``.

    Raises:
        ValueError: R rows do not make T segments in this way.
    """
    if reduce == "segment" and rows == segments:
        return np.eye(segments)
    if reduce == "mean" and rows % segments == 0:
        return np.repeat(np.eye(segments), rows // segments, axis=1) * segments / rows
    if reduce == "pool":
        return _adaptive(rows, segments)
    if reduce == "clap_map" and rows == MAP_ROWS and segments <= _FINE:
        time = _adaptive(_FINE, segments) @ _bicubic(_PLACES, _FINE)  # (T, 32)
        return np.tile(time / _FREQUENCIES, _FREQUENCIES)
    raise ValueError(f"{reduce}: {rows} rows do not make {segments} segments")


def _adaptive(rows: int, segments: int) -> NDArray[np.float64]:
    """Return (T, R): segment i is the mean of rows floor(i R / T) to ceil((i + 1) R / T); the windows may overlap."""
    weights = np.zeros((segments, rows))
    for place in range(segments):
        first, last = place * rows // segments, -(-(place + 1) * rows // segments)
        weights[place, first:last] = 1 / (last - first)
    return weights


def _bicubic(rows: int, fine: int) -> NDArray[np.float64]:
    """Return (fine, rows): bicubic interpolation with A = -0.75, corners not aligned, the borders repeated."""
    a = -0.75

    def kernel(x: NDArray[Any]) -> NDArray[Any]:
        x = np.abs(x)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        return np.where(x <= 1, near, np.where(x < 2, far, 0.0))

    place = (np.arange(fine) + 0.5) * rows / fine - 0.5
    first = np.floor(place).astype(int)
    weights = np.zeros((fine, rows))
    for step in range(-1, 3):
        columns = np.clip(first + step, 0, rows - 1)
        np.add.at(weights, (np.arange(fine), columns), kernel(place - (first + step)))
    return weights
