"""Maps of 25 classes over ten seconds: truth, attention, probability."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leap_avvp.figures.palette import CLASS_STYLES
from leap_avvp.figures.parsing import runs_of
from leap_avvp.llp import NUM_CLASSES, NUM_SEGMENTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Panel", "draw_maps", "inward", "scale_bar"]

_FONT = 7.0
_COLOUR_MAPS = {"attention": "Oranges", "probability": "Blues"}


@dataclasses.dataclass(frozen=True)
class Panel:
    """One map."""

    kind: str
    """``truth``, ``attention`` or ``probability``: maps of a kind share their scale."""
    title: str
    values: NDArray[np.float32]
    """(C, T)"""
    highest: float
    """End of the scale, which begins at 0."""


def draw_maps(
    axes: Sequence[Axes], panels: Sequence[Panel], truth: NDArray[np.bool_], occurring: Collection[int] | None
) -> None:
    """Draw the maps of one modality side by side, true events framed.

    Args:
        axes: one a panel.
        panels: from left to right.
        truth: (T, C).
        occurring: write the classes' names on the left, these in bold; None writes none.
    """
    for index, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        axis.set_xlim(0, NUM_SEGMENTS)
        axis.set_ylim(NUM_CLASSES, 0)
        if panel.kind == "truth":
            _truth(axis, truth)
        else:
            axis.pcolormesh(
                panel.values, cmap=_COLOUR_MAPS[panel.kind], vmin=0, vmax=panel.highest, edgecolors="0.85",
                linewidth=0.2,
            )  # fmt: skip
            _frames(axis, truth)
        axis.set_title(panel.title, fontsize=_FONT, pad=3)
        axis.set_xticks([0, 5, 10])
        inward(axis)
        axis.tick_params(labelsize=_FONT, length=2, pad=2)
        axis.set_yticks([])
        axis.spines[:].set_linewidth(0.5)
        if index == 0 and occurring is not None:
            _names(axis, occurring)
    axes[len(axes) // 2].set_xlabel("time (s)", fontsize=_FONT, labelpad=1)


def inward(axis: Axes) -> None:
    """Turn the outer tick labels inwards, so that they do not meet those of the next axis."""
    labels = axis.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    labels[-1].set_horizontalalignment("right")


def _truth(axis: Axes, truth: NDArray[np.bool_]) -> None:
    from matplotlib.patches import Rectangle

    for label in range(NUM_CLASSES):
        axis.axhline(label, color="0.92", linewidth=0.3, zorder=0)
        for start, length in runs_of(truth[:, label]):
            axis.add_patch(
                Rectangle((start, label), length, 1, facecolor=CLASS_STYLES[label].colour, edgecolor="black",
                          linewidth=0.7)
            )  # fmt: skip


def _frames(axis: Axes, truth: NDArray[np.bool_]) -> None:
    from matplotlib.patches import Rectangle

    for label in range(NUM_CLASSES):
        for start, length in runs_of(truth[:, label]):
            axis.add_patch(
                Rectangle(
                    (start, label), length, 1, fill=False, edgecolor="black", linewidth=1.1, clip_on=False, zorder=3
                )
            )


def _names(axis: Axes, occurring: Collection[int]) -> None:
    from matplotlib.patches import Rectangle

    axis.set_yticks([label + 0.5 for label in range(NUM_CLASSES)], [style.name for style in CLASS_STYLES])
    axis.tick_params(axis="y", length=0, pad=9)
    point = 1 / (axis.get_window_extent().width * 72 / axis.figure.dpi)  # of the axis' width
    for label, (text, style) in enumerate(zip(axis.get_yticklabels(), CLASS_STYLES, strict=True)):
        text.set_fontweight("bold" if label in occurring else "normal")
        text.set_color("black" if label in occurring else "0.3")
        swatch = Rectangle(
            (-8 * point, label + 0.1), 6 * point, 0.8, facecolor=style.colour, edgecolor="black", linewidth=0.3,
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
