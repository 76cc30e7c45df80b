"""A small data card, its videos and random labels of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.card import LLP, DataCard
from leap_avvp.data.pseudo import PseudoLabels, read_segment_labels

CARD = dataclasses.replace(
    LLP, name="own", classes=("a", "b", "c", "d"), display=("a", "b", "c", "d"), segments=3, ids="filename"
)
NAMES = [f"video {index}" for index in range(5)]
Grids = dict[str, dict[str, np.ndarray[Any, Any]]]
Read = Callable[..., PseudoLabels]


@pytest.fixture
def card() -> DataCard:
    """Return a card of 4 classes and 3 segments."""
    return CARD


@pytest.fixture
def names() -> list[str]:
    """Return the file names, which are the ids, of 5 videos."""
    return list(NAMES)


@pytest.fixture
def weak() -> np.ndarray[Any, Any]:
    """Return weak labels (5, 4); every class is in one and not in another."""
    return np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 0], [0, 0, 1, 1]], dtype=bool)


@pytest.fixture
def hard(weak: np.ndarray[Any, Any]) -> Grids:
    """Return labels, 0 or 1, (3, 4), by modality and id, inside the weak label."""
    rng = np.random.default_rng(0)
    return {
        modality: {name: (rng.random((3, 4)) < 0.7) & weak[index] for index, name in enumerate(NAMES)}
        for modality in ("audio", "visual")
    }


@pytest.fixture
def soft(weak: np.ndarray[Any, Any]) -> Grids:
    """Return labels from 0 to 1, float32, likewise; 0 and 1 are among them."""
    rng = np.random.default_rng(1)
    grids = {
        modality: {name: rng.random((3, 4), np.float32) * weak[index] for index, name in enumerate(NAMES)}
        for modality in ("audio", "visual")
    }
    grids["audio"][NAMES[0]][0, 0] = 1
    return grids


@pytest.fixture
def read(tmp_path: Path, weak: np.ndarray[Any, Any]) -> Read:
    """Return ``read(kind, root=tmp_path, **options)`` of the five videos."""

    def run(kind: str | Path, root: Path = tmp_path, **options: Any) -> PseudoLabels:
        return read_segment_labels(kind, root, NAMES, weak, CARD, **options)

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return ``write(folders by modality, grids, root=tmp_path)``: a file a video and modality; returns the root."""

    def run(folders: dict[str, str], grids: Grids, root: Path = tmp_path) -> Path:
        for modality, folder in folders.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            for name, grid in grids[modality].items():
                np.save(root / folder / f"{name}.npy", grid)
        return root

    return run
