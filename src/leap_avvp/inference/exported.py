"""The exported folder: weights as safetensors and a plain config, which say all that a parser needs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from leap_avvp import __version__
from leap_avvp.config.build import Parts
from leap_avvp.config.job import check_model
from leap_avvp.config.paths import PLACES
from leap_avvp.data.packed.source import PACKED
from leap_avvp.data.targets import KINDS
from leap_avvp.errors import DataError
from leap_avvp.files import write_json, write_whole
from leap_avvp.files.links import pointer
from leap_avvp.inference.parser import Parser
from leap_avvp.models import VideoParser
from leap_avvp.training.checkpoint import check_weights, load_weights

__all__ = [
    "CONFIG_FILE",
    "MODEL_FILES",
    "README",
    "WEIGHTS_FILE",
    "model_content",
    "portable_config",
    "read_model",
    "write_model",
]

_FORMAT = "leap-avvp/model/1"
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
README = "README.md"
MODEL_FILES = (CONFIG_FILE, WEIGHTS_FILE)
_MOST_BYTES = 2**24
# Where a run went, who was told, and what it began from: nothing of the model.
_OF_THE_RUN = (
    *("output_dir", "logger", "group", "name", "resume", "overwrite", "init_from", "init_parts"),
    *("evaluate_untrained", "hydra", "card", "features"),
)
_ABSOLUTE = re.compile(r"[/~\\]|[A-Za-z]:[\\/]|file:")
_GONE = object()


def portable_config(parser: Parser) -> dict[str, Any]:
    """Return the plain config of a parser's training with its card and features, and without paths of the machine."""
    kept = {key: value for key, value in parser.config.items() if key not in _OF_THE_RUN}
    content = _portable(kept, "")
    assert isinstance(content, dict)
    return {**content, "card": parser.card.to_dict(), "features": parser.card.features.to_dict()}


def _portable(node: Any, path: str) -> Any:
    if isinstance(node, Mapping):
        found = {str(key): _portable(value, f"{path}.{key}" if path else str(key)) for key, value in node.items()}
        return {key: value for key, value in found.items() if value is not _GONE}
    if isinstance(node, list | tuple):
        return [value for value in (_portable(value, path) for value in node) if value is not _GONE]
    if isinstance(node, str):
        named = path in PLACES and node not in (*KINDS, *PACKED)
        return _GONE if named or _ABSOLUTE.match(node) else node
    if isinstance(node, float) and not math.isfinite(node):
        return str(node)  # JSON has no such numbers
    return node


def model_content(parser: Parser, kind: str = _FORMAT) -> dict[str, Any]:
    """Return all that a parser is made of but its weights, as plain content of a JSON file of this format."""
    content: dict[str, Any] = {
        "format": kind,
        "version": __version__,
        "config_hash": parser.config_hash,
        "trained_on": parser.trained_on,
        "protocol": parser.protocol.name,
        "config": portable_config(parser),
    }
    plain: dict[str, Any] = json.loads(json.dumps(content))
    return plain


def write_model(parser: Parser, folder: Path, readme: str) -> None:
    """Write weights, page and config of a parser; the config, without which the folder is no model, last.

    Raises:
        DataError: a file that cannot be written, or a model that cannot be made without paths of this machine.
    """
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in parser.model.state_dict().items()}
    plain = model_content(parser)
    _check(plain["config"], state, folder / CONFIG_FILE)
    (folder / CONFIG_FILE).unlink(missing_ok=True)  # what is half replaced is no model
    metadata = {"format": "pt"}  # one entry: several are written in any order, and the same model is the same file
    write_whole(folder / WEIGHTS_FILE, lambda part: safetensors.torch.save_file(state, part, metadata))
    write_whole(folder / README, readme)
    write_json(plain, folder / CONFIG_FILE)


def read_model(folder: Path, source: str) -> Parser:
    """Return the parser of an exported folder; its files are data alone.

    Args:
        folder: with ``model.safetensors`` and ``config.json``.
        source: names it in messages and records.

    Raises:
        ConfigError: a config that names what is not trusted.
        DataError: a file that is missing, damaged or foreign, or weights that do not fit the config.
    """
    content = _read_config(folder / CONFIG_FILE)
    path = folder / WEIGHTS_FILE
    state = _read_weights(path)
    config = check_model(content["config"], folder / CONFIG_FILE)
    _check(config, state, path)
    parts = Parts(config)
    model = parts.parser(_embedding(config, state))
    load_weights(model, state, path)
    trained_on = content.get("trained_on")
    return Parser(
        model,
        parts.card,
        parts.protocol(),
        source=source,
        trained_on=trained_on if isinstance(trained_on, str) else None,
        config=config,
        config_hash=str(content.get("config_hash", "")),
    )


def _embedding(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Tensor | None:
    """Return label vectors that are no parameters: the file that they came from need not be here."""
    learned = config["label_embedding"].get("kind") == "learnable"
    return None if learned else state.get("decoder.label_queries.embedding")


def _check(config: Mapping[str, Any], state: Mapping[str, Tensor], path: Path) -> None:
    """Hold weights against their config, of which shapes alone are made: it may ask for terabytes."""
    with torch.device("meta"):
        model: VideoParser = Parts(config).parser(_embedding(config, state))
    check_weights(model, state, path)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path}: expected the config of an exported model, found {path.stat().st_size:,} bytes")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); `leap-avvp export CKPT DIR` writes it") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: expected JSON, found damaged text; export the model again") from error
    found = content.get("format") if isinstance(content, dict) else None
    if not isinstance(content, dict) or found != _FORMAT or not isinstance(content.get("config"), dict):
        what = f"the format {str(found)[:60]!r}" if found else "no format"
        raise DataError(
            f"{path}: expected a model of the format {_FORMAT}, found {what}; `leap-avvp export` writes one"
        )
    return content


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        if not path.is_file():
            raise DataError(f"{path}: no such file; an exported model has it beside {CONFIG_FILE}")
        instead = pointer(path)
        if instead:
            raise DataError(f"{path}: {instead}")
        state: dict[str, Tensor] = safetensors.torch.load_file(path)
    except DataError:
        raise
    except Exception as error:  # of the format, of the file system, of torch for types that it has not
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{path}: expected weights as safetensors, cannot read them ({reason})") from error
    odd = next((name for name, tensor in state.items() if not tensor.is_floating_point()), None)
    if odd is not None:
        raise DataError(f"{path}: {odd[:80]}: expected floating-point numbers, found {state[odd].dtype}")
    return state
