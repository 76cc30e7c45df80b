"""What tells configurations apart: a hash of all that can change a number, and folder names of a sweep's jobs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["cell_name", "config_hash"]

# What changes no number: where results go, who is told, what is printed. `init` stands in the parts that read it.
_UNHASHED = ("logger", "callbacks", "group", "name", "output_dir", "resume", "evaluate_untrained", "init", "hydra")
_UNHASHED_DATA = ("placement", "link_store")
_HASHED_CALLBACKS = ("monitor", "mode")
_NAME_LIMIT = 160


def cell_name(overrides: Sequence[str]) -> str:
    """Return a folder name for a job that names every override, so that no two jobs of a sweep share a folder."""
    text = ",".join(str(override) for override in overrides) or "default"
    safe = re.sub(r"[^A-Za-z0-9_.,=+-]+", "-", text)
    if safe == text and len(safe) <= _NAME_LIMIT:
        return safe
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]  # what was cut or replaced still tells jobs apart
    return f"{safe[:_NAME_LIMIT]}-{digest}"


def config_hash(content: Mapping[str, Any]) -> str:
    """Return 16 hex digits that tell plain configs apart by all that can change a number."""
    kept = {key: value for key, value in content.items() if key not in _UNHASHED}
    if isinstance(kept.get("data"), Mapping):
        kept["data"] = {key: value for key, value in kept["data"].items() if key not in _UNHASHED_DATA}
    if isinstance(content.get("callbacks"), Mapping):  # which epoch is tested
        kept["callbacks"] = {key: content["callbacks"].get(key) for key in _HASHED_CALLBACKS}
    text = json.dumps(_same_numbers(kept), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _same_numbers(node: Any) -> Any:
    """Write 1.0 as 1: a sweep over ``1`` and a file with ``1.0`` are the same configuration."""
    if isinstance(node, Mapping):
        return {key: _same_numbers(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_same_numbers(value) for value in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node
