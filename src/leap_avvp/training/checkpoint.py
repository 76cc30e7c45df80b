"""Checkpoints of our own: reading one safely, telling which configuration it belongs to, and loading its weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leap_avvp.config.build import Parts
from leap_avvp.config.job import check_model
from leap_avvp.errors import DataError
from leap_avvp.files import write_whole
from leap_avvp.files.tensors import read_tensors
from leap_avvp.models import VideoParser
from leap_avvp.models.older import renamed_weights

__all__ = [
    "CHECKPOINT_KEY",
    "Trained",
    "check_weights",
    "checkpoint_file",
    "load_checkpoint",
    "load_trained",
    "load_weights",
    "parser_state",
    "read_checkpoint",
    "save_atomic",
    "stamp_of",
]

CHECKPOINT_KEY = "leap_avvp"
"""Where a checkpoint keeps its stamp: ``config`` (plain dict), ``config_hash``, ``directory`` of the training."""
_PREFIX = "parser."


def checkpoint_file(path: str | Path) -> Path:
    """Return the file that a path means: of the folder of a run, the weights of its best epoch."""
    path = Path(path)
    return path / "checkpoints" / "best.ckpt" if path.is_dir() else path


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a file of plain tensors and containers, whoever wrote it; nothing in it is executed.

    Raises:
        DataError: missing, damaged, or holding objects.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such checkpoint file")
    content = read_tensors(path)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise DataError(f"{path}: expected a dict of tensors by name, found {type(content).__name__}")
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
    state = checkpoint["state_dict"]
    wrong = None if isinstance(state, dict) else type(state).__name__
    if isinstance(state, dict):
        wrong = next((name for name, value in state.items() if not _is_weight(name, value)), None)
    if wrong is not None:
        raise DataError(f"{path}: state_dict: expected tensors by name, found {str(wrong)[:80]!r}; the file is damaged")
    return stamp


def _is_weight(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor) and not value.is_complex()


def parser_state(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the parser's own tensors of a checkpoint."""
    state: Mapping[str, Tensor] = checkpoint["state_dict"]
    return {name.removeprefix(_PREFIX): value for name, value in state.items() if name.startswith(_PREFIX)}


def check_weights(parser: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Check that a parser's tensors have the names and shapes of ``state``; the parser may be on the meta device.

    Raises:
        DataError: naming the first tensors that are missing, unknown or of another shape.
    """
    own, state = parser.state_dict(), renamed_weights(parser, state)
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


def load_weights(parser: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load a parser's tensors strictly.

    Raises:
        DataError: as :func:`check_weights`.
    """
    check_weights(parser, state, path)
    parser.load_state_dict(dict(state))


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a checkpoint holds of its training."""

    parser: VideoParser
    """In eval mode."""
    config: Mapping[str, Any]
    """Plain, with every name as it is called now."""
    directory: Path | None
    """In which the training was started: relative paths of the config begin there. Older checkpoints do not tell."""
    data_source: str | None = None
    """Whose data it was trained on, ``simulated`` for such ones. Older checkpoints do not tell."""


def load_checkpoint(path: str | Path) -> tuple[VideoParser, Mapping[str, Any]]:
    """Return the parser of a checkpoint, or of a run's folder, in eval mode, and its plain config.

    Raises:
        DataError: missing or damaged file, or weights that do not fit their own config.
    """
    trained = load_trained(path)
    return trained.parser, trained.config


def load_trained(path: str | Path) -> Trained:
    """Return what a checkpoint, or the best one of a run's folder, holds of its training.

    Raises:
        DataError: missing or damaged file, or weights that do not fit their own config.
    """
    path = checkpoint_file(path)
    checkpoint = read_checkpoint(path)
    stamp, state = stamp_of(checkpoint, path), parser_state(checkpoint)
    config = check_model(stamp["config"], path)
    parts = Parts(config)
    # The checkpoint carries its label vectors: the file that they came from need not be here.
    learned = config["label_embedding"].get("kind") == "learnable"
    embedding = None if learned else state.get("decoder.label_queries.embedding")
    with torch.device("meta"):  # holds shapes alone: a config that fits no weights may ask for terabytes
        check_weights(parts.parser(embedding), state, path)
    parser = parts.parser(embedding)
    load_weights(parser, state, path)
    directory, source = stamp.get("directory"), stamp.get("data_source")
    return Trained(
        parser.eval(),
        config,
        Path(directory) if isinstance(directory, str) else None,
        source if isinstance(source, str) else None,
    )


def save_atomic(content: Mapping[str, Any], path: Path) -> None:
    """Save tensors to ``path`` under a temporary name first."""

    def save(part: Path) -> None:
        with part.open("wb") as file:
            try:
                torch.save(dict(content), file)
            except RuntimeError as error:  # on a full disk: an error at its own end, behind that of the disk
                cause = error.__context__
                while cause is not None and not isinstance(cause, OSError):
                    cause = cause.__context__
                raise cause or error from None

    write_whole(path, save)
