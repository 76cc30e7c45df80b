"""A study and its runs as a table: published, measured, and their difference where the two may be compared."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Sequence

from leap_avvp.errors import DataError
from leap_avvp.scoring.record import RunRecord
from leap_avvp.studies import columns
from leap_avvp.studies.spec import Row, Study
from leap_avvp.studies.sweep import CellResult

__all__ = ["NOT_COMPARABLE", "Summary", "Table", "TableRow", "build_table", "provenance", "summarise"]

NOT_COMPARABLE = (
    "SIMULATED DATA: the measured values say nothing about the real LLP and are not comparable with the published ones."
)


@dataclasses.dataclass(frozen=True)
class Summary:
    """One metric over the seeds of a row, in percent."""

    values: tuple[float, ...]
    mean: float
    std: float | None
    """Sample standard deviation (n - 1); None for a single seed."""


@dataclasses.dataclass(frozen=True)
class TableRow:
    """One row of a study and its runs."""

    row: Row
    results: tuple[CellResult, ...]
    """One for each seed; none where the plan has no such cell."""

    @property
    def records(self) -> tuple[RunRecord, ...]:
        """The finished runs."""
        return tuple(result.record for result in self.results if result.record is not None)

    @property
    def state(self) -> str:
        """How many seeds stand behind the row: ``3 seeds``, ``2 of 3 seeds, 1 failed``, ``not run``."""
        finished, planned = len(self.records), len(self.results)
        failed = sum(result.status == "failed" for result in self.results)
        if finished == 0:
            return "failed" if failed else "not run"
        seeds = f"{planned} seed{'s' if planned > 1 else ''}"
        if finished == planned:
            return seeds
        return f"{finished} of {seeds}" + (f", {failed} failed" if failed else "")

    def measured(self, key: str) -> Summary | None:
        """Summarise one column over the finished runs; None where there is none, or one does not tell."""
        values = [columns.value(key, record) for record in self.records]
        known = [value for value in values if value is not None]
        return summarise(known) if known and len(known) == len(values) else None


@dataclasses.dataclass(frozen=True)
class Table:
    """A study's rows with their runs."""

    study: Study
    rows: tuple[TableRow, ...]
    data_source: str
    """Of all runs; where nothing ran, of the plan."""
    overrides: tuple[str, ...] = ()
    """What the user changed in every cell."""

    @property
    def records(self) -> tuple[RunRecord, ...]:
        """All finished runs."""
        return tuple(record for row in self.rows for record in row.records)

    @property
    def comparable(self) -> bool:
        """Whether a difference from the published values means anything: every run used the real LLP."""
        records = self.records
        return bool(records) and all(record.data_source == "llp" for record in records)

    @property
    def warning(self) -> str | None:
        """The line that must stand wherever measured values stand."""
        if self.data_source == "llp":
            return None
        if self.data_source == "simulated":
            return NOT_COMPARABLE
        return f"Measured on {self.data_source}, not on LLP: not comparable with the published values."

    def difference(self, row: TableRow, key: str) -> float | None:
        """Measured minus published, in percentage points; None where they may not be compared or one is absent."""
        measured, published = row.measured(key), row.row.published.get(key)
        if not self.comparable or measured is None or published is None:
            return None
        return measured.mean - published


def summarise(values: Iterable[float]) -> Summary:
    """Return mean and spread of at least one value."""
    numbers = tuple(float(value) for value in values)
    return Summary(numbers, statistics.fmean(numbers), statistics.stdev(numbers) if len(numbers) > 1 else None)


