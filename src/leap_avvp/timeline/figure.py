"""A timeline as a figure: what is heard and seen over time, and below it how sure the model is."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from leap_avvp.figures.bars import assign_lanes, draw_bars, draw_key
from leap_avvp.figures.classes import shortened
from leap_avvp.figures.palette import class_styles
from leap_avvp.figures.save import HATCH_WIDTH
from leap_avvp.figures.timeline import time_axis
from leap_avvp.timeline.result import MODALITIES, VERBS, Timeline, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["timeline_figure"]

# Inches; as wide as the figures of runs.
_WIDTH, _LEFT, _RIGHT = 7.2, 1.75, 0.42
_TITLE, _AXIS, _LANE, _HIGHEST_ROW = 0.3, 0.4, 0.175, 1.2
_KEY_ROW, _KEY_COLUMNS, _MAP_ROW, _NOTE_LINE = 0.15, 4, 0.15, 0.115
_FONT = 7.0
_MOST_ROWS = 30
_LONGEST_NAME = 340  # points
_LONGEST_LABEL = 84
_COLOUR_MAPS = {"audio": "Blues", "visual": "Oranges"}
_MOST_COLUMNS = 1500  # of a row of probabilities: more than the figure has pixels for


def timeline_figure(timeline: Timeline) -> Figure:
    """Draw a parsed video: event bars, then a row of probabilities for each class that occurs.

    What was not judged is hatched and said in words.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = timeline.shown()[:_MOST_ROWS]
    grids = {VERBS[modality]: timeline.on(modality) for modality in MODALITIES}
    styles = class_styles(timeline.card)
    lanes = assign_lanes(list(grids.values()))
    depth = max((lane + 1 for lane in lanes.values()), default=1)
    notes = _notes(timeline, len(rows))
    heights = {
        "title": _TITLE,
        "bars": 2 * min(depth * _LANE + 0.06, _HIGHEST_ROW),
        "axis": _AXIS,
        "key": _KEY_ROW * max(1, -(-len(lanes) // _KEY_COLUMNS)) + 0.1,
        "gap": 0.08,
        "map": _MAP_ROW * max(1, len(rows)),
        "map axis": _AXIS,
        "notes": _NOTE_LINE * len(notes) + 0.06,
    }
    total = sum(heights.values())
    figure = Figure(figsize=(_WIDTH, total))
    top, edges = total, {}
    for name, height in heights.items():
        top -= height
        edges[name] = top

    def place(name: str) -> Axes:
        wide = (_WIDTH - _LEFT - _RIGHT) / _WIDTH
        return figure.add_axes((_LEFT / _WIDTH, edges[name] / total, wide, heights[name] / total))

    with rc_context({"hatch.linewidth": HATCH_WIDTH}):
        title = shortened(printable(timeline.name), 9, _LONGEST_NAME)
        figure.text(0.01, 1 - 0.06 / total, title, fontsize=9, weight="bold", va="top", parse_math=False)
        draw_bars(place("bars"), grids, lanes, depth, styles, timeline.card)
        draw_key(place("key"), sorted(lanes), _KEY_COLUMNS, styles)
        _draw_map(place("map"), timeline, rows)
    for index, (line, weight) in enumerate(notes):
        y = (edges["notes"] + heights["notes"] - _NOTE_LINE * (index + 1)) / total
        figure.text(0.01, y, line, fontsize=6.5, color="0.25", weight=weight, parse_math=False)
    return figure


def _draw_map(axis: Axes, timeline: Timeline, rows: list[tuple[int, str]]) -> None:
    """Draw a row of probabilities for each pair of class and modality."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    time_axis(axis, timeline.card, 10, _FONT)
    axis.set_ylim(max(1, len(rows)), 0)
    end = timeline.card.duration
    together = -(-timeline.segments // _MOST_COLUMNS)
    starts = np.arange(0, timeline.segments, together)
    edges = np.append(starts, timeline.segments) * timeline.seconds
    for place, (index, modality) in enumerate(rows):
        values = timeline.probability(modality)[:, index]
        axis.add_patch(
            Rectangle(
                (0, place), timeline.card.duration, 1, facecolor="white", edgecolor="0.7", hatch="////", linewidth=0
            )
        )
        # The highest of the segments that share a column; NaN only where none was judged.
        shown = np.ma.masked_invalid(np.fmax.reduceat(values, starts)[None])
        colours = colormaps[_COLOUR_MAPS[modality]]
        axis.pcolormesh(edges, [place, place + 1], shown, cmap=colours, vmin=0, vmax=1, rasterized=True)
        if not timeline.judged(index, modality):
            axis.text(
                end / 2, place + 0.54, "not judged", fontsize=_FONT, ha="center",
                va="center_baseline", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )  # fmt: skip
        else:
            highest = f"{timeline.highest(index, modality):.2f}"
            axis.text(
                1.01, place + 0.54, highest, fontsize=6, va="center_baseline", transform=axis.get_yaxis_transform()
            )
        axis.axhline(place, color="white", linewidth=1)
    names = [f"{shortened(timeline.label(index), _FONT, _LONGEST_LABEL)}, {VERBS[how]}" for index, how in rows]
    axis.set_yticks([place + 0.5 for place in range(len(rows))], names, parse_math=False)
    axis.tick_params(labelsize=_FONT, length=2)
    axis.tick_params(axis="y", length=0)
    axis.spines[:].set_linewidth(0.5)
    axis.set_xlabel(
        "time (s); probability from white, 0, to dark, 1; the highest at the right", fontsize=_FONT, labelpad=1
    )


def _notes(timeline: Timeline, rows: int) -> list[tuple[str, str]]:
    """Return the lines below, and the weight of each."""
    more = sum(bool(timeline.on(how)[:, index].any()) for index, how in timeline.shown()[rows:])
    lines = [
        (timeline.model, "normal"),
        *([(timeline.caution, "bold")] if timeline.caution else []),
        *((note, "normal") for note in timeline.notes),
        *([(f"{more} more rows of probabilities are left out.", "normal")] if more else []),
    ]
    whole = [(printable(line[:1].upper() + line[1:]), weight) for line, weight in lines]
    return [(part, weight) for line, weight in whole for part in textwrap.wrap(line, 130)]
