"""Checkpoints of our own: reading one safely, telling which configuration it belongs to, and loading its weights."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leap_avvp.errors import DataError
from leap_avvp.files import write_whole

__all__ = [
    "CHECKPOINT_KEY",
    "load_weights",
    "parser_state",
    "read_checkpoint",
    "save_atomic",
    "stamp_of",
    "write_json",
]

CHECKPOINT_KEY = "leap_avvp"
"""Where a checkpoint keeps its stamp: ``config`` (plain dict) and ``config_hash``."""
_PREFIX = "parser."


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a file of plain tensors and containers, whoever wrote it; nothing in it is executed.

    Raises:
        DataError: missing, damaged, or holding objects.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such checkpoint file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: damaged, or not a checkpoint of plain tensors ({reason})") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a dict of tensors, found {type(content).__name__}")
    return content


def stamp_of(checkpoint: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the stamp of a checkpoint that ``leap-avvp`` wrote.

    Raises:
        DataError: when it has none.
    """
    stamp = checkpoint.get(CHECKPOINT_KEY)
    if not isinstance(stamp, dict) or not isinstance(stamp.get("config"), dict) or "state_dict" not in checkpoint:
        raise DataError(
            f"{path}: not a checkpoint of leap-avvp; weights of a released program become one by "
            f"`leap-avvp convert {path} OUT.ckpt`"
        )
    return stamp


def parser_state(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the parser's own tensors of a checkpoint."""
    state: Mapping[str, Tensor] = checkpoint["state_dict"]
    return {name.removeprefix(_PREFIX): value for name, value in state.items() if name.startswith(_PREFIX)}


def load_weights(parser: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load a parser's tensors strictly.

    Raises:
        DataError: naming the first tensors that are missing, unknown or of another shape.
    """
    own = parser.state_dict()
    problems = [f"missing {name}" for name in own if name not in state]
    problems += [f"unknown {name}" for name in state if name not in own]
    problems += [
        f"{name} has shape {tuple(state[name].shape)} and not {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if problems:
        raise DataError(
            f"{path}: weights of another configuration, {len(problems)} tensors differ: {'; '.join(problems[:3])}"
        )
    parser.load_state_dict(dict(state))


def save_atomic(content: Mapping[str, Any], path: Path) -> None:
    """Save tensors to ``path`` under a temporary name first."""
    write_whole(path, lambda temporary: torch.save(dict(content), temporary))


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write JSON to ``path`` under a temporary name first; NaN is refused."""
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
