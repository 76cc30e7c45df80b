"""A checkpoint or run of an older layout of the package is read as one of this layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from leap_avvp.config.compose import compose_config, plain
from leap_avvp.config.hashing import config_hash
from leap_avvp.config.older import renamed
from leap_avvp.config.trust import check_targets
from leap_avvp.training.checkpoint import CHECKPOINT_KEY, load_checkpoint, save_atomic
from leap_avvp.training.module import build_module

SMALL = ("encoder=han", "encoder.dim=32", "decoder.dim=32", "decoder.num_heads=4", "scheduler=warmup_cosine")
NAMES = {  # as the first layout wrote them into its checkpoints
    "label_embedding": "leap_avvp.build.simulated_queries",
    "scheduler": "leap_avvp.schedules.WarmupCosine",
    "logger": "leap_avvp.loggers.csv_logger",
}


@pytest.fixture
def older() -> dict:
    content = plain(compose_config([*SMALL, "output_dir=x"]))
    for group, name in NAMES.items():
        content[group]["_target_"] = name
    content["decoder"]["label_queries"]["_target_"] = NAMES["label_embedding"]
    return content


def test_every_name_of_the_first_layout_leads_to_one_of_this(older: dict) -> None:
    now = renamed(older)
    check_targets(now)
    assert config_hash(now) == config_hash(plain(compose_config([*SMALL, "output_dir=x"])))
    assert older["logger"]["_target_"] == NAMES["logger"], "what was read stays as it is"


def test_a_checkpoint_of_the_first_layout_loads(older: dict, tmp_path: Path) -> None:
    from leap_avvp.config.build import Parts

    module = build_module(Parts(renamed(older)))
    stamp = {"config": older, "config_hash": config_hash(older), "version": "0.1.0"}
    save_atomic({"state_dict": module.state_dict(), CHECKPOINT_KEY: stamp}, tmp_path / "best.ckpt")
    parser, config = load_checkpoint(tmp_path / "best.ckpt")
    assert config["scheduler"]["_target_"] == "leap_avvp.training.schedules.WarmupCosine"
    for name, value in module.parser.state_dict().items():
        assert torch.equal(parser.state_dict()[name], value), name
