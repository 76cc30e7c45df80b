"""Event bars over the seconds of a video: rows of runs, lanes of events that overlap."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import DataCard
from leap_avvp.figures.classes import shortened, text_width
from leap_avvp.figures.palette import ClassStyle
from leap_avvp.figures.parsing import runs_of
from leap_avvp.figures.timeline import edge_grid, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["assign_lanes", "draw_bars", "draw_key"]

_FONT = 7.0
_PAD = 0.006  # of the video, between a bar and the name beside it
_GAP = 0.35  # lanes, between rows
_MOST_SECONDS = 10  # intervals of the time axis
_LONGEST = 79.0  # points of a name


def assign_lanes(grids: Sequence[NDArray[np.bool_]]) -> dict[int, int]:
    """Give each class that occurs in any of the (T, C) grids a lane, the same in every row.

    Classes share a lane only where no row has them in one segment or in neighbouring ones. Classes keep their order.
    """
    anywhere = np.logical_or.reduce(grids)  # (T, C)
    lanes: dict[int, int] = {}
    taken: list[NDArray[np.bool_]] = []
    for label in np.flatnonzero(anywhere.any(axis=0)).tolist():
        own = anywhere[:, label]
        wide = own.copy()
        wide[1:] |= own[:-1]
        wide[:-1] |= own[1:]
        free = next((lane for lane, used in enumerate(taken) if not (used & wide).any()), len(taken))
        if free == len(taken):
            taken.append(np.zeros_like(own))
        taken[free] |= own
        lanes[label] = free
    return lanes


def draw_bars(
    axis: Axes,
    rows: Mapping[str, NDArray[np.bool_]],
    lanes: Mapping[int, int],
    depth: int,
    styles: Sequence[ClassStyle],
    card: DataCard,
) -> None:
    """Draw one modality.

    Args:
        axis: as large as it will be drawn: names are set where they fit.
        rows: (T, C) events by the name of the row, the first on top.
        lanes: of :func:`assign_lanes` for these rows.
        depth: lanes of a row, at least as many as there are.
        styles: (C,)
        card: of the video.
    """
    pitch = depth + _GAP
    time_axis(axis, card, _MOST_SECONDS, _FONT)
    axis.set_ylim(len(rows) * pitch - _GAP / 2, -_GAP / 2)
    points, lane_points = _scale(axis)
    seconds = card.seconds
    for number, grid in enumerate(rows.values()):
        if number:
            axis.axhline(number * pitch - _GAP / 2, color="0.6", linewidth=0.6)
        for lane, events in _by_lane(grid, lanes).items():
            limits = [start for start, _, _ in events[1:]] + [card.segments]
            for (start, length, label), limit in zip(events, limits, strict=True):
                corner, wide = (start * seconds, number * pitch + lane), length * seconds
                _draw_bar(axis, corner, wide, styles[label], points)
                if lane_points >= _FONT:
                    _name(axis, corner, wide, limit * seconds, styles[label], points)
    axis.set_yticks(
        [number * pitch + depth / 2 for number in range(len(rows))],
        [textwrap.fill(name, 18) for name in rows],
        parse_math=False,
    )
    axis.tick_params(labelsize=_FONT, length=2)
    axis.tick_params(axis="y", length=0)
    edge_grid(axis, card)
    axis.set_axisbelow(True)
    axis.set_xlabel("time (s)", fontsize=_FONT, labelpad=1)


def _scale(axis: Axes) -> tuple[float, float]:
    """Return how many points a second is wide, and a lane high."""
    size, inch = axis.get_window_extent(), axis.figure.dpi / 72
    low, high = axis.get_ylim()
    return size.width / inch / axis.get_xlim()[1], size.height / inch / abs(high - low)


def _by_lane(grid: NDArray[np.bool_], lanes: Mapping[int, int]) -> dict[int, list[tuple[int, int, int]]]:
    """Return the events (start, length, class) of each lane, in segments, the first first."""
    events: dict[int, list[tuple[int, int, int]]] = {}
    for label, lane in lanes.items():
        events.setdefault(lane, []).extend((start, length, label) for start, length in runs_of(grid[:, label]))
    return {lane: sorted(own) for lane, own in events.items() if own}


def _draw_bar(axis: Axes, corner: tuple[float, float], length: float, style: ClassStyle, points: float) -> None:
    from matplotlib.patches import Rectangle

    x, y = corner
    axis.add_patch(
        Rectangle(
            (x, y + 0.06), length, 0.88, facecolor=style.colour, edgecolor=(0, 0, 0, 0.45), hatch=style.hatch,
            linewidth=0, label=style.name,
        )
    )  # fmt: skip
    line = min(0.5, length * points / 6)  # a bar of a few points would be all frame
    axis.add_patch(Rectangle((x, y + 0.06), length, 0.88, fill=False, edgecolor="black", linewidth=line))


def _name(
    axis: Axes, corner: tuple[float, float], length: float, limit: float, style: ClassStyle, points: float
) -> None:
    """Write a bar's name on it, or beside it where there is room up to ``limit``; else the key below has to do."""
    name = shortened(style.name, _FONT, _LONGEST)
    width = text_width(name, _FONT) / points  # seconds
    pad = _PAD * axis.get_xlim()[1]
    x, y = corner
    middle = y + 0.52
    if width + 3 * pad <= length:
        plate = {"facecolor": style.colour, "edgecolor": "none", "pad": 0.6} if style.hatch else None
        axis.text(
            x + length / 2, middle, name, fontsize=_FONT, color=style.ink, ha="center", va="center_baseline",
            bbox=plate, parse_math=False,
        )  # fmt: skip
    elif x + length + width + 2 * pad <= limit:
        axis.text(x + length + pad, middle, name, fontsize=_FONT, ha="left", va="center_baseline", parse_math=False)


def draw_key(axis: Axes, labels: Sequence[int], columns: int, styles: Sequence[ClassStyle]) -> None:
    """Fill an empty axis with the colours, hatches and names of classes, row by row."""
    from matplotlib.patches import Rectangle

    axis.set_axis_off()
    axis.set_xlim(0, columns)
    axis.set_ylim(max(1, -(-len(labels) // columns)), 0)
    for index, label in enumerate(labels):
        style = styles[label]
        x, y = index % columns, index // columns
        axis.add_patch(
            Rectangle(
                (x, y + 0.15), 0.14, 0.7, facecolor=style.colour, edgecolor=(0, 0, 0, 0.45), hatch=2 * style.hatch,
                linewidth=0,
            )
        )  # fmt: skip
        axis.add_patch(Rectangle((x, y + 0.15), 0.14, 0.7, fill=False, edgecolor="black", linewidth=0.5))
        name = shortened(style.name, _FONT, _LONGEST)
        axis.text(x + 0.17, y + 0.52, name, fontsize=_FONT, va="center_baseline", parse_math=False)
