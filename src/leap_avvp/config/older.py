"""Configs that an older layout of this package wrote into its checkpoints: their names, as they are called now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["renamed"]

_MOVED = {
    "leap_avvp.build.simulated_queries": "leap_avvp.config.queries.simulated_queries",
    "leap_avvp.schedules.WarmupCosine": "leap_avvp.training.schedules.WarmupCosine",
    **{
        f"leap_avvp.loggers.{name}": f"leap_avvp.tracking.loggers.{name}"
        for name in ("csv_logger", "tensorboard_logger", "wandb_logger")
    },
}


def renamed(node: Any) -> Any:
    """Return plain content with every ``_target_`` that has moved under its present name."""
    if isinstance(node, Mapping):
        return {
            key: _MOVED.get(value, value) if key == "_target_" and isinstance(value, str) else renamed(value)
            for key, value in node.items()
        }
    return [renamed(value) for value in node] if isinstance(node, list | tuple) else node
