"""Studies: tables and figures of the paper as cells to run, records to collect and published values to stand beside.

A name is imported when it is first used: `leap-avvp reproduce list` must not wait for Hydra.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leap_avvp.studies.launch import reproduce, reproduce_all
    from leap_avvp.studies.listing import list_studies, print_studies
    from leap_avvp.studies.spec import Study, load_study, study_names

__all__ = ["Study", "list_studies", "load_study", "print_studies", "reproduce", "reproduce_all", "study_names"]

_HOMES = {"list_studies": "listing", "print_studies": "listing", "reproduce": "launch", "reproduce_all": "launch"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'spec')}"), name)
