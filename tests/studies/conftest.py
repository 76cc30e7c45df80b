"""A training that only writes ``metrics.json``, for tests that run in an empty working directory."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from leap_avvp.config.compose import compose_config
from leap_avvp.scoring.record import METRICS_FORMAT
from leap_avvp.studies import plan
from leap_avvp.studies.plan import Cell
from leap_avvp.studies.spec import lookup

_NAMES = ("audio", "visual", "audio_visual", "type_av", "event_av")
KEYS = [f"{level}/{name}" for level in ("segment", "event") for name in _NAMES]


def scores(average: float) -> dict[str, float]:
    """Ten different numbers, half a step to both sides of their average, and the average."""
    return {key: average + place - 4.5 for place, key in enumerate(KEYS)} | {"average": average}


def metrics(cell: Cell, average: float, source: str = "simulated", **changes: Any) -> dict[str, Any]:
    """What a training writes."""
    return {
        "format": METRICS_FORMAT,
        "data_source": source,
        "data": {"source": source, "videos": {"train": 1024, "val": 200, "test": 400}, "seed": 0},
        "seed": cell.seed,
        "config_hash": cell.config_hash,
        "config": dict(cell.config),
        "versions": {"leap-avvp": "0.1.0", "python": "3.11.7", "torch": "2.13.0"},
        "device": "cpu (x86_64, 4 threads)",
        "protocol": {"name": "union"},
        "wall_time_s": {"fit": 60.0, "total": 70.5},
        "epochs": 4,
        "best_epoch": 3,
        "validation": scores(average - 1),
        "test": scores(average),
        "untrained": None,
        "parameters": {"total": 52_000_000, "decoder": 7_000_000},
    } | changes


def write_run(cell: Cell, average: float, source: str = "simulated", **changes: Any) -> Path:
    """Leave what a finished training leaves."""
    cell.folder.mkdir(parents=True, exist_ok=True)
    path = cell.folder / "metrics.json"
    path.write_text(json.dumps(metrics(cell, average, source, **changes)))
    return path


def by_weight(cell: Cell) -> float:
    """A score that depends on the swept weight and on the seed: 20 + 10 weight + seed squared."""
    return 20.0 + 10.0 * float(lookup(cell.config, "loss.avss_weight")) + cell.seed**2


class FakeTraining:
    """A runner that remembers what it ran; ``breaks`` says which cells end with exit code 1."""

    def __init__(self, source: str = "simulated", breaks: Callable[[Cell], bool] = lambda _: False) -> None:
        self.source, self.breaks = source, breaks
        self.ran: list[str] = []

    def __call__(self, cell: Cell) -> int:
        self.ran.append(str(cell))
        if self.breaks(cell):
            lines = ["# command", "Traceback (most recent call last):", "RuntimeError: lost its way", "wandb: bye"]
            (cell.folder / "reproduce.log").write_text("\n".join([*lines, "# exit code 1"]))
            return 1
        write_run(cell, by_weight(cell), self.source)
        return 0


@pytest.fixture
def fake() -> SimpleNamespace:
    """The names above, for the tests, which cannot import this file."""
    return SimpleNamespace(Training=FakeTraining, write_run=write_run, metrics=metrics, scores=scores, keys=KEYS)


_composed = functools.cache(lambda words, hydra: compose_config(list(words), hydra=hydra))


@pytest.fixture(autouse=True)
def _compose_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words give the same config: most tests here plan the same cells."""
    monkeypatch.setattr(plan, "compose_config", lambda words, hydra=False: _composed(tuple(words), hydra))


@pytest.fixture(autouse=True)
def _work_in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
