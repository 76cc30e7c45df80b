"""Two trained runs on the same few simulated videos, one with LEAP's decoder and one with MMIL's; and cards."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from leap_avvp.card import LLP, DataCard
from leap_avvp.cli import main

SMALL = (
    *("encoder=han", "encoder.dim=32", "encoder.feed_forward_dim=32", "optimizer.lr=0.01"),
    *("decoder.dim=32", "data.batch_size=8", "trainer=cpu", "trainer.log_every_n_steps=2", "callbacks.progress=none"),
    *("data.num_train=32", "data.num_val=8", "data.num_test=12", "data.schedule.max_epochs=3"),
    # Low, so that even these runs predict something.
    *("protocol.segment_threshold=0.25", "protocol.video_threshold=0.25"),
)
LEAP = ("decoder.num_heads=4", "decoder.feed_forward_dim=32", "decoder.threshold=0.25")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return the folders of the runs ``leap``, ``mmil`` and ``other`` (LEAP on other videos)."""
    root = tmp_path_factory.mktemp("runs")
    own = {
        "leap": LEAP,
        "mmil": ("decoder=mmil",),
        "other": (*LEAP, "data.simulation_seed=1", "logger=none"),
    }
    for name, words in own.items():
        assert main(["train", *SMALL, *words, f"hydra.run.dir={root / name}"]) == 0
    return {name: root / name for name in own}


@pytest.fixture(scope="session")
def carded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a LEAP run on simulated videos of 40 classes and 6 half seconds, without video_3d."""
    root = tmp_path_factory.mktemp("carded")
    classes = [f"class_{number}" for number in range(39)]
    card = {"name": "own", "classes": ["a $5 and $6", *classes], "segments": 6, "seconds": 0.5, "features": "valor"}
    card |= {"weak": {split: f"{split}.csv" for split in ("train", "val", "test")}}
    card |= {"dense": {"audio": "heard.csv", "visual": "seen.csv"}}
    (root / "dataset.yaml").write_text(yaml.safe_dump(card))
    words = (*LEAP, f"data.card={root / 'dataset.yaml'}", "features=valor", f"hydra.run.dir={root / 'run'}")
    assert main(["train", *SMALL, *words]) == 0
    return root / "run"


LONG = "playing the $\\alpha$ accordion and more than any axis holds"
"""A name that matplotlib would take for a formula, and cannot read."""


@pytest.fixture(scope="session")
def make_card() -> Callable[..., DataCard]:
    """Return ``make(classes, segments, seconds=1.0)``: a card whose class 3, if there is one, has an awkward name."""

    def make(classes: int, segments: int, seconds: float = 1.0) -> DataCard:
        names = [f"class_{number}" for number in range(classes)]
        display = [LONG if number == 3 else name for number, name in enumerate(names)]
        return dataclasses.replace(
            LLP,
            name="own",
            classes=tuple(names),
            display=tuple(display),
            segments=segments,
            seconds=seconds,
            ids="filename",
        )

    return make
