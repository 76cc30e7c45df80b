"""LLP's simulated videos are those of the first release, whatever else can be simulated now.

Labels and files of text and whole numbers are compared by their hash. The last bit of a feature is the linear algebra
library's, which differs by processor; features are compared by a sum over all of their values, each with its own sign.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from leap_avvp.card import LLP
from leap_avvp.data.simulate import SimulatedLLP, simulated_label_embedding, write_llp_folder
from leap_avvp.llp import SPLITS

# Made at commit ed92197, before there were cards.
LABELS = {"train": "fa0677ee41bfb2a2", "val": "223be62bf77c406f", "test": "70df99150c92c230"}
FEATURES = {
    "train": (46.878, 407.056, 97.052, 219.723),
    "val": (-17.77, 521.918, -0.755, -166.019),
    "test": (-2.946, -1109.225, 29.27, 314.432),
}
TEACHERS, EMBEDDING, FACTS = "518505323f73eaf0", 33.039, "3ef07ac9986ed82a"
FILES, TEXTS, PSEUDO_LABELS = "60569b0b8aee5f63", "bcce181bf9065465", "88860c0f0b7ff2ad"


def digest(*values: object) -> str:
    """Return 16 hex digits of some arrays, bytes or plain values."""
    whole = hashlib.sha256()
    for value in values:
        whole.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return whole.hexdigest()[:16]


def mark(array: np.ndarray) -> float:
    flat = array.astype(np.float64).ravel()
    return float(flat @ np.cos(np.arange(flat.size)))


@pytest.fixture(scope="module")
def source() -> SimulatedLLP:
    return SimulatedLLP(60, 12, 15, seed=3)


@pytest.mark.parametrize("split", SPLITS)
def test_videos(source: SimulatedLLP, split: str) -> None:
    filenames, weak, dense = source.labels(split)
    assert digest(filenames, weak, *dense) == LABELS[split]
    data = source.load(split)
    assert data.video_3d is not None
    found = [mark(array) for array in (data.audio, data.video_2d, data.video_3d, source.frames(split, 1))]
    np.testing.assert_allclose(found, FEATURES[split], atol=2e-3)


def test_teachers_vectors_and_facts(source: SimulatedLLP) -> None:
    assert digest(*source.teachers("train")) == TEACHERS
    assert mark(source.label_embedding()) == pytest.approx(EMBEDDING, abs=1e-3)
    np.testing.assert_array_equal(simulated_label_embedding(), source.label_embedding())
    assert digest(source.describe()) == FACTS
    assert source.card == LLP


def test_files(tmp_path: Path) -> None:
    write_llp_folder(SimulatedLLP(3, 1, 2), tmp_path)
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert digest(names) == FILES
    assert digest(*((tmp_path / name).read_bytes() for name in names if name.endswith((".csv", ".txt")))) == TEXTS
    assert digest(*((tmp_path / name).read_bytes() for name in names if "pseudo" in name)) == PSEUDO_LABELS
