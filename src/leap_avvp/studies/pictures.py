"""Figures for the report of all studies: what an MMIL and a LEAP run on the same encoder make of the same videos."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from leap_avvp.errors import LeapError
from leap_avvp.studies.collect import RunRecord
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
    """Return captions and PNGs of parsed videos, classes, mistakes and curves, and what could not be drawn."""
    from leap_avvp.figures.parsed import draw_parsed_video  # these bring torch and Matplotlib
    from leap_avvp.figures.pick import pick_videos
    from leap_avvp.figures.runs import open_run, parse_video
    from leap_avvp.figures.summary import class_bars, error_bars, learning_curves

    try:
        leap, mmil = (open_run(record.path.parent) for record in pair)
        found: list[tuple[str, Figure]] = []
        for pick in ("overlapping", "disagreement"):
            for video in pick_videos([leap, mmil], pick, 1):
                caption = f"{pick}: {video}"
                found.append((caption, draw_parsed_video(parse_video([mmil, leap], video))))
        found.append(("F1 of each class", class_bars([leap, mmil])))
        found.append(("kinds of mistakes", error_bars([mmil, leap])))
    except LeapError as error:
        return [], str(error)
    problem = ""
    try:
        found.append(("learning curves", learning_curves({"LEAP": leap.folder, "MMIL": mmil.folder})))
    except LeapError as error:
        problem = str(error)
    return [(caption, _png(figure)) for caption, figure in found], problem


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DPI)
    return content.getvalue()
