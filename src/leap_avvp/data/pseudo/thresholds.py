"""UWAV's soft targets: how far a segment's logit lies above the threshold of its class."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import DataError
from leap_avvp.files.links import absence, link_refusal, pointer
from leap_avvp.files.npz import read_npy_header

__all__ = ["fill_thresholds", "read_thresholds", "soft_targets"]


def read_thresholds(path: Path, root: Path, classes: int, link_store: Path | None = None) -> NDArray[np.float64]:
    """Return thresholds (C,) in float64; -inf is one of them.

    Args:
        path: the ``.npy`` file.
        root: the folder that a link must stay in.
        classes: C.
        link_store: a trusted folder that a link may lead into, too.

    Raises:
        DataError: missing, damaged, of another length, or holding NaN or +inf.
    """
    try:
        gone = absence(path)
        folders = (path.parent, root) if link_store is None else (link_store, path.parent, root)
        refusal = gone or (link_refusal(path, folders) if path.is_symlink() else None)
        if refusal:
            raise DataError(f"{path}: {refusal}; expected the thresholds of the {classes} classes of its logits")
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path}: expected a file, found a folder or a device")
        values = _read(path, classes)
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        instead = pointer(path) if isinstance(error, ValueError) else None
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{path}: {instead or f'expected a .npy file, cannot read it ({reason})'}") from error
    wrong = ~(values < np.inf)  # NaN, too
    if wrong.any():
        raise DataError(
            f"{path}: expected a threshold for each class, or -inf, found {values[wrong][0]:g} for class "
            f"{int(np.flatnonzero(wrong)[0])}"
        )
    return values


def _read(path: Path, classes: int) -> NDArray[np.float64]:
    with path.open("rb") as file:
        header = read_npy_header(file)
        if header.shape != (classes,):
            raise DataError(
                f"{path}: expected a threshold for each of {classes} classes, shape ({classes},), found shape "
                f"{header.shape}; it is of another data set than the card's"
            )
        if header.dtype.kind not in "fiu":
            found = "objects, which are not loaded" if header.dtype.hasobject else header.dtype
            raise DataError(f"{path}: expected numbers, found {found}")
        file.seek(header.data_offset)
        content = file.read(header.data_bytes)
    if len(content) < header.data_bytes:
        raise ValueError("truncated")
    values: NDArray[Any] = np.frombuffer(content, header.dtype)
    return values.astype(np.float64)


def fill_thresholds(thresholds: NDArray[np.float64], lowest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return thresholds (C,) of which those of -inf are the smallest logit (C,) of their class, less 1."""
    filled: NDArray[np.float64] = np.where(np.isneginf(thresholds), lowest - 1, thresholds)
    return filled


def soft_targets(
    logits: NDArray[Any], thresholds: NDArray[np.float64], labelled: NDArray[np.bool_], tau: float = 2.0
) -> NDArray[np.float32]:
    """Return ``y sigmoid((z - theta) / tau)``, (N, T, C), computed in float64.

    Args:
        logits: z, (N, T, C).
        thresholds: theta, (C,), finite.
        labelled: y, (N, C), whether a class is in the weak label.
        tau: the temperature.
    """
    above = (logits.astype(np.float64) - thresholds) / tau
    probability = np.exp(-np.logaddexp(0, -above))
    return np.where(labelled[:, None], probability, 0).astype(np.float32)
