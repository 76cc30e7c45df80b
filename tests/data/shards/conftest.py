"""Small sets: few classes, narrow features, blocks of two videos and shards of four."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from leap_avvp.card import DataCard
from leap_avvp.card.read import card_from
from leap_avvp.data.shards import writer
from leap_avvp.data.shards.pack import pack_shards
from leap_avvp.data.simulate import SimulatedLLP, write_llp_folder

CARD = {
    "name": "farm",
    "classes": ["dog", "cat", "owl"],
    "segments": 4,
    "weak": {"train": "train.csv", "val": "val.csv", "test": "test.csv"},
    "dense": {"audio": "heard.csv", "visual": "seen.csv"},
    "features": {
        "name": "narrow",
        "streams": {
            "audio": {"folder": "feats/a", "shape": ["T", 5], "reduce": "segment"},
            "video_2d": {"folder": "feats/v", "shape": ["2T", 7], "reduce": "mean"},
        },
    },
}


@pytest.fixture
def card() -> DataCard:
    return card_from(CARD)


@pytest.fixture
def folder(tmp_path: Path, card: DataCard) -> Callable[..., Path]:
    """Return ``make(name="data", train=11, val=3, test=2)``: a data folder whose first videos are always the same."""

    def make(name: str = "data", train: int = 11, val: int = 3, test: int = 2) -> Path:
        source = SimulatedLLP(num_train=train, num_val=val, num_test=test, card=card)
        write_llp_folder(source, tmp_path / name, overwrite=True)
        return tmp_path / name

    return make


@pytest.fixture
def pack(card: DataCard, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return ``pack(root, **options)``: the folder of its sharded set, of shards with up to four videos."""
    monkeypatch.setattr(writer, "_BLOCK_BYTES", 900)

    def make(root: Path, **options: object) -> Path:
        known = {"card": card, "console": Console(file=io.StringIO()), "shard_mb": 0.00175, **options}
        return pack_shards(root, **known)  # type: ignore[arg-type]

    return make
