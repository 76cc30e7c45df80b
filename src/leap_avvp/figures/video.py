"""The figure of one parsed video: event bars, and below them truth, attention and probabilities by class."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leap_avvp.figures.bars import assign_lanes, draw_bars, draw_key
from leap_avvp.figures.classes import choose_classes, left_out, shortened
from leap_avvp.figures.maps import Panel, draw_maps, scale_bar
from leap_avvp.figures.palette import class_styles
from leap_avvp.figures.parsing import MODALITIES, ParsedVideo
from leap_avvp.figures.save import HATCH_WIDTH, mark_source

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["video_figure"]

# Inches. The whole is as wide as a page of two columns; 7-point letters still have 4.7 on a page of 4.8 inches.
_WIDTH, _LEFT, _RIGHT, _GUTTER = 7.2, 1.42, 0.08, 0.18
_HALF = (_WIDTH - _LEFT - _RIGHT - _GUTTER) / 2
_TITLE, _HEADING, _AXIS = 0.27, 0.19, 0.36
_LANE, _HIGHEST_ROW = 0.175, 1.2
_KEY_ROW, _KEY_COLUMNS = 0.15, 4
_MAP_ROW = 0.118
_SCALE, _NOTE_LINE = 0.42, 0.115
_LONGEST_ID = 280  # points: the mark of simulated data stands at its right
_LONGEST = 7  # letters of a run's name above a map
_NARROWEST = 2.0  # of even attention, the end of its scale where none is stronger: that looks like no peak then


def video_figure(video: ParsedVideo) -> Figure:
    """Draw a parsed video, audio on the left and visual on the right.

    Above, the events over time: the truth (``GT``), then what each run predicts. Below, by class, the truth Y, and for
    each run its cross-modal attention A (where its decoder has one) and its segment probabilities P; true events are
    framed. A has one colour scale over both modalities and all runs, and so has P. Of more than
    :data:`~leap_avvp.figures.classes.FEW` classes those are shown that occur in the truth or in a prediction.
    """
    # Here, not above: the font cache alone costs seconds, which callers without a figure should not pay.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    shown, note = _shown(video)
    styles = [class_styles(video.card)[label] for label in shown]
    video = _only(video, shown)
    titles, headings = _names(video)
    rows = {
        name: {"GT": video.truth[name]}
        | {title: parsing.events[name] for title, parsing in zip(titles, video.parsings, strict=True)}
        for name in MODALITIES
    }
    lanes = {name: assign_lanes(list(rows[name].values())) for name in MODALITIES}
    depth = max((lane + 1 for own in lanes.values() for lane in own.values()), default=1)
    labels = sorted(set().union(*lanes.values()))
    occurring = {label for name in MODALITIES for label in np.flatnonzero(video.truth[name].any(axis=0)).tolist()}
    notes = _notes(video, note)
    heights = {
        "title": _TITLE,
        "heading": _HEADING,
        "bars": (1 + len(video.parsings)) * min(depth * _LANE + 0.06, _HIGHEST_ROW),
        "axis": _AXIS,
        "key": _KEY_ROW * max(1, -(-len(labels) // _KEY_COLUMNS)) + 0.08,
        "map heading": _HEADING,
        "maps": _MAP_ROW * len(shown),
        "map axis": _AXIS,
        "scales": _SCALE,
        "notes": _NOTE_LINE * len(notes) + 0.06,
    }
    total = sum(heights.values())
    figure = Figure(figsize=(_WIDTH, total))
    top, edges = total, {}
    for name, height in heights.items():
        top -= height
        edges[name] = top  # lower edge, from the bottom

    def place(name: str, left: float, width: float) -> Axes:
        return figure.add_axes((left / _WIDTH, edges[name] / total, width / _WIDTH, heights[name] / total))

    with rc_context({"hatch.linewidth": HATCH_WIDTH}):
        title = shortened(video.video_id, 9, _LONGEST_ID)
        figure.text(0.01, 1 - 0.06 / total, title, fontsize=9, weight="bold", va="top", parse_math=False)
        mark_source(figure, video.data_source)
        panels = {name: _panels(video, name, headings) for name in MODALITIES}
        for number, name in enumerate(MODALITIES):
            left = _LEFT + number * (_HALF + _GUTTER)
            axis = place("bars", left, _HALF)
            draw_bars(axis, rows[name], lanes[name], depth, styles, video.card)
            axis.set_title(name, fontsize=8, weight="bold", pad=3)
            if number:
                axis.tick_params(labelleft=False)
            gap = 0.06
            width = (_HALF + gap) / len(panels[name]) - gap
            axes = [place("maps", left + index * (width + gap), width) for index in range(len(panels[name]))]
            bold = occurring if number == 0 else None
            draw_maps(axes, panels[name], video.truth[name], styles, bold, video.card)
        draw_key(place("key", _LEFT, _WIDTH - _LEFT - _RIGHT), labels, _KEY_COLUMNS, styles)
        _scales(figure, video, panels["audio"], edges["scales"] / total, total)
    for index, line in enumerate(notes):
        y = (edges["notes"] + heights["notes"] - _NOTE_LINE * (index + 1)) / total
        figure.text(0.01, y, line, fontsize=6.5, color="0.25", parse_math=False)
    return figure


def _names(video: ParsedVideo) -> tuple[list[str], list[str]]:
    """Return the runs' names beside their bars, and above their maps: numbers where the names are too long for that."""
    labels = [parsing.label for parsing in video.parsings]
    if max(map(len, labels), default=0) <= _LONGEST:
        return labels, labels
    numbers = [str(number) for number in range(1, len(labels) + 1)]
    return [f"{number}: {label}" for number, label in zip(numbers, labels, strict=True)], numbers


