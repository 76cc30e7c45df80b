"""Which names a config may call: those of the parts of a run, wherever its YAML or checkpoint came from."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from leap_avvp.errors import ConfigError, DataError

__all__ = ["TRUST_VARIABLE", "check_config_folder", "check_targets", "locate"]

TRUST_VARIABLE = "LEAP_AVVP_TRUSTED"
"""Environment variable: further packages, separated by commas, whose names a config may instantiate."""

# Of our own package the rooms of parts: the others write files, start processes or read command lines.
_ROOMS = (
    "config.queries",
    "data",
    "losses",
    "metrics",
    "models",
    "tracking.loggers",
    "training.noise",
    "training.progress",
    "training.saving",
    "training.schedules",
)
_OWN = tuple(f"leap_avvp.{room}" for room in _ROOMS)
# Of others classes alone: `LightningModule.load_from_checkpoint` is a name of Lightning's that unpickles.
_CLASSES = (
    "torch.optim",
    "torch.nn",
    "lightning.pytorch.callbacks",
    "lightning.pytorch.loggers",
    "lightning.pytorch.plugins",
    "lightning.pytorch.profilers",
    "lightning.pytorch.strategies",
    "lightning.pytorch.trainer.trainer",
)
_SHOWN = ("leap_avvp", "torch.optim", "torch.nn", "lightning.pytorch")
_RESOLVERS = ("oc.create", "oc.decode")  # they make a dict of a text, which no check of the dicts sees


def check_targets(node: Any, path: str = "") -> None:
    """Refuse a config that would call anything outside the trusted packages.

    A name must lead to a class or function that was defined there: ``leap_avvp.files.os.mkdir`` begins well, but is not
    ours.

    Args:
        node: plain dicts, lists and scalars, every reference in it resolved.
        path: the node's place in the whole config, for messages.

    Raises:
        ConfigError: naming the key and how to trust a package of one's own.
    """
    if isinstance(node, Mapping):
        if node.get("_target_") is not None:
            _check_target(node["_target_"], f"{path or 'config'}._target_")
        for key, value in node.items():
            check_targets(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            check_targets(value, f"{path}[{index}]")
    elif isinstance(node, str) and "${" in node:  # Hydra would resolve it, and maybe find a target, after this check
        raise ConfigError(f"{path}: expected plain text, found {node[:80]!r} after all references were resolved")


def check_config_folder(folder: Path) -> None:
    """Refuse a folder of somebody's YAML files, as ``--config-dir`` adds one, that would call what is not trusted.

    Hydra calls what stands below ``hydra:`` before any job of ours could look at it, so the files themselves are read.
    A file that is not YAML is left to Hydra, which says so when it is chosen.

    Raises:
        ConfigError: naming the file and the key.
        DataError: a file that cannot be read.
    """
    for file in sorted(folder.rglob("*.y*ml")):
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, ValueError, RecursionError):
            continue
        except OSError as error:
            raise DataError(f"{file}: cannot be read ({error.strerror})") from error
        _check_file(content, str(file), 0)


def _check_file(node: Any, path: str, depth: int) -> None:
    if depth > 50:  # an alias that holds itself
        raise ConfigError(f"{path[:200]}: expected a config, found one nested more than 50 deep")
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "_target_" and value is not None:
                _check_target(value, f"{path}: _target_")
            if key == "searchpath":
                raise ConfigError(f"{path}: searchpath would add unseen files; name each folder with --config-dir DIR")
            _check_file(value, f"{path}: {key}", depth + 1)
    elif isinstance(node, list):
        for value in node:
            _check_file(value, path, depth + 1)
    elif isinstance(node, str) and any(name in node for name in _RESOLVERS):
        raise ConfigError(f"{path}: expected plain values and references, found {node[:80]!r}; write the value itself")


def _check_target(target: object, path: str) -> None:
    own = [name.strip() for name in os.environ.get(TRUST_VARIABLE, "").split(",") if name.strip()]
    trusted = (*_SHOWN, *own)
    refusal = ConfigError(
        f"{path}: {str(target)[:200]!r} is outside the trusted packages ({', '.join(trusted)}), or no part of a run; "
        f"to use your own, set {TRUST_VARIABLE}=package"
    )
    if not isinstance(target, str) or not _below(target, trusted):
        raise refusal
    try:
        found = locate(target)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path}: {target[:200]!r}: no such name ({str(error).splitlines()[0][:200]})") from error
    origin = getattr(found, "__module__", None)
    is_class = inspect.isclass(found)
    if not isinstance(origin, str) or not (is_class or inspect.isroutine(found)):
        raise refusal
    if not (_below(origin, (*_OWN, *own)) or (is_class and _below(origin, _CLASSES))):
        raise refusal


def _below(name: str, packages: tuple[str, ...]) -> bool:
    return name.startswith(tuple(f"{package}." for package in packages)) or name in packages


def locate(target: str) -> Any:
    """Return what a dotted name stands for: the attribute of the longest part of it that is a module.

    Raises:
        ImportError: no such name.
    """
    first, *rest = target.split(".")
    found: Any = importlib.import_module(first)
    name = first
    for part in rest:
        name = f"{name}.{part}"
        if not hasattr(found, part):
            importlib.import_module(name)
        found = getattr(found, part)
    return found
