"""What differs between two configurations, as far as it can change a number."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from leap_avvp.config.hashing import hashed

__all__ = ["PLACES", "Difference", "differences", "shown"]

_ABSENT = object()
PLACES = (
    *("data.root", "data.annotations", "data.packed"),
    *(f"{node}.{key}" for node in ("label_embedding", "decoder.label_queries") for key in ("path", "search")),
)
"""Keys that name where the same data may lie: the videos and labels there are compared instead."""
# Which device of a kind, and how many share the batches.
_DEVICES = tuple(f"trainer.{key}" for key in ("accelerator", "devices", "strategy", "num_nodes"))
_SHARES = ("data.batch_size", "trainer.accumulate_grad_batches")
_LENGTHS = ("trainer.max_epochs", "data.schedule.max_epochs", "scheduler.T_max")


@dataclasses.dataclass(frozen=True)
class Difference:
    """One key with its two values."""

    key: str
    theirs: Any
    ours: Any

    @property
    def is_place(self) -> bool:
        """Whether only the place of the data differs, which may hold the same."""
        return self.key in PLACES

    @property
    def is_longer(self) -> bool:
        """Whether ours is the same training with more epochs."""
        numbers = isinstance(self.theirs, int) and isinstance(self.ours, int)
        return self.key in _LENGTHS and numbers and (self.ours > self.theirs or self.ours == -1)

    @property
    def is_share(self) -> bool:
        """Whether only the share of a step that a process has differs; the step itself may be the same."""
        return self.key in _SHARES

    def __str__(self) -> str:
        theirs, ours = ("not set" if value is _ABSENT else repr(value)[:80] for value in (self.theirs, self.ours))
        return f"{self.key} is {theirs} there and {ours} here"


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[Difference]:
    """Return what differs, key by key, in the order of ``ours``; devices of one kind count as the same.

    Args:
        theirs: a plain config that was kept with a run.
        ours: a plain config.
    """
    old, new = (dict(_leaves(hashed(content), "")) for content in (theirs, ours))
    keys = [*new, *(key for key in old if key not in new)]
    pairs = [Difference(key, old.get(key, _ABSENT), new.get(key, _ABSENT)) for key in keys if key not in _DEVICES]
    return [pair for pair in pairs if pair.theirs != pair.ours]


def shown(found: Sequence[Difference]) -> str:
    """Return differences as part of a message: the first three, and how many more there are."""
    more = f", and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(map(str, found[:3])) + more


def _leaves(node: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in node.items():
        path = f"{prefix}{key}"
        found += _leaves(value, f"{path}.") if isinstance(value, Mapping) else [(path, value)]
    return found
