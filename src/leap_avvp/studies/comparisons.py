"""The pairs of rows that a study compares, each with its difference and how sure it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import DataError
from leap_avvp.scoring.bootstrap import RESAMPLES, Difference, paired_bootstrap
from leap_avvp.scoring.per_video import PER_VIDEO_FILE, read_per_video
from leap_avvp.studies.columns import is_score
from leap_avvp.studies.tables import Table, TableRow

__all__ = ["Comparison", "compare_rows", "reading"]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two rows of a table."""

    first: str
    second: str
    differences: Mapping[str, Difference]
    """By metric; empty where it could not be computed."""
    problem: str = ""
    """Why not."""


def compare_rows(table: Table) -> list[Comparison]:
    """Compare the pairs that the study names, as far as both rows have finished runs with per-video results."""
    rows = {row.row.label: row for row in table.rows}
    found = []
    for first, second in table.study.compare:
        if first not in rows or second not in rows or not (rows[first].records and rows[second].records):
            continue
        try:
            found.append(_compare(table, rows[first], rows[second]))
        except DataError as error:
            found.append(Comparison(first, second, {}, str(error)))
    return found


def reading(table: Table) -> list[str]:
    """Return what must be known to read the differences."""
    seeds = max((len(row.records) for row in table.rows), default=0)
    training = (
        "seeds of training are averaged first"
        if seeds > 1
        else "with one training seed they say nothing about another training's luck"
    )
    return [
        f"Differences in percentage points with 95 % intervals of a paired bootstrap over the test videos "
        f"({RESAMPLES:,} resamples): they cover the choice of videos; {training}. "
        "An interval that holds 0 is called within noise."
    ]


def _compare(table: Table, first: TableRow, second: TableRow) -> Comparison:
    metrics = [key for key in table.study.columns if is_score(key)]
    ids, ours = _scores(first, metrics)
    other_ids, theirs = _scores(second, metrics)
    if ids != other_ids:
        raise DataError(f"{first.row.label} and {second.row.label}: tested on different videos")
    differences = dict(zip(metrics, paired_bootstrap(ours, theirs), strict=True))
    return Comparison(first.row.label, second.row.label, differences)


def _scores(row: TableRow, metrics: list[str]) -> tuple[list[str], NDArray[np.float64]]:
    """Return the videos of a row and their scores (N, M) in percent, averaged over its seeds."""
    ids: list[str] = []
    tables = []
    for record in row.records:
        videos = read_per_video(record.path.parent / PER_VIDEO_FILE)
        if ids and videos.video_ids != ids:
            raise DataError(f"{record.path.parent}: tested on other videos than the row's other seeds")
        ids = videos.video_ids
        tables.append(np.stack([videos.values(metric) for metric in metrics], axis=1))
    return ids, np.mean(tables, axis=0)
