"""A small folder in LLP's real layout, for every test that needs files on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from leap_avvp.data.annotations import SplitAnnotations, write_annotations
from leap_avvp.llp import FEATURE_FOLDERS, FEATURE_SHAPES, NUM_CLASSES, PSEUDO_LABEL_FOLDERS, video_id


def write_llp(root: Path, train: int = 4, val: int = 2, test: int = 2, pseudo_labels: bool = True) -> Path:
    """Write random features and labels for ``train + val + test`` videos, and return ``root``."""
    rng = np.random.default_rng(0)
    splits = {}
    for split, number in (("train", train), ("val", val), ("test", test)):
        # Ids may begin with a dash or an underscore, and starts and ends may be decimal.
        filenames = [f"{'-_a'[index % 3]}{split:_<5}{index:05d}_{index}.5_{index + 10}.5" for index in range(number)]
        weak = rng.random((number, NUM_CLASSES)) < 0.1
        weak[np.arange(number), rng.integers(NUM_CLASSES, size=number)] = True  # at least one
        dense = [(rng.random((number, 10, NUM_CLASSES)) < 0.5) & weak[:, None] for _ in range(2)]
        audio, visual = (None, None) if split == "train" else dense
        splits[split] = SplitAnnotations(split, filenames, weak, audio, visual)
        for index, name in enumerate(filenames):
            arrays = {
                folder: rng.standard_normal(FEATURE_SHAPES[key], dtype=np.float32)
                for key, folder in FEATURE_FOLDERS.items()
            }
            if split == "train" and pseudo_labels:
                for folder, grid in zip(PSEUDO_LABEL_FOLDERS.values(), dense, strict=True):
                    arrays[folder] = grid[index].astype(np.int64)
            for folder, array in arrays.items():
                (root / folder).mkdir(parents=True, exist_ok=True)
                np.save(root / folder / f"{video_id(name)}.npy", array)
    write_annotations(root / "annotations", splits)
    return root


@pytest.fixture
def make_llp_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return ``make(root=tmp_path / "llp", train=4, val=2, test=2, pseudo_labels=True)``, which returns the root."""

    def make(root: Path | None = None, **options: int) -> Path:
        return write_llp(tmp_path / "llp" if root is None else root, **options)

    return make
