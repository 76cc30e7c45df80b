"""Where a config enters: composed, explained, checked and hashed; parts and plain values leave.

A name is imported when it is first used: reading a help must not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leap_avvp.config.build import Parts
    from leap_avvp.config.job import TrainingJob, compose_job

__all__ = ["Parts", "TrainingJob", "compose_job"]

_HOMES = {"Parts": "build", "TrainingJob": "job", "compose_job": "job"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
