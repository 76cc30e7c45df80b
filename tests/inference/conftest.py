"""Checkpoints of small untrained models: LEAP for LLP's card, MMIL for a card of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inference.helpers import LEAP, MMIL, write_checkpoint, write_own


@pytest.fixture(scope="session")
def llp_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("llp") / "leap.ckpt", *LEAP)


@pytest.fixture(scope="session")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder of three classes and five segments; tests do not change it."""
    return write_own(tmp_path_factory.mktemp("own") / "data")


@pytest.fixture(scope="session")
def own_checkpoint(own_folder: Path) -> Path:
    words = ("data=llp", f"data.root={own_folder}", "label_embedding=learnable")
    return write_checkpoint(own_folder.parent / "mmil.ckpt", *MMIL, *words)
