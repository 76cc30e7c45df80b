"""Trials that are run many times: a few of each in CI, all of them by ``make torture``, which counts them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest


@pytest.fixture
def promise(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Return ``promise(name, trials=1, **facts)``: what the report counts, and facts of which it shows all values."""

    def record(name: str, trials: int = 1, **facts: object) -> None:
        record_property("promise", json.dumps({"name": name, "trials": trials, "facts": facts}))

    return record
