"""Figures for the report of all studies: what an MMIL and a LEAP run on the same encoder make of the same videos."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from leap_avvp.errors import LeapError
from leap_avvp.scoring.record import RunRecord
from leap_avvp.studies.spec import lookup
from leap_avvp.studies.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["find_pair", "run_pictures"]

_DPI = 130
_SHARED = ("encoder", "loss", "data", "seed", "label_embedding")


def find_pair(tables: Sequence[Table]) -> tuple[RunRecord, RunRecord] | None:
    """Return a LEAP and an MMIL run that differ in nothing else, on MM-Pyramid if there are such, or None."""
    records = {record.config_hash: record for table in tables for record in table.records}.values()
    pairs = [
        (leap, mmil)
        for leap, mmil in itertools.product(*(_with(records, "decoder", f"{name}Decoder") for name in ("LEAP", "MMIL")))
        if all(lookup(leap.config, key) == lookup(mmil.config, key) for key in _SHARED)
    ]
    return max(pairs, key=lambda pair: len(_with(pair, "encoder", "MMPyramid")), default=None)


def _with(records: Iterable[RunRecord], part: str, name: str) -> list[RunRecord]:
    return [record for record in records if str(lookup(record.config, f"{part}._target_")).endswith(f".{name}")]


def run_pictures(pair: tuple[RunRecord, RunRecord]) -> tuple[list[tuple[str, bytes]], str]:
    """Return captions and PNGs of parsed videos, classes, mistakes and curves; or none, and why."""
    from leap_avvp.figures.collection import picked_videos, summary_figures, video_figures  # torch and Matplotlib
    from leap_avvp.figures.runs import open_runs

    leap, mmil = pair
    try:
        runs = open_runs([mmil.path.parent, leap.path.parent])
        ids = [picked_videos(runs, pick, 1)[0] for pick in ("overlapping", "disagreement")]
        figures = [*video_figures(runs, list(dict.fromkeys(ids))), *summary_figures(runs)]
        return [(name.replace("_", " "), _png(figure)) for name, figure in figures], ""
    except LeapError as error:
        return [], str(error)


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DPI)
    return content.getvalue()
