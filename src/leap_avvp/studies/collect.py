"""The runs below a folder, as records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from leap_avvp.errors import DataError
from leap_avvp.scoring.record import METRICS_FILE, RunRecord, read_record

__all__ = ["CELLS_FOLDER", "OUTPUTS", "collect_runs"]

OUTPUTS = Path("outputs")
"""The folders of all studies, where no other is named."""
CELLS_FOLDER = "cells"
"""In a study's folder: that of its runs."""


def collect_runs(roots: Iterable[Path]) -> tuple[dict[str, RunRecord], dict[Path, DataError]]:
    """Read the runs that lie two levels below the given folders (``<root>/<cell>/seed=<n>/metrics.json``).

    Returns:
        The records by config hash, which holds the seed, so that studies can share runs; the first found wins. And
        the folders whose file could not be used, each with the reason.
    """
    records: dict[str, RunRecord] = {}
    problems: dict[Path, DataError] = {}
    for root in roots:
        for path in sorted(root.glob(f"*/*/{METRICS_FILE}")):
            try:
                record = read_record(path)
            except DataError as error:
                problems[path.parent] = error
            else:
                records.setdefault(record.config_hash, record)
    return records, problems
