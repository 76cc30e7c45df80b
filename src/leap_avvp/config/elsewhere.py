"""Where the data of a run lie: paths that its config names, found from another folder than the training's too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leap_avvp.config.comparison import PLACES
from leap_avvp.data.packed.source import PACKED
from leap_avvp.data.targets import KINDS
from leap_avvp.errors import ConfigError, DataError

__all__ = ["DATA_KEYS", "data_from_here", "from_here"]

DATA_KEYS = ("root", "annotations", "packed", "link_store", "card")
"""The keys of ``data`` that name files or folders."""
_PLACES = {*PLACES, *(f"data.{key}" for key in (*DATA_KEYS, "pseudo_labels"))}
_NAMES = ("", *PACKED, *KINDS)  # what stands there without being a path


def from_here(content: Mapping[str, Any], directory: Path | None) -> dict[str, Any]:
    """Return a run's config with each relative path as it is found: from the training's folder, else from here.

    Args:
        content: plain; what is absolute, or lies in neither place, stays as it is.
        directory: in which the training was started; None where that is not known.
    """
    return _walk(content, "", directory)


def data_from_here(
    trained: Mapping[str, Any], directory: Path | None, checkpoint: Path, changed: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the ``data`` of a run's config as :func:`from_here` finds them, with what is named for this time.

    Args:
        trained: the plain config of a checkpoint.
        directory: in which the training was started; None where that is not known.
        checkpoint: for messages.
        changed: keys of ``data``, dotted where they lie deeper, with the values that replace the run's own.

    Raises:
        ConfigError: a place is named for data that have none.
        DataError: the config is damaged, or the data lie neither there nor here.
    """
    own, changed = trained.get("data"), changed or {}
    if not isinstance(own, Mapping):
        raise DataError(f"{checkpoint}: config: data: expected a group, found {str(own)[:80]!r}")
    target = str(own.get("_target_"))
    for key in changed:
        if key in DATA_KEYS and target.endswith(".simulated_data"):
            raise ConfigError(
                f"data.{key}: expected data in files, found the simulated ones of {checkpoint}; leave data.{key} out, "
                "or evaluate with data=llp"
            )
    data = _walk(own, "data.", directory)
    for key, value in changed.items():
        _put(data, key.split("."), value)
    if target.startswith("leap_avvp.") and "root" not in changed:
        _check_root(data, directory, checkpoint)
    return data


def _walk(node: Mapping[str, Any], prefix: str, directory: Path | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found[key] = _walk(value, f"{path}.", directory)
        else:
            found[key] = _place(value, directory) if path in _PLACES else value
    return found


def _place(value: Any, directory: Path | None) -> Any:
    if directory is None or not isinstance(value, str) or value in _NAMES:
        return value
    there = directory / value  # an absolute one is left as it is
    return str(there) if there.exists() else value


def _put(node: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(node.get(key), dict):
            node[key] = {}
        node = node[key]
    node[keys[-1]] = value


def _check_root(data: Mapping[str, Any], directory: Path | None, checkpoint: Path) -> None:
    root = data.get("root")
    if not isinstance(root, str) or data.get("packed", "auto") not in PACKED or Path(root).exists():
        return
    looked = str(Path(root).parent) if Path(root).is_absolute() or directory is None else f"{directory} and here"
    raise DataError(
        f"{checkpoint}: expected its data in data.root={root}, found no such folder in {looked}; "
        "data.root=DIR says where they lie now"
    )
