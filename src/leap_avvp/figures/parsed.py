"""One figure a video: events over time, truth against parsers, and the attention behind them.

After Zhou et al., ECCV 2024, supplement, Figs. 5 and 6.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leap_avvp.figures.palette import class_colour, class_hatch, class_name
from leap_avvp.llp import NUM_CLASSES, NUM_SEGMENTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Inside", "ParsedVideo", "draw_parsed_video", "runs_of"]

_WIDTH = 7.2  # inches: a page's text width, or two columns
_FONT = 6.5
_MODALITIES = ("audio", "visual")


@dataclasses.dataclass(frozen=True)
class Inside:
    """What LEAP computed for a video, by modality ``audio`` and ``visual``."""

    attention: dict[str, NDArray[np.float32]]
    """(C, T) cross-modal attention of the block that is read, mean over heads; each row sums to 1 over the segments."""
    probability: dict[str, NDArray[np.float32]]
    """(T, C) segment probabilities."""


@dataclasses.dataclass(frozen=True)
class ParsedVideo:
    """A video, its truth and what parsers say of it."""

    video_id: str
    truth: dict[str, NDArray[np.bool_]]
    """(T, C) by modality."""
    predictions: dict[str, dict[str, NDArray[np.bool_]]]
    """Parser's name -> modality -> (T, C), in the order of the rows."""
    inside: Inside | None = None
    """Of the LEAP among them, if there is one."""
    simulated: bool = False


def runs_of(grid: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Return (class, first second, length) of the maximal runs of a grid (T, C), by class and time."""
    found = []
    for label in np.flatnonzero(grid.any(axis=0)):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], grid[:, label].astype(np.int8), [0]))))
        found += [(int(label), int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return found


def draw_parsed_video(video: ParsedVideo) -> Figure:
    """Draw the figure, 7.2 inches wide."""
    from matplotlib.figure import Figure  # here: the font cache alone costs seconds
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    rows = [("GT", video.truth), *video.predictions.items()]
    lanes = {name: _lanes([row for _, row in rows], name) for name in _MODALITIES}
    heights = [0.42 + 0.15 * len(rows) * max(1, len(lanes[name])) for name in _MODALITIES]
    inner = 2 * 2.75 if video.inside else 0.35
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.03)
    figure = Figure(figsize=(_WIDTH, sum(heights) + inner + 0.55), layout=layout)
    mark = " (SIMULATED video)" if video.simulated else ""
    figure.suptitle(f"{video.video_id}{mark}", fontsize=9)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[sum(heights), inner])[:, 0]
    axes = top.subplots(2, 1, sharex=True, height_ratios=heights)
    for axis, name, heading in zip(axes, _MODALITIES, ("audible", "visible"), strict=True):
        _bars(axis, rows, name, lanes[name], f"{heading} events")
    axes[1].set_xlabel("second", fontsize=_FONT)
    if video.inside is None:
        bottom.text(0.5, 0.5, "MMIL has no label attention to show", ha="center", fontsize=_FONT, color="0.4")
        return figure
    _maps(bottom, video, video.inside)
    return figure


def _lanes(rows: Sequence[dict[str, NDArray[np.bool_]]], modality: str) -> list[int]:
    """Return the classes that any row names: each has a lane of its own."""
    return np.flatnonzero(np.logical_or.reduce([row[modality].any(axis=0) for row in rows])).tolist()


def _bars(
    axis: Axes, rows: Sequence[tuple[str, dict[str, NDArray[np.bool_]]]], modality: str, lanes: list[int], heading: str
) -> None:
    from matplotlib.patheffects import withStroke

    height = max(1, len(lanes))
    for row, (_, grids) in enumerate(rows):
        for label, start, length in runs_of(grids[modality]):
            place = row * height + lanes.index(label)
            axis.barh(
                place + 0.5, length, left=start, height=0.84, color=class_colour(label), hatch=class_hatch(label),
                edgecolor="0.25", linewidth=0.4,
            )  # fmt: skip
            axis.text(
                start + 0.08, place + 0.53, class_name(label), fontsize=5.2, va="center", clip_on=True,
                path_effects=[withStroke(linewidth=1.6, foreground="white")],
            )  # fmt: skip
        if row:
            axis.axhline(row * height, color="black", linewidth=1.2, zorder=4)
    axis.set_ylim(len(rows) * height, 0)
    axis.set_yticks([(row + 0.5) * height for row in range(len(rows))], [name for name, _ in rows])
    axis.set_xlim(0, NUM_SEGMENTS)
    axis.set_xticks(range(NUM_SEGMENTS + 1))
    axis.grid(axis="x", color="0.88", linewidth=0.5)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=_FONT, length=2)
    axis.set_title(heading, fontsize=_FONT + 0.5, loc="left", pad=2)
    axis.spines[["top", "right"]].set_visible(False)


def _maps(place: object, video: ParsedVideo, inside: Inside) -> None:
    from matplotlib.patches import Rectangle

    axes = place.subplots(2, 3, sharex=True, sharey=True)  # type: ignore[attr-defined]
    # One scale a kind, the same for both modalities.
    most = max(float(inside.attention[name].max()) for name in _MODALITIES)
    kinds = (("truth Y", "Greys", 1.0), ("attention A", "Blues", most), ("probability P", "Oranges", 1.0))
    images = []
    for line, name in zip(axes, _MODALITIES, strict=True):
        values = (video.truth[name].T, inside.attention[name], inside.probability[name].T)
        for column, (axis, (kind, colours, high), value) in enumerate(zip(line, kinds, values, strict=True)):
            image = axis.imshow(
                value.astype(np.float64), cmap=colours, vmin=0, vmax=high, aspect="auto", interpolation="nearest",
                extent=(0, NUM_SEGMENTS, NUM_CLASSES, 0),
            )  # fmt: skip
            images.append(image)
            for label, start, length in runs_of(video.truth[name]):
                axis.add_patch(Rectangle((start, label), length, 1, fill=False, edgecolor="#D00000", linewidth=0.9))
            axis.tick_params(labelsize=5.2, length=1.5, pad=1)
            if column == 0:
                axis.set_yticks([label + 0.5 for label in range(NUM_CLASSES)], map(class_name, range(NUM_CLASSES)))
            axis.set_title(f"{kind}, {name}", fontsize=_FONT, pad=2)
    for axis in axes[1]:
        axis.set_xticks(range(0, NUM_SEGMENTS + 1, 2))
        axis.set_xlabel("second", fontsize=_FONT)
    for column in (1, 2):
        bar = place.colorbar(images[column], ax=axes[:, column], shrink=0.6, pad=0.02, aspect=40)  # type: ignore[attr-defined]
        bar.ax.tick_params(labelsize=5.2, length=1.5)
