"""The time axis of a video: seconds, whatever a segment is long."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from leap_avvp.card import DataCard

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["edge_grid", "inward", "second_ticks", "time_axis"]

_DIGITS = (1, 1.5, 2, 3, 5)
_DIGIT = 0.64  # of the letters' size
_GAP = 4.0  # points, between two numbers
_EDGES = 6.0  # points: narrower segments have no lines at their edges


def second_ticks(
    card: DataCard, most: int, room: float = math.inf, size: float = 7.0, outer: float = 1.0
) -> list[float]:
    """Return the seconds that an axis from 0 to the end of a video names.

    They are multiples of 1, 2 or 5, or of tens of these, no finer than segments. A step that meets the end goes first,
    for which 1.5 and 3 may do, too, then the finest; where none has room for two, both ends are named.

    Args:
        card: of the video.
        most: intervals between them.
        room: points that the axis is long.
        size: of the digits.
        outer: widths of a number between the middle ones and the ends; 1.5 where the outer numbers stand inside.
    """
    powers = range(math.floor(math.log10(card.seconds)), math.ceil(math.log10(card.duration)) + 1)
    found: list[tuple[bool, bool, list[float]]] = []
    for digit, power in ((digit, power) for power in powers for digit in _DIGITS):
        step = digit * 10.0**power
        number = math.floor(card.duration / step + 1e-9)
        if 1 <= number <= most and step >= card.seconds * (1 - 1e-9):
            ticks = [place * step for place in range(number + 1)]
            longest = max(len(_text(tick)) for tick in ticks)
            whole = math.isclose(ticks[-1], card.duration)
            if outer * longest * _DIGIT * size + _GAP <= step / card.duration * room and (whole or number > 1):
                found.append((not whole, digit in (1.5, 3), ticks))
    return min(found, key=lambda own: own[:2], default=(False, False, [0.0, card.duration]))[2]


def _text(seconds: float) -> str:
    return f"{seconds:.10g}"


def time_axis(axis: Axes, card: DataCard, most: int, size: float, inside: bool = False) -> None:
    """Let an axis, as wide as it will be drawn, run from 0 to the end of a video, and name some of its seconds.

    Args:
        axis: the axis.
        card: of the video.
        most: intervals between the seconds that are named.
        size: of the digits.
        inside: the outer numbers stand inside the axis.
    """
    room = axis.get_window_extent().width * 72 / axis.figure.dpi
    ticks = second_ticks(card, most, room, size, 1.5 if inside else 1.0)
    axis.set_xlim(0, card.duration)
    axis.set_xticks(ticks, [_text(tick) for tick in ticks])
    if inside:
        inward(axis)


def edge_grid(axis: Axes, card: DataCard) -> None:
    """Draw a line at each segment's edge, or, where those are narrow, at the seconds that are named."""
    room = axis.get_window_extent().width * 72 / axis.figure.dpi / card.segments
    edges = [place * card.seconds for place in range(card.segments + 1)]
    which: Literal["major", "minor"] = "major"
    if room >= _EDGES and edges != list(axis.get_xticks()):
        which = "minor"
        axis.xaxis.remove_overlapping_locs = False
        axis.set_xticks(edges, minor=True)
        axis.tick_params(axis="x", which="minor", length=0)
    axis.grid(axis="x", which=which, color="0.88", linewidth=0.4)


def inward(axis: Axes) -> None:
    """Turn tick labels at the ends inwards, so that they do not meet those of the next axis."""
    low, high = axis.get_xlim()
    for place, text in zip(axis.get_xticks(), axis.get_xticklabels(), strict=True):
        if math.isclose(place, low, abs_tol=1e-9 * (high - low)):
            text.set_horizontalalignment("left")
        elif math.isclose(place, high):
            text.set_horizontalalignment("right")
