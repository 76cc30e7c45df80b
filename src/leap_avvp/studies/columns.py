"""The columns of a study's table: scores of the test, and what a run costs; each read and written in one place."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from leap_avvp.errors import LeapError
from leap_avvp.scoring.record import RunRecord

__all__ = ["is_missing", "is_score", "multiply_adds", "shown", "shown_spread", "value"]

_NEWER = ("audible_only", "visible_only")
"""Scores that older runs have not."""
_NETWORK = ("frontend", "encoder", "decoder", "features", "card")


@dataclasses.dataclass(frozen=True)
class _Cost:
    """A column that is no score."""

    read: Callable[[RunRecord], float | None]
    unit: float
    """What is shown is a multiple of it."""
    digits: int
    varies: bool = False
    """Whether runs of one configuration differ in it."""


def value(key: str, record: RunRecord) -> float | None:
    """Return what a finished run has in a column, in percent, pieces or seconds; None where it does not tell."""
    cost = _COSTS.get(key)
    return record.test.get(key) if cost is None else cost.read(record)


def is_score(key: str) -> bool:
    """Say whether a column is a score, which each test video has."""
    return key not in _COSTS


def is_missing(key: str, record: RunRecord) -> bool:
    """Say whether a run lacks a score that every run has."""
    return is_score(key) and key not in record.test and key.rpartition("/")[2] not in _NEWER


def shown(key: str, number: float, sign: str = "") -> str:
    """Return a column's number as a table shows it: ``47.3`` million parameters."""
    cost = _COSTS.get(key)
    return f"{number:{sign}.1f}" if cost is None else f"{number / cost.unit:{sign}.{cost.digits}f}"


def shown_spread(key: str, std: float) -> str:
    """Return the spread over seeds, empty for what is the same for all."""
    cost = _COSTS.get(key)
    return f"±{shown(key, std)}" if cost is None or cost.varies else ""


def multiply_adds(config: Mapping[str, Any]) -> float | None:
    """Return the multiply-adds of parsing one video alone, counted once for each network.

    Matrix products and convolutions are counted, one multiply-add as one.

    Args:
        config: plain, of a run; None comes back for one whose network is not known any more.
    """
    return _count(json.dumps({name: config[name] for name in _NETWORK if name in config}, sort_keys=True))


@functools.cache
def _count(network: str) -> float | None:
    import torch  # here, not above: most tables have no such column

    from leap_avvp.config.build import Parts
    from leap_avvp.studies.operations import multiply_adds as counted

    content = json.loads(network)
    try:
        parts = Parts(content)
        card = parts.card
        width = (content["decoder"].get("label_queries") or {}).get("embedding_dim") or 1
        # `train`: the fused attention of inference is unknown to the counter.
        parser = parts.parser(torch.zeros(card.num_classes, int(width))).to("meta").train()
    except (LeapError, KeyError):
        return None
    widths = card.features.widths.items()
    features = {name: torch.empty(1, card.segments, width, device="meta") for name, width in widths}
    return counted(lambda: parser(**features))


def _parameters(record: RunRecord) -> float | None:
    total = record.parameters.get("total")
    return None if total is None else float(total)


_COSTS = {
    "parameters": _Cost(_parameters, 1e6, 1),
    "multiply_adds": _Cost(lambda record: multiply_adds(record.config), 1e6, 0),
    "time": _Cost(lambda record: record.wall_time_s.get("total"), 60.0, 1, varies=True),
}
