"""Score a checkpoint: its own model, on its own data or on others, under a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from leap_avvp.config.build import build_data, build_parser, build_protocol
from leap_avvp.config.compose import config_hash, explain, plain
from leap_avvp.errors import ConfigError, DataError, check_choice
from leap_avvp.losses import ParsingLoss
from leap_avvp.metrics import Protocol
from leap_avvp.models import VideoParser
from leap_avvp.scoring.predictions import write_predictions
from leap_avvp.training.checkpoint import (
    check_weights,
    load_weights,
    parser_state,
    read_checkpoint,
    stamp_of,
    write_json,
)
from leap_avvp.training.module import ParsingModule
from leap_avvp.training.run import device_name, make_trainer, prepare_folder, quiet, versions

__all__ = ["EVALUATION_FORMAT", "load_checkpoint", "run"]

EVALUATION_FORMAT = "leap-avvp/evaluation/1"
_MODEL_GROUPS = ("encoder", "decoder", "label_embedding")


def load_checkpoint(path: Path) -> tuple[VideoParser, DictConfig]:
    """Return the parser of a checkpoint in eval mode, and the config that it was trained with.

    Raises:
        DataError: missing or damaged file, or weights that do not fit their own config.
    """
    checkpoint = read_checkpoint(path)
    stamp, state = stamp_of(checkpoint, path), parser_state(checkpoint)
    try:
        config = OmegaConf.create(stamp["config"])
        for group in _MODEL_GROUPS:
            if not isinstance(config.get(group), DictConfig):
                raise DataError(f"{path}: config: expected the group {group}, found none; the file is damaged")
        # The checkpoint carries its label vectors: the file that they came from need not be here.
        embedding = state.get("decoder.label_queries.embedding")
        if config.label_embedding.get("kind") == "learnable":
            embedding = None
        with torch.device("meta"):  # holds shapes alone: a config that fits no weights may ask for terabytes
            check_weights(build_parser(config, embedding), state, path)
        parser = build_parser(config, embedding)
    except OmegaConfBaseException as error:
        raise DataError(f"{path}: config: {explain(error)}; the file is damaged") from error
    load_weights(parser, state, path)
    return parser.eval(), config


def _touched(overrides: Sequence[str], group: str) -> bool:
    return any(text.lstrip("+~").startswith((f"{group}=", f"{group}.")) for text in overrides)


def _first_difference(ours: Any, theirs: Any, path: str) -> str | None:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            found = _first_difference(ours.get(key), theirs.get(key), f"{path}.{key}")
            if found:
                return found
        return None
    return None if ours == theirs else f"{path} is {theirs!r} there and {ours!r} here"


def _merge(config: DictConfig, trained: DictConfig, overrides: Sequence[str], path: Path) -> DictConfig:
    """Take the model from the checkpoint, and the data too unless the command line names others."""
    merged = OmegaConf.create(plain(config))
    for group in _MODEL_GROUPS:
        if _touched(overrides, group):
            difference = _first_difference(plain(config)[group], OmegaConf.to_container(trained[group]), group)
            if difference:
                raise ConfigError(
                    f"{path}: a checkpoint of another configuration: {difference}; leave {group} out to use its own"
                )
        merged[group] = trained[group]
    if not _touched(overrides, "data") and "data" in trained:
        if not isinstance(trained.data, DictConfig):
            raise DataError(f"{path}: config: data: expected a group, found {str(trained.data)[:80]!r}")
        merged.data = trained.data
    return merged


def run(config: DictConfig, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Evaluate ``config.checkpoint``; write ``evaluation.json`` and the predictions; return what the former holds.

    Args:
        config: composed ``evaluate`` config.
        overrides: what the command line named, which decides between the checkpoint's parts and the composed ones.
    """
    quiet()
    check_choice("split", config.split, ("val", "test"))
    path = Path(str(config.checkpoint))
    output_dir = Path(str(config.output_dir))
    prepare_folder(output_dir)
    parser, trained = load_checkpoint(path)
    merged = _merge(config, trained, overrides, path)
    data = build_data(merged)
    protocol: Protocol = build_protocol(merged)
    module = ParsingModule(parser, ParsingLoss(), protocol)
    trainer = make_trainer(merged, output_dir, False, [])
    loader = data.test_dataloader() if config.split == "test" else data.val_dataloader()
    trainer.test(module, dataloaders=loader, verbose=False)
    predictions = module.test_predictions()
    write_predictions(output_dir / f"predictions_{config.split}.npz", **predictions)
    result = {
        "format": EVALUATION_FORMAT,
        "checkpoint": str(path),
        "config_hash": config_hash(trained),
        "data_source": data.source.name,
        "data": data.source.describe(),
        "split": config.split,
        "videos": len(predictions["video_ids"]),
        "protocol": {"name": protocol.name},
        "scores": dict(module.scores),
        "device": device_name(trainer.strategy.root_device),
        "versions": versions(),
    }
    write_json(result, output_dir / f"evaluation_{config.split}.json")
    return result