def build_table(study: Study, results: Sequence[CellResult], data_source: str, overrides: Sequence[str] = ()) -> Table:
    """Put every cell into the row of the study that its config matches.

    A row that matches cells of several swept values (the user has added an axis) becomes a row for each, and cells that
    no row matches get rows of their own, so that only seeds are ever averaged.

    Args:
        study: rows and columns.
        results: all cells of a plan.
        data_source: what the plan runs on, ``simulated``, or the name of a data card, as ``llp``.
        overrides: what the user changed in every cell; the table says so.

    Raises:
        DataError: runs on simulated and on real data together, or a run without one of the metrics.
    """
    for record in (result.record for result in results if result.record is not None):
        for key in study.columns:
            if columns.is_missing(key, record):
                raise DataError(f"{record.path}: test: expected the metric {key!r}, found {', '.join(record.test)}")
    sources = {result.record.data_source for result in results if result.record is not None}
    if len(sources) > 1:
        raise DataError(f"{study.name}: runs on {' and '.join(sorted(sources))} data cannot share a table")
    rows: list[TableRow] = []
    left = list(results)
    for row in study.rows:
        mine = [result for result in left if row.matches(result.cell.config)]
        left = [result for result in left if result not in mine]
        groups = _by_label(mine)
        if len(groups) < 2:
            rows.append(TableRow(row, tuple(mine)))
        for label, group in groups.items() if len(groups) > 1 else ():
            rows.append(TableRow(dataclasses.replace(row, label=f"{row.label} ({label})"), tuple(group)))
    for label, group in _by_label(left).items():
        rows.append(TableRow(Row(label, {}, {}), tuple(group)))
    return Table(study, tuple(rows), sources.pop() if sources else data_source, tuple(overrides))


def _by_label(results: Iterable[CellResult]) -> dict[str, list[CellResult]]:
    groups: dict[str, list[CellResult]] = {}
    for result in results:
        groups.setdefault(result.cell.label, []).append(result)
    return groups


def provenance(table: Table) -> list[str]:
    """Return the lines that say where the measured values come from."""
    records = table.records
    if not records:
        return ["measured: nothing yet"]
    several = any(len(row.records) > 1 for row in table.rows)
    spread = " (± is the sample standard deviation over them)" if several else ""
    lines = [
        f"data: {_each((_details(record) for record in records), ' | ')}",
        f"protocol: {_protocols(table)}",
        f"seeds: {_each(str(record.seed) for record in records)}" + spread,
        f"epochs: {_each(str(record.epochs) for record in records)}, "
        f"best: {_each(str(record.best_epoch) for record in records)}",
        f"device: {_each(record.device for record in records)}",
        f"wall time: {sum(record.wall_time_s.get('total', 0.0) for record in records):.0f} s for {_runs(records)}",
        f"versions: {_each((_versions(record) for record in records), ' | ')}",
    ]
    untrained = [
        record.untrained["average"] for record in records if record.untrained and "average" in record.untrained
    ]
    if untrained:
        lines.append(f"untrained model, for scale: Avg. {_spread(summarise(untrained))}")
    if table.overrides:
        lines.append(f"changed by hand: {' '.join(table.overrides)}")
    hashes = ((row.row.label, [record.config_hash[:8] for record in row.records]) for row in table.rows)
    lines.append("configs: " + "; ".join(f"{label}: {' '.join(names)}" for label, names in hashes if names))
    return lines


def _protocols(table: Table) -> str:
    """Return the protocol, and where there are several, which rows are under each."""
    under: dict[str, list[str]] = {}
    for row in table.rows:
        for name in dict.fromkeys(str(record.protocol.get("name")) for record in row.records):
            under.setdefault(name, []).append(row.row.label)
    return " | ".join(name if len(under) == 1 else f"{name}: {'; '.join(labels)}" for name, labels in under.items())


def _each(texts: Iterable[str], separator: str = ", ") -> str:
    return separator.join(dict.fromkeys(texts))


def _details(record: RunRecord) -> str:
    videos = record.data.get("videos")
    sizes = ", ".join(f"{split} {size}" for split, size in videos.items()) if isinstance(videos, dict) else ""
    return f"{record.data_source} ({sizes} videos)" if sizes else record.data_source


def _versions(record: RunRecord) -> str:
    return ", ".join(f"{name} {number}" for name, number in record.versions.items())


def _runs(records: Sequence[RunRecord]) -> str:
    return f"{len(records)} run{'s' if len(records) > 1 else ''}"


def _spread(summary: Summary) -> str:
    return f"{summary.mean:.1f}" + ("" if summary.std is None else f" ± {summary.std:.1f}")
