"""Which options name a file or a folder, and what is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from leap_avvp.config.comparison import PLACES as DATA_PLACES

__all__ = ["HYDRA_PLACES", "PLACES", "exists", "in_full", "places_in_full"]

PLACES = (
    *("checkpoint", "init_from", "output_dir", "data.link_store", "data.card", "data.pseudo_labels", "protocol.path"),
    "loss.relabel.noise_ratios",
    *DATA_PLACES,
)
HYDRA_PLACES = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")


def exists(path: str) -> bool:
    """Say whether a file or folder is there."""
    return bool(path) and os.path.lexists(in_full(path))


def in_full(path: str) -> str:
    """Return a path with ``~`` as the home folder that it stands for."""
    return os.path.expanduser(path)


def places_in_full(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return plain config with ``~`` in every option that names a file or a folder as the home folder."""
    full: dict[str, Any] = {}
    for key, value in content.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            full[key] = places_in_full(value, f"{path}.")
        elif path in PLACES and isinstance(value, str) and value.startswith("~"):
            full[key] = in_full(value)
        else:
            full[key] = value
    return full
