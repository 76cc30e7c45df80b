"""Maps of classes over the seconds of a video: truth, attention, probability."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import DataCard
from leap_avvp.figures.classes import shortened
from leap_avvp.figures.palette import ClassStyle
from leap_avvp.figures.parsing import runs_of
from leap_avvp.figures.timeline import inward, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Panel", "draw_maps", "scale_bar"]

_FONT = 7.0
_MOST_SECONDS = 2  # intervals of the time axis
_LONGEST = 79.0  # points of a name
_CELL = 1.5  # points: narrower cells have no borders, and frames around them are thin
_COLOUR_MAPS = {"attention": "Oranges", "probability": "Blues"}


@dataclasses.dataclass(frozen=True)
class Panel:
    """One map."""

    kind: str
    """``truth``, ``attention`` or ``probability``: maps of a kind share their scale."""
    title: str
    values: NDArray[np.float32]
    """(S, T) of the classes that are shown."""
    highest: float
    """End of the scale, which begins at 0."""


def draw_maps(
    axes: Sequence[Axes],
    panels: Sequence[Panel],
    truth: NDArray[np.bool_],
    styles: Sequence[ClassStyle],
    occurring: Collection[int] | None,
    card: DataCard,
) -> None:
    """Draw the maps of one modality side by side, true events framed. S classes are shown, of T segments.

    Args:
        axes: one a panel, as large as it will be drawn.
        panels: from left to right.
        truth: (T, S).
        styles: (S,)
        occurring: write the classes' names on the left, those of these rows in bold; None writes none.
        card: of the video.
    """
    edges = np.arange(card.segments + 1) * card.seconds
    cell = axes[0].get_window_extent().width * 72 / axes[0].figure.dpi / card.segments  # points
    wide = cell >= _CELL
    for index, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        time_axis(axis, card, _MOST_SECONDS, _FONT, inside=True)
        axis.set_ylim(len(styles), 0)
        if panel.kind == "truth":
            _truth(axis, truth, styles, card.seconds, 0.7 if wide else 0.3)
        else:
            # Thousands of cells are a picture in an SVG, not a path each.
            borders = {"edgecolors": "0.85", "linewidth": 0.2} if wide else {"rasterized": True}
            axis.pcolormesh(
                edges, np.arange(len(styles) + 1), panel.values, cmap=_COLOUR_MAPS[panel.kind], vmin=0,
                vmax=panel.highest, **borders,
            )  # fmt: skip
            _frames(axis, truth, card.seconds, 1.1 if wide else 0.7)
        axis.set_title(panel.title, fontsize=_FONT, pad=3)
        axis.tick_params(labelsize=_FONT, length=2, pad=2)
        axis.set_yticks([])
        axis.spines[:].set_linewidth(0.5)
        if index == 0 and occurring is not None:
            _names(axis, styles, occurring)
    axes[len(axes) // 2].set_xlabel("time (s)", fontsize=_FONT, labelpad=1)


def _events(truth: NDArray[np.bool_], seconds: float) -> Iterator[tuple[int, float, float]]:
    """Yield row, start and length in seconds of each true event of (T, S)."""
    for row in range(truth.shape[1]):
        for start, length in runs_of(truth[:, row]):
            yield row, start * seconds, length * seconds


def _truth(axis: Axes, truth: NDArray[np.bool_], styles: Sequence[ClassStyle], seconds: float, line: float) -> None:
    from matplotlib.patches import Rectangle

    for row in range(len(styles)):
        axis.axhline(row, color="0.92", linewidth=0.3, zorder=0)
    for row, start, length in _events(truth, seconds):
        axis.add_patch(
            Rectangle((start, row), length, 1, facecolor=styles[row].colour, edgecolor="black", linewidth=line)
        )


def _frames(axis: Axes, truth: NDArray[np.bool_], seconds: float, line: float) -> None:
    from matplotlib.patches import Rectangle

    for row, start, length in _events(truth, seconds):
        axis.add_patch(
            Rectangle((start, row), length, 1, fill=False, edgecolor="black", linewidth=line, clip_on=False, zorder=3)
        )


def _names(axis: Axes, styles: Sequence[ClassStyle], occurring: Collection[int]) -> None:
    from matplotlib.patches import Rectangle

    names = [shortened(style.name, _FONT, _LONGEST) for style in styles]
    axis.set_yticks([row + 0.5 for row in range(len(styles))], names, parse_math=False)
    axis.tick_params(axis="y", length=0, pad=9)
    point = 1 / (axis.get_window_extent().width * 72 / axis.figure.dpi)  # of the axis' width
    for row, (text, style) in enumerate(zip(axis.get_yticklabels(), styles, strict=True)):
        text.set_fontweight("bold" if row in occurring else "normal")
        text.set_color("black" if row in occurring else "0.3")
        swatch = Rectangle(
            (-8 * point, row + 0.1), 6 * point, 0.8, facecolor=style.colour, edgecolor="black", linewidth=0.3,
            clip_on=False, transform=axis.get_yaxis_transform(),
        )  # fmt: skip
        axis.add_patch(swatch)


def scale_bar(axis: Axes, panel: Panel, title: str, thresholds: Collection[float]) -> None:
    """Draw the colour scale of a kind of map, with a triangle at each threshold."""
    from matplotlib import colormaps

    steps = np.linspace(0, panel.highest, 129)
    axis.pcolormesh(
        steps, [0, 1], (steps[None, :-1] + steps[1:]) / 2, cmap=colormaps[_COLOUR_MAPS[panel.kind]], vmin=0,
        vmax=panel.highest,
    )  # fmt: skip
    axis.set_yticks([])
    axis.set_xlim(0, panel.highest)
    axis.set_xticks(np.linspace(0, panel.highest, 6), [f"{tick:.2g}" for tick in np.linspace(0, panel.highest, 6)])
    inward(axis)
    axis.tick_params(labelsize=_FONT, length=2, pad=1)
    axis.spines[:].set_linewidth(0.5)
    axis.set_xlabel(title, fontsize=_FONT, labelpad=1)
    for value in thresholds:
        axis.plot([value], [1.35], marker="v", color="black", markersize=3, clip_on=False)