def _shown(video: ParsedVideo) -> tuple[list[int], str | None]:
    """Return the classes that are shown, and what there is to say about that."""
    true = _segments(video.truth)
    said, probable = np.zeros_like(true), np.zeros(len(true))
    for parsing in video.parsings:
        said += _segments(parsing.events)
        probable = np.maximum(probable, [map_.max(axis=1) for map_ in parsing.probability.values()]).max(axis=0)
    occurs = (true + said) > 0
    shown, hidden = choose_classes(occurs, (true, said, probable))
    which = "that occur in the truth or a prediction" if occurs.any() else "of the highest probabilities"
    return shown, left_out(len(true), len(shown), hidden, which, "segments, true ones first")


def _segments(grids: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Return (C,) in how many segments each class is heard, and in how many it is seen, together."""
    total: NDArray[np.int64] = np.sum([grid.sum(axis=0) for grid in grids.values()], axis=0)
    return total


def _only(video: ParsedVideo, shown: Sequence[int]) -> ParsedVideo:
    """Return the video with some of its classes, in their order."""

    def columns(grids: Mapping[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.bool_]]:
        return {name: grid[:, shown] for name, grid in grids.items()}

    def rows(maps: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        return {name: map_[shown] for name, map_ in maps.items()}

    parsings = tuple(
        dataclasses.replace(
            own,
            events=columns(own.events),
            probability=rows(own.probability),
            attention=None if own.attention is None else rows(own.attention),
        )
        for own in video.parsings
    )
    return dataclasses.replace(video, truth=columns(video.truth), parsings=parsings)


def _panels(video: ParsedVideo, modality: str, headings: list[str]) -> list[Panel]:
    """Return the maps of one modality, from left to right."""
    maps = [map_ for parsing in video.parsings for map_ in (parsing.attention or {}).values()]
    strongest = max([_NARROWEST / video.card.segments, *(float(map_.max()) for map_ in maps)])
    steps = 2 / min(0.1, 10.0 ** math.floor(math.log10(strongest)))  # a number that divides into five of two digits
    strongest = min(1.0, math.ceil(strongest * steps - 1e-6) / steps)
    panels = [Panel("truth", "Y truth", video.truth[modality].T.astype(np.float32), 1.0)]
    for heading, parsing in zip(headings, video.parsings, strict=True):
        if parsing.attention is not None:
            panels.append(Panel("attention", f"A {heading}", parsing.attention[modality], strongest))
        panels.append(Panel("probability", f"P {heading}", parsing.probability[modality], 1.0))
    return panels


def _scales(figure: Figure, video: ParsedVideo, panels: list[Panel], bottom: float, total: float) -> None:
    """Draw the colour bars of A and P, each valid for both modalities."""
    kinds = {panel.kind: panel for panel in panels if panel.kind != "truth"}
    titles = {
        "attention": "A: attention over time (each row sums to 1)",
        "probability": "P: probability of the segment",
    }
    thresholds = {value for parsing in video.parsings for value in parsing.threshold.values()}
    for number, (kind, panel) in enumerate(kinds.items()):
        left = _LEFT + number * (_HALF + _GUTTER)
        axis = figure.add_axes((left / _WIDTH, bottom + 0.24 / total, _HALF / _WIDTH, 0.08 / total))
        scale_bar(axis, panel, titles[kind], thresholds if kind == "probability" else set())


def _notes(video: ParsedVideo, shown: str | None) -> list[str]:
    lines = ["Frames: true events. Names in bold: classes that occur. Triangle: threshold of the segments."]
    without = [parsing.label for parsing in video.parsings if parsing.attention is None]
    if without:
        lines[0] += f" No cross-modal attention in {' and '.join(without)}."
    lines += [shown] if shown else []
    names = list(dict.fromkeys(video.protocols))
    if len(names) == 1:
        lines.append(f"Protocol: {names[0]}")
    else:
        lines += [f"{parsing.label}: {name}" for parsing, name in zip(video.parsings, video.protocols, strict=False)]
    return [part for line in lines for part in textwrap.wrap(line, 130)]
