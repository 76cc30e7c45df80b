"""Which cells a study has, told without composing a config: as its last call has planned them, or counted."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from leap_avvp import __version__
from leap_avvp.files import write_whole

if TYPE_CHECKING:  # Hydra takes part of a second to import
    from leap_avvp.studies.plan import Plan

__all__ = ["PLAN_FILE", "planned_hashes", "remember", "sweep_size"]

PLAN_FILE = "plan.json"
"""In a study's folder: seed and config hash of each cell of its last call without overrides."""


def remember(plan: Plan) -> None:
    """Write a plan's cells into its folder; one with overrides is not the study as it stands, and is not written."""
    if not plan.overrides:
        cells = [[cell.seed, cell.config_hash] for cell in plan.cells]
        write_whole(plan.out / PLAN_FILE, json.dumps({"configs": _configs(), "cells": cells}) + "\n")


def planned_hashes(folder: Path, seeds: Sequence[int]) -> list[str] | None:
    """Return the config hashes of a study's cells with these seeds, in the order in which they run.

    Args:
        folder: of the study.
        seeds: of training.

    Returns:
        None where the folder does not say, or the configs have changed since.
    """
    try:
        content = json.loads((folder / PLAN_FILE).read_text(encoding="utf-8"))
        cells = [(int(seed), str(name)) for seed, name in content["cells"]]
        if content["configs"] != _configs() or not set(seeds) <= {seed for seed, _ in cells}:
            return None
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return [name for seed, name in cells if seed in seeds]


def sweep_size(study: str) -> int:
    """Return how many cells the sweep of ``conf/experiment/<study>.yaml`` has for one seed: its values are lists."""
    content = yaml.safe_load((_root() / "experiment" / f"{study}.yaml").read_text(encoding="utf-8"))
    params = content.get("hydra", {}).get("sweeper", {}).get("params", {})
    return math.prod(len(str(values).split(",")) for values in params.values())


def _root() -> Traversable:
    return resources.files("leap_avvp.conf")


def _configs() -> str:
    """Return what changes with the package's version and any of its config files."""
    digest = hashlib.sha256(__version__.encode())
    for file in _files(_root()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _files(folder: Traversable) -> Iterator[Traversable]:
    for place in sorted(folder.iterdir(), key=lambda place: place.name):
        if place.is_dir():
            yield from _files(place)
        elif place.name.endswith(".yaml"):
            yield place
