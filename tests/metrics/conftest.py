"""Predictions, truth and scores of the released program on LLP's test split, kept beside the repository."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "parity"
NAME = "llp_test_metrics_s0"
COLUMNS = ("audio", "visual", "event_av", "audio_visual")  # of the released program's F1 arrays


@pytest.fixture(scope="session")
def golden() -> SimpleNamespace:
    """Return ``grids`` (4 of (N, T, C)), ``per_video`` and ``means``, by the names of our scores."""
    if not (FOLDER / f"{NAME}.npz").is_file():
        pytest.skip(f"the scores of the released program are not at {FOLDER / NAME}.npz")
    arrays = np.load(FOLDER / f"{NAME}.npz")
    means = json.loads((FOLDER / f"{NAME}.json").read_text())
    return SimpleNamespace(
        # Stored with classes before time.
        grids=[
            torch.from_numpy(arrays[name]).transpose(1, 2)
            for name in ("pred_audio", "pred_visual", "gt_audio", "gt_visual")
        ],
        per_video={
            f"{level}/{name}": torch.from_numpy(arrays[f"{level}_f1_per_video"][:, column])
            for level in ("segment", "event")
            for column, name in enumerate(COLUMNS)
        },
        means={f"{level}/{name}": value for level, scores in means.items() for name, value in scores.items()},
    )
