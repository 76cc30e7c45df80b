"""Protocols by name: the options of ``conf/protocol``, and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leap_avvp.config.build import build_part
from leap_avvp.config.compose import compose_config, plain
from leap_avvp.config.groups import option_files
from leap_avvp.config.paths import in_full
from leap_avvp.errors import ConfigError, nearest
from leap_avvp.metrics import Protocol

__all__ = ["named_protocols", "protocol_nodes"]

_FILES = (".yaml", ".yml", ".json", ".npz")
_GIVEN = ("checkpoint=.", "output_dir=.")  # what `evaluate` has no default for


def protocol_nodes(names: Sequence[str], key: str = "protocols") -> dict[str, Mapping[str, Any]]:
    """Return the plain nodes of protocols, by the names that they were asked for.

    Args:
        names: options of ``conf/protocol``, or files for ``protocol=from_file``.
        key: what is named in messages.

    Raises:
        ConfigError: neither an option nor a file, a name twice, or none.
    """
    options = option_files()["protocol"]
    if not names or len(set(names)) != len(names):
        raise ConfigError(f"{key}: expected different protocols, found {', '.join(map(str, names)) or 'none'}")
    nodes: dict[str, Mapping[str, Any]] = {}
    for name in names:
        if isinstance(name, str) and Path(name).suffix.lower() in _FILES:
            node = {**_node("from_file"), "path": in_full(name)}
        elif name in options:
            node = _node(name)
        else:
            near = nearest(str(name)[:80], options, limit=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(
                f"{key}: expected {', '.join(options)} or a file ({', '.join(_FILES)}), found {str(name)[:80]!r}{hint}"
            )
        nodes[name] = node
    return nodes


def named_protocols(names: Sequence[str], key: str = "protocols") -> dict[str, Protocol]:
    """Return protocols by the names of :func:`protocol_nodes`.

    Raises:
        LeapError: see there; or a file that is no protocol.
    """
    return {name: build_part(node, key) for name, node in protocol_nodes(names, key).items()}


def _node(option: str) -> dict[str, Any]:
    node = plain(compose_config([f"protocol={option}", *_GIVEN], "evaluate"))["protocol"]
    assert isinstance(node, dict)
    return node
