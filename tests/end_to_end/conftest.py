"""Small trainings: the real program on narrow models and a few simulated videos."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leap_avvp.cli import main

SMALL = (
    *("encoder=han", "encoder.dim=32", "encoder.feed_forward_dim=32"),
    *("decoder.dim=32", "data.batch_size=8", "trainer=cpu"),
    *("data.num_train=24", "data.num_val=8", "data.num_test=8", "data.schedule.max_epochs=2", "logger=none"),
)
LEAP = ("decoder.num_heads=4", "decoder.feed_forward_dim=32")


@pytest.fixture
def small() -> list[str]:
    """Overrides that make LEAP on HAN small."""
    return [*SMALL, *LEAP]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Return ``train(*overrides, folder="run")``, which runs the command and returns what ``metrics.json`` holds."""
    monkeypatch.chdir(tmp_path)

    def run(*overrides: str, folder: str = "run", leap: bool = True) -> dict[str, Any]:
        words = [*SMALL, *(LEAP if leap else ()), *overrides, f"hydra.run.dir={tmp_path / folder}"]
        assert main(["train", *words]) == 0
        content: dict[str, Any] = json.loads((tmp_path / folder / "metrics.json").read_text())
        return content

    return run
