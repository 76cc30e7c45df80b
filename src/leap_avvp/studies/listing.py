"""``leap-avvp reproduce list``: the studies, and what each costs: at once from earlier runs, or estimated."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table as RichTable

from leap_avvp.scoring.record import RunRecord
from leap_avvp.studies.collect import CELLS_FOLDER, OUTPUTS, collect_runs
from leap_avvp.studies.planned import planned_hashes, sweep_size
from leap_avvp.studies.spec import Study, load_study, study_names

__all__ = ["list_studies", "print_studies", "shown_time"]

_UNKNOWN = "unknown"
_RUNS, _MEASURED, _OPEN, _GUESS = "earlier runs", "estimate", "not known", "rule of thumb"
_LEGEND = {
    _RUNS: f"measured by earlier runs in {OUTPUTS}/, one after the other",
    _MEASURED: "operations counted, and this machine's CPU measured just now, all cores at work",
    _OPEN: "nothing of it has run here; --cost measures this machine and estimates it",
    _GUESS: "of any machine",
}
"""Where a time comes from."""


@dataclasses.dataclass(frozen=True)
class _Cost:
    """What is known of a study's cells on simulated data."""

    cells: int
    todo: Mapping[str, float | None] | None
    """Seconds by config hash of those to train; None where it is not known which those are."""


def list_studies() -> dict[str, str]:
    """Return the title of each study by its name."""
    return {name: load_study(name).title for name in study_names(runs_only=False)}


def print_studies(cost: bool = False) -> int:
    """Print what can be reproduced and what it costs here on simulated data; return the exit code.

    Args:
        cost: count operations and measure this machine, which takes a minute; else the earlier runs in ``outputs/``
            tell how long training takes.
    """
    view = RichTable(box=None)
    for heading in ("study", "title", "cells", "to train", "about", "from"):
        view.add_column(heading, justify="right" if heading in ("cells", "to train") else "left")
    records, _ = collect_runs(sorted(OUTPUTS.glob(f"*/{CELLS_FOLDER}")))
    studies = [load_study(name) for name in study_names(runs_only=False)]
    costs, origins = {}, set()
    for study in studies:
        if study.measure:
            view.add_row(study.name, study.title, "", "", "1 min", _GUESS)
            origins.add(_GUESS)
            continue
        costs[study.name] = found = _estimated(study) if cost else _known(study, records)
        shown = _shown(found, bool(records), cost)
        view.add_row(study.name, study.title, str(found.cells), *shown)
        origins.add(shown[-1])
    every: dict[str, float | None] | None = {}
    for found in costs.values():  # what studies have in common counts once
        every = None if found.todo is None or every is None else dict(found.todo) | every
    total = _Cost(sum(found.cells for found in costs.values()), every)
    view.add_row("all", "all of them, and one report", "", *_shown(total, True, cost))
    Console().print(view)
    print("\nOn simulated data. What studies have in common is trained once.")
    for origin in sorted(origins & _LEGEND.keys()):
        print(f"{origin}: {_LEGEND[origin]}.")
    return 0


def shown_time(seconds: float) -> str:
    """Return a duration as one says it: ``5 min``, ``2.5 h``."""
    return f"{max(1, round(seconds / 60))} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _known(study: Study, records: Mapping[str, RunRecord]) -> _Cost:
    """Tell a study's cost from what lies in the outputs folder: its last plan, and the runs."""
    hashes = planned_hashes(OUTPUTS / f"{study.name}-simulated", study.seeds)
    if hashes is None:
        return _Cost(sweep_size(study.name) * len(study.seeds), None)
    took = [records[name].wall_time_s.get("total", 0.0) for name in hashes if name in records]
    each = statistics.fmean(took) if took else None
    return _Cost(len(hashes), {name: each for name in hashes if name not in records})


def _estimated(study: Study) -> _Cost:
    """Compose a study's configs and estimate what its cells cost."""
    from leap_avvp.studies.cost import estimate_seconds  # bring Hydra and torch
    from leap_avvp.studies.plan import make_plan
    from leap_avvp.studies.sweep import inspect_plan

    results, _ = inspect_plan(make_plan(study.name, seeds=study.seeds))
    cells = [result.cell for result in results if result.status != "finished"]
    return _Cost(len(results), {cell.config_hash: estimate_seconds([cell]) for cell in cells})


def _shown(cost: _Cost, some_ran: bool, estimated: bool) -> tuple[str, str, str]:
    """Return how many cells are to train, how long that takes, and how that is known."""
    if cost.todo is None:  # another study's runs may be among them
        return f"at most {cost.cells}" if some_ran else str(cost.cells), _UNKNOWN, _OPEN
    seconds = [value for value in cost.todo.values() if value is not None]
    if len(seconds) < len(cost.todo):
        return str(len(cost.todo)), _UNKNOWN, _OPEN
    if not seconds:
        return "0", "nothing", ""
    return str(len(cost.todo)), shown_time(sum(seconds)), _MEASURED if estimated else _RUNS
