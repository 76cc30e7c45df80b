"""Protocols in files: thresholds that were chosen elsewhere, for each class, and those that we choose."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from leap_avvp.errors import ConfigError, DataError, nearest
from leap_avvp.files import write_whole
from leap_avvp.files.npz import open_npz
from leap_avvp.metrics.protocol import Protocol

__all__ = ["read_protocol", "write_protocol"]

_FIELDS = tuple(field.name for field in dataclasses.fields(Protocol))
_MOST_BYTES = 2**20
_HEAD = """\
# An evaluation protocol: leap-avvp evaluate RUN protocol=from_file protocol.path=THIS
# {name}
"""


def read_protocol(path: str | Path | None) -> Protocol:
    """Read a protocol from a file (``protocol=from_file``).

    Args:
        path: ``.yaml``, ``.yml`` or ``.json`` with the fields of :class:`~leap_avvp.metrics.Protocol`, or ``.npz`` with
            an array for each: a threshold is one number or (C,) of them, by class.

    Raises:
        ConfigError: no path, a field that there is not, or a value that it cannot have.
        DataError: a file that is missing or damaged.
    """
    if path is None:
        raise ConfigError("protocol.path: expected the file of a protocol (YAML, JSON or .npz): protocol.path=FILE")
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected a protocol as YAML, JSON or .npz")
    content = _arrays(path) if path.suffix.lower() == ".npz" else _text(path)
    for key in content:
        if key not in _FIELDS:
            near = nearest(str(key)[:80], _FIELDS, limit=1)
            hint = f"; did you mean {near[0]}?" if near else f"; the fields are {', '.join(_FIELDS)}"
            raise ConfigError(f"{path}: expected the fields of a protocol, found {str(key)[:80]!r}{hint}")
    if not isinstance(content.get("note", ""), str):
        raise ConfigError(f"{path}: note: expected text, found {content['note']!r}")
    try:
        return Protocol(**content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {str(error).removeprefix('protocol.')}") from error


def write_protocol(path: str | Path, protocol: Protocol) -> None:
    """Write a protocol as YAML, whole or not at all; :func:`read_protocol` gives the same one back.

    Raises:
        DataError: the file cannot be written.
    """
    content: dict[str, Any] = {}
    for field in dataclasses.fields(Protocol):
        value = getattr(protocol, field.name)
        if value != field.default or field.name == "filter":
            content[field.name] = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120)
    write_whole(Path(path), _HEAD.format(name=" ".join(protocol.name.split())) + text)


def _text(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path}: expected a protocol of at most {_MOST_BYTES:,} bytes, found a larger file")
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{path}: expected a protocol as YAML or JSON, cannot read it ({reason})") from error
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path}: expected the fields of a protocol, found {str(content)[:80]!r}")
    return {str(key): value for key, value in content.items()}


def _arrays(path: Path) -> dict[str, Any]:
    with open_npz(path) as archive:
        for name in archive.names:
            header = archive.header(name)
            if len(header.shape) > 1 or header.data_bytes > _MOST_BYTES or header.dtype.kind not in "fiubU":
                found = f"{header.dtype} {header.shape}"
                raise DataError(f"{path}: {name[:80]!r}: expected a number, or one for each class, found {found}")
        return {name: _value(archive.read(name)) for name in archive.names}


def _value(array: np.ndarray[Any, Any]) -> Any:
    # A float32 0.45 stands for the number that was meant: thresholds are compared as Python numbers.
    if array.dtype.kind == "f" and array.dtype.itemsize < 8:
        array = np.array([float(str(each)) for each in array.ravel()]).reshape(array.shape)
    return array.tolist()
