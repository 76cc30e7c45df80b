"""Small models that know nothing, written as training writes them, and the folders of videos for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from leap_avvp import __version__
from leap_avvp.card import DataCard
from leap_avvp.card.dataset import CARD_FILE
from leap_avvp.card.read import card_content, card_from
from leap_avvp.config import compose_job
from leap_avvp.data.annotations import SplitAnnotations, write_annotations
from leap_avvp.training.checkpoint import CHECKPOINT_KEY, save_atomic

SMALL = (
    *("encoder=han", "encoder.dim=16", "encoder.num_heads=2", "encoder.feed_forward_dim=16", "decoder.dim=16"),
    *("trainer=cpu", "logger=none"),
)
LEAP = ("decoder.num_heads=2", "decoder.feed_forward_dim=16")
MMIL = ("decoder=mmil",)

# Two streams without motion, as small models that packages carry give them; every way of rows but one a segment.
OWN: dict[str, Any] = {
    "name": "garden",
    "classes": {"Bird song": "birdsong", "Rain": "Rain", "Lawn_mower": "lawn mower"},
    "segments": 5,
    "seconds": 0.5,
    "weak": {"train": "train.csv", "val": "val.csv", "test": "test.csv"},
    "dense": {"audio": "heard.csv", "visual": "seen.csv"},
    "features": {
        "name": "tiny",
        "streams": {
            "audio": {"folder": "feats/a", "shape": ["4T", 6], "reduce": "mean"},
            "video_2d": {"folder": "feats/v", "shape": ["any", 7], "reduce": "pool"},
        },
    },
}


def own_card(**changes: Any) -> DataCard:
    """Return the card of three classes and five segments of half a second."""
    return card_from({**OWN, **changes})


def rows_of(card: DataCard, seed: int = 0) -> dict[str, np.ndarray]:
    """Return random rows of one video's files, (R, F) by stream."""
    rng = np.random.default_rng(seed)
    rows = {}
    for name, stream in card.features.streams.items():
        shapes = stream.shapes(card.segments) or ((card.segments + 2 + seed % 3, stream.width),)
        rows[name] = rng.standard_normal(shapes[0], dtype=np.float32)
    return rows


def write_videos(root: Path, card: DataCard, names: list[str], seed: int = 0) -> Path:
    """Write the feature files of videos."""
    for number, name in enumerate(names):
        for stream, rows in rows_of(card, seed + number).items():
            path = root / card.features.streams[stream].folder / f"{card.video_id(name)}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, rows)
    return root


def write_own(root: Path, card: DataCard | None = None, **numbers: int) -> Path:
    """Write a folder of one's own: card, annotations and features."""
    card = card or own_card()
    rng = np.random.default_rng(7)
    splits = {}
    for split, number in ({"train": 2, "val": 2, "test": 5} | numbers).items():
        names = [f"{split} clip {index}" for index in range(number)]
        audio, visual = (rng.random((number, card.segments, card.num_classes)) < 0.4 for _ in range(2))
        splits[split] = SplitAnnotations(split, names, (audio | visual).any(axis=1), audio, visual, card)
        write_videos(root, card, names, seed=100 * len(splits))
    write_annotations(root / "annotations", splits, card)
    (root / CARD_FILE).write_text(yaml.safe_dump(card_content(card), sort_keys=False))
    return root


def write_checkpoint(path: Path, *overrides: str, seed: int = 0, stamp: Mapping[str, Any] | None = None) -> Path:
    """Write the checkpoint of an untrained model; return its path."""
    job = compose_job([*SMALL, *overrides], path.parent)
    torch.manual_seed(seed)
    state = {f"parser.{name}": value for name, value in job.parts.parser().state_dict().items()}
    own = {"config": dict(job.content), "config_hash": job.config_hash, "version": __version__}
    own |= {"directory": str(Path.cwd()), **(stamp or {})}
    save_atomic({"state_dict": state, CHECKPOINT_KEY: own}, path)
    return path
