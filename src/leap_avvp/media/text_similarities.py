"""Cosines between the segments of videos and texts of their own, by the pair of networks that made the features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import named_features
from leap_avvp.card.reduce import file_rows
from leap_avvp.errors import DataError
from leap_avvp.media.arrays import read_rows
from leap_avvp.media.recipes import RECIPES
from leap_avvp.media.teachers import MODALITIES

__all__ = ["LSLD_TEMPLATES", "text_similarities"]

LSLD_TEMPLATES = {"audio": "This is a sound of {}", "visual": "{}"}
"""By modality: what LSLD's networks are asked, with a text in place of the braces."""
_CHUNK = 256  # texts


def text_similarities(
    root: Path,
    ids: Sequence[str],
    texts: Sequence[Sequence[str]],
    segments: int,
    *,
    features: str = "lsld",
    templates: Mapping[str, str] = LSLD_TEMPLATES,
    device: str = "cpu",
) -> dict[str, NDArray[np.float32]]:
    """Return by modality the cosines (N, T, S) of N videos, T segments, and at most S texts a video; NaN behind these.

    The rows of a segment are averaged before they are compared, as LSLD does.

    Args:
        root: the data folder, with the files of ``features``.
        ids: (N,) names of the files.
        texts: (N,) of each video its own, perhaps none: its files are then not read.
        segments: T.
        features: the feature set, by networks that texts can be put into.
        templates: by modality.
        device: that the networks run on.

    Raises:
        ConfigError: a package is not installed.
        DataError: weights or files are missing, or cannot be used.
    """
    most = max((len(one) for one in texts), default=0)
    every = list(dict.fromkeys(text for one in texts for text in one))
    place = {text: number for number, text in enumerate(every)}
    found = {}
    for modality, stream in MODALITIES.items():
        of, recipe = named_features(features).streams[stream], RECIPES[features][stream]
        if every and not (root / of.folder).is_dir():
            raise DataError(
                f"{root}: expected a folder {of.folder}; `leap-avvp extract --features {features}` makes it"
            )
        grid = np.full((len(ids), segments, most), np.nan, np.float32)
        if every:
            network = recipe.make(device=device)
            asked = [templates[modality].replace("{}", text) for text in every]
            parts = [network.text(asked[start : start + _CHUNK]) for start in range(0, len(asked), _CHUNK)]
            vectors = np.concatenate(parts).astype(np.float64)  # (S, F), each of length 1
        rows = file_rows(of.rows, segments)
        assert rows is not None
        shapes = tuple(dict.fromkeys(((rows, of.width), (segments, of.width))))
        for video, (name, own) in enumerate(zip(ids, texts, strict=True)):
            if own:
                read = read_rows(root / of.folder / f"{name}.npy", shapes).astype(np.float64)
                mean = read.reshape(segments, -1, of.width).mean(axis=1)
                length = np.linalg.norm(mean, axis=1, keepdims=True)
                unit = np.divide(mean, length, out=np.full_like(mean, np.nan), where=length > 0)
                grid[video, :, : len(own)] = unit @ vectors[[place[text] for text in own]].T
        found[modality] = grid
    return found
