"""What tells configurations apart: a hash of all that can change a number, and folder names of a sweep's jobs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from leap_avvp.card import LLP

__all__ = ["LINEAR_FRONTEND", "cell_name", "config_hash", "hashed"]

LINEAR_FRONTEND = {"_target_": "leap_avvp.models.Frontend"}
"""The group ``frontend`` of configs that have none: what ``conf/frontend/linear.yaml`` says."""

# What changes no number: where results go, who is told, what is printed. `init` stands in the parts that read it.
_UNHASHED = (
    *("logger", "group", "name", "output_dir", "resume", "overwrite", "evaluate_untrained", "init", "hydra"),
    *("system", "made_by"),  # the parts say what the system is; files that were made count below
    *("data.placement", "data.link_store", "data.eval_batch_size", "data.card"),  # what a card says stands in `card`
    *(f"trainer.{key}" for key in ("log_every_n_steps", "enable_model_summary", "enable_progress_bar", "profiler")),
)
_HASHED_CALLBACKS = ("monitor", "mode")  # which epoch is tested
_NEWER = ("init_from", "init_parts")  # keys that older configs lack; unset they change nothing
_BATCHES = (*(f"limit_{part}_batches" for part in ("train", "val", "test")), "overfit_batches", "val_check_interval")
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
    text = json.dumps(hashed(content), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hashed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a plain config can change a number.

    A file that another run made counts as that run's configuration, which ``made_by`` names, and not as the place where
    it lies: what is moved is not trained again, and what was made otherwise is.
    """
    made_by = content.get("made_by")
    for key, name in made_by.items() if isinstance(made_by, Mapping) else ():
        content = _replaced(content, str(key).split("."), str(name))
    built_in = {"features": LLP.features.to_dict(), "frontend": LINEAR_FRONTEND}  # older configs have none
    kept = {}
    for group, value in content.items():
        if group in _UNHASHED or (group in built_in and value == built_in[group]):
            continue
        if group == "callbacks" and isinstance(value, Mapping):
            kept[group] = {key: value.get(key) for key in _HASHED_CALLBACKS}
        elif isinstance(value, Mapping):
            parts = {key: part for key, part in value.items() if f"{group}.{key}" not in _UNHASHED}
            kept[group] = _one_batch(parts) if group == "trainer" else parts
        elif value is not None or group not in _NEWER:
            kept[group] = value
    return {key: _same_numbers(value) for key, value in kept.items()}


def _replaced(node: Mapping[str, Any], keys: Sequence[str], value: Any) -> dict[str, Any]:
    """Return a nested config with another value at a key."""
    first, *rest = keys
    below = node.get(first)
    return {**node, first: _replaced(below if isinstance(below, Mapping) else {}, rest, value) if rest else value}


def _one_batch(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """Tell Lightning's limits of 1, one batch, from 1.0, all of them."""
    one = [key for key, value in trainer.items() if key in _BATCHES and isinstance(value, int) and value == 1]
    return {**trainer, **dict.fromkeys(one, "1 batch")}


def _same_numbers(node: Any) -> Any:
    """Write 1.0 as 1: a sweep over ``1`` and a file with ``1.0`` are the same configuration."""
    if isinstance(node, Mapping):
        return {key: _same_numbers(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_same_numbers(value) for value in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node
