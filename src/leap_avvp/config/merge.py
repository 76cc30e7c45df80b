"""What a checkpoint is scored with: its own model, and its own data but for what the command line names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leap_avvp.config.build import Parts
from leap_avvp.config.cards import card_in, found_card, same_card
from leap_avvp.config.elsewhere import data_from_here, from_here
from leap_avvp.config.hashing import LINEAR_FRONTEND
from leap_avvp.config.job import MODEL_GROUPS, EvaluationJob
from leap_avvp.errors import ConfigError

__all__ = ["merge"]


def merge(job: EvaluationJob, trained: Mapping[str, Any], directory: Path | None = None) -> Parts:
    """Take the model from the checkpoint's config, and the data too, unless the command line names others.

    ``data=llp`` names others altogether; ``data.root=DIR`` and the like replace one key of the checkpoint's own.

    Args:
        job: what the command line asks for.
        trained: the plain config of the checkpoint.
        directory: in which the training was started, which relative paths of ``trained`` begin at.

    Raises:
        ConfigError: the command line names another model than the checkpoint's, or data of another card.
        DataError: the checkpoint's config is damaged, or its data lie neither there nor here.
    """
    named = [text.lstrip("+~").partition("=")[0] for text in job.overrides]
    for group in (*MODEL_GROUPS, "frontend"):
        if any(key == group or key.startswith(f"{group}.") for key in named):
            _check_same(job, trained, group)
    own = from_here(trained, directory)
    groups = [*MODEL_GROUPS, *(group for group in ("features", "card") if group in own)]
    merged = {**job.content, **{group: own[group] for group in groups}}
    merged["frontend"] = own.get("frontend", LINEAR_FRONTEND)
    keys = [key.removeprefix("data.") for key in named if key.startswith("data.")]
    if "data" in trained and "data" not in named:
        values = {key: _value(job.content["data"], key) for key in keys}
        merged["data"] = data_from_here(trained, directory, job.checkpoint, values)
    if "data" in named or {"root", "card"} & set(keys):
        found = found_card(merged["data"])
        if found is not None:
            known = card_in(trained)
            # Where features lie is the data's own affair, as long as the model can read them.
            same_card(job.checkpoint, known, found)
            merged |= {"features": found.features.to_dict(), "card": found.to_dict()}
    return Parts(merged)


def _check_same(job: EvaluationJob, trained: Mapping[str, Any], group: str) -> None:
    # How a layer starts is nothing once its weights are loaded.
    known = {"frontend": LINEAR_FRONTEND, **trained}
    ours, theirs = ({**each, "init": None} for each in (job.content[group], known[group]))
    difference = _first_difference(ours, theirs, group)
    if difference:
        raise ConfigError(
            f"{job.checkpoint}: a checkpoint of another configuration: {difference}; leave {group} out to use its own"
        )


def _first_difference(ours: Any, theirs: Any, path: str) -> str | None:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in sorted({*ours, *theirs}):
            found = _first_difference(ours.get(key), theirs.get(key), f"{path}.{key}")
            if found:
                return found
        return None
    return None if ours == theirs else f"{path} is {theirs!r} there and {ours!r} here"


def _value(node: Any, key: str) -> Any:
    """Return what stands at a dotted key, None where the command line took it away."""
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node
