"""How many of a class's weak labels are wrong for one modality: JoMoLD's noise ratios, and their file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leap_avvp.errors import DataError
from leap_avvp.files import write_whole
from leap_avvp.files.npz import open_npz

__all__ = ["noise_ratios", "read_noise_ratios", "write_noise_ratios"]

_MODALITIES = ("audio", "visual")


def noise_ratios(probability: ArrayLike, target: ArrayLike, label: ArrayLike, threshold: float) -> NDArray[np.float64]:
    """Return the noise ratio (C,) of each class in one modality (JoMoLD, Cheng et al., ECCV 2022).

    The share of the videos labelled c for which ``p_c P_c``, divided by the mean of ``p_c`` over all videos, is below a
    threshold; 0 for a class that no video is labelled with.

    Args:
        probability: p (N, C), the modality's video-level probabilities of all training videos.
        target: P (N, C), what the modality is trained on, smoothed if that is.
        label: (N, C) weak labels, 0 or 1.
        threshold: 0.6 for audio and 1.8 for visual in JoMoLD.
    """
    p, wanted = np.asarray(probability, np.float64), np.asarray(target, np.float64)
    labelled = np.asarray(label) > 0.5
    low = labelled & (p * wanted < threshold * p.mean(axis=0))
    return np.asarray(low.sum(axis=0) / np.maximum(labelled.sum(axis=0), 1))


def write_noise_ratios(path: Path, ratios: Mapping[str, NDArray[np.float64]]) -> None:
    """Write the ratios (C,) of ``audio`` and ``visual``, as JoMoLD's ``noise_ratios.npz`` has them.

    Raises:
        DataError: the file cannot be written.
    """
    content = io.BytesIO()
    audio, visual = (np.asarray(ratios[name], np.float64) for name in _MODALITIES)
    np.savez(content, audio=audio, visual=visual)
    write_whole(path, content.getvalue())


def read_noise_ratios(path: str | Path, num_classes: int) -> dict[str, NDArray[np.float64]]:
    """Read the ratios (C,) of ``audio`` and ``visual``; pickles are never loaded.

    Raises:
        DataError: naming the file, the array, and what was expected and found.
    """
    path = Path(path).expanduser()
    found = {}
    with open_npz(path) as archive:
        for name in _MODALITIES:
            if name not in archive.names:
                raise DataError(f"{path}: expected the arrays audio and visual, found {sorted(archive.names)[:10]}")
            header = archive.header(name)
            if header.shape != (num_classes,) or header.dtype.kind not in "fiu":
                raise DataError(
                    f"{path}: {name}: expected numbers of shape ({num_classes},), a ratio of each class, found "
                    f"{header.dtype} {header.shape}"
                )
            found[name] = archive.read(name).astype(np.float64)
    for name, values in found.items():
        wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
        if wrong.size:
            raise DataError(
                f"{path}: {name}: expected ratios from 0 to 1, found {values[wrong[0]]} of class {wrong[0]}"
            )
    return found
