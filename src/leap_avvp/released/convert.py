"""Weights between files: a released program's state dict to our checkpoint, and back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import Tensor

from leap_avvp import __version__
from leap_avvp.card import named_features
from leap_avvp.config.compose import compose_config, plain
from leap_avvp.config.hashing import config_hash
from leap_avvp.errors import DataError
from leap_avvp.models.label_files import read_label_embedding
from leap_avvp.released import Architecture, describe, load_released, recognise, to_released
from leap_avvp.released.registry import architecture_of, program_of
from leap_avvp.training.checkpoint import CHECKPOINT_KEY, load_checkpoint, read_checkpoint, save_atomic

__all__ = ["convert"]

_EXTRAS_KEY = "released_extras"


def _state_dict(content: dict[str, Any], path: Path) -> dict[str, Tensor]:
    nested = content.get("state_dict", content)
    if not isinstance(nested, dict) or not all(isinstance(value, Tensor) for value in nested.values()):
        raise DataError(f"{path}: expected a state dict (name -> tensor), found other objects in it")
    return {str(name).removeprefix("module."): value for name, value in nested.items()}


def _config_of(architecture: Architecture) -> dict[str, Any]:
    content = plain(compose_config([*program_of(architecture).words(architecture), "data=llp", "output_dir=."]))
    content["features"] = architecture.features.to_dict()
    content["label_embedding"]["path"] = None  # the checkpoint carries the vectors themselves
    return content


def convert(
    source: str | Path,
    target: str | Path,
    label_embedding: str | Path | None = None,
    num_heads: int | None = None,
    features: str | Path | None = None,
) -> str:
    """Convert ``source`` into ``target``, the direction told from what ``source`` holds; return one line about it.

    Args:
        source: a released program's weights, or a checkpoint of ``leap-avvp``.
        target: where the other kind is written (under a temporary name first).
        label_embedding: a file that :func:`~leap_avvp.models.label_files.read_label_embedding` knows; needed to import
            LEAP, whose released weights do not hold the label vectors.
        num_heads: of an imported encoder's attention, which weights do not tell; None takes the program's own.
        features: an option of the config or a YAML file: what an imported program reads; None takes the package's set
            with such widths.

    Raises:
        DataError: naming the file and what is wrong with it.
        ConfigError: heads that do not divide the width, or no such features.
    """
    source, target = Path(source), Path(target)
    content = read_checkpoint(source)
    if CHECKPOINT_KEY in content:
        parser, _ = load_checkpoint(source)
        parser.released_extras = content.get(_EXTRAS_KEY)
        released = to_released(parser)
        save_atomic(released, target)
        return f"{target}: {describe(architecture_of(parser))} as released, {len(released)} tensors"
    state = _state_dict(content, source)
    embedding = None if label_embedding is None else read_label_embedding(label_embedding)
    known = None if features is None else named_features(features)
    architecture = dataclasses.replace(recognise(state, known), num_heads=num_heads)
    parser = load_released(state, embedding, num_heads=num_heads, features=known)
    config = _config_of(architecture)
    stamp = {"config": config, "config_hash": config_hash(config), "version": __version__}
    own = {f"parser.{name}": value for name, value in parser.state_dict().items()}
    checkpoint = {"state_dict": own, CHECKPOINT_KEY: stamp, _EXTRAS_KEY: parser.released_extras}
    save_atomic(checkpoint, target)
    return (
        f"{target}: a checkpoint of {describe(architecture)} for "
        f"`leap-avvp evaluate checkpoint={target} data=llp data.root=DIR`"
    )
