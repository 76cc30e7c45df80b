"""What a packing has finished, for the one that goes on after it was interrupted."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from leap_avvp.data.shards.format import Shard
from leap_avvp.data.shards.reader import ShardReader
from leap_avvp.errors import DataError
from leap_avvp.files import write_whole

__all__ = ["PackProgress"]


class PackProgress:
    """The shards that an unfinished packing has finished.

    Args:
        path: of the file that keeps them.
        plan: what tells the packing from others; what is left of another is not gone on from.
    """

    def __init__(self, path: Path, plan: str) -> None:
        self.path, self.plan = path, plan
        self.done: dict[str, dict[str, Any]] = {}
        """By split and file: ``shard``, None where all videos were missing, and how many were ``missing``."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["plan"] == plan:
                self.done = dict(content["done"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # nothing to go on from

    def holds(self, folder: Path, split: str, file: str, record: np.dtype[Any], block: int) -> bool:
        """Say whether a shard is finished, and its bytes still what was written; a power cut may have lost them."""
        known = self.done.get(split, {}).get(file)
        if known is None or known["shard"] is None:
            return known is not None
        try:
            ShardReader(folder, [Shard(**known["shard"])], record, block).verify()
        except DataError:
            return False
        return True

    def add(self, split: str, file: str, shard: Shard | None, missing: int) -> None:
        """Note a finished shard."""
        known = {"shard": None if shard is None else dataclasses.asdict(shard), "missing": missing}
        self.done.setdefault(split, {})[file] = known
        write_whole(self.path, json.dumps({"plan": self.plan, "done": self.done}))

    def shards(self, split: str) -> list[Shard]:
        """Return those of a split, in order."""
        found = [known["shard"] for _, known in sorted(self.done.get(split, {}).items())]
        return [Shard(**shard) for shard in found if shard is not None]

    def missing(self, split: str) -> int:
        """Return how many videos of a split were left out."""
        return sum(known["missing"] for known in self.done.get(split, {}).values())
