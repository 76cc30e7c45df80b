"""Bars over a whole split: F1 of each class, and the kinds of mistakes in hearing and in seeing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from leap_avvp.card import LLP, DataCard
from leap_avvp.errors import ConfigError
from leap_avvp.figures.classes import MANY, choose_classes, left_out, shortened
from leap_avvp.figures.palette import KIND_STYLES, RUN_STYLES, class_styles
from leap_avvp.figures.parsing import MODALITIES
from leap_avvp.figures.save import HATCH_WIDTH, mark_source
from leap_avvp.metrics.errors import DecisionCounts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["class_rows", "dress", "error_bars", "per_class_bars"]

_FONT = 7
_LONGEST = 79.0  # points of a class's name


def per_class_bars(
    runs: Mapping[str, Mapping[str, Tensor]],
    data_source: str,
    names: Sequence[str] = ("segment/audio", "segment/visual"),
    card: DataCard = LLP,
    true_segments: NDArray[np.int64] | None = None,
) -> Figure:
    """Draw the F1 of each class of one or two runs; of two also the second less the first.

    Of more than :data:`~leap_avvp.figures.classes.FEW` classes those are drawn that occur in the truth or in a
    prediction, up to :data:`~leap_avvp.figures.classes.MANY`.

    Args:
        runs: by label, what :func:`~leap_avvp.metrics.per_class.per_class_f1` returns, (C,) in percent.
        data_source: ``simulated``, or the name of the card, which the figure says.
        names: scores to draw, of :data:`~leap_avvp.metrics.per_class.PER_CLASS_NAMES`.
        card: with the classes' names.
        true_segments: (C,) those with most are drawn, where not all are.

    Raises:
        ConfigError: no run, or more than two.
    """
    from matplotlib.figure import Figure

    _check_number(runs)
    compared = len(runs) == 2
    widths = [3.0, 1.3] if compared else [3.0]
    every = np.stack([scores[name].numpy() for scores in runs.values() for name in names])
    occurs = ~np.isnan(every).all(axis=0)
    strength = np.zeros(len(occurs), np.int64) if true_segments is None else true_segments
    shown, hidden = choose_classes(occurs, (strength,), MANY)
    note = left_out(len(occurs), len(shown), hidden, "that occur in truth or prediction", "true segments")
    figure = Figure(figsize=(7.2, 0.9 + len(shown) * (0.22 if compared else 0.17)), layout="constrained")
    axes = figure.subplots(1, len(names) * len(widths), sharey=True, squeeze=False, width_ratios=widths * len(names))[0]
    for number, name in enumerate(names):
        own = {label: scores[name][shown].tolist() for label, scores in runs.items()}
        _scores(axes[number * len(widths)], name, own)
        if compared:
            _differences(axes[number * len(widths) + 1], own)
    class_rows(axes[0], card, shown)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=8)
    figure.supxlabel(
        "F1 of each class over all videos of the split; the published scores are means over videos instead"
        + (f"\n{note}" if note else ""),
        fontsize=6.5,
    )
    mark_source(figure, data_source)
    return figure


def _check_number(runs: Mapping[str, object]) -> None:
    if not 1 <= len(runs) <= len(RUN_STYLES):
        raise ConfigError(f"bars: expected 1 to {len(RUN_STYLES)} runs, found {len(runs)}")


def _scores(axis: Axes, name: str, runs: Mapping[str, Sequence[float]]) -> None:
    thickness = 0.8 / len(runs)
    for number, (label, values) in enumerate(runs.items()):
        style = RUN_STYLES[number]
        places = [row + (number - (len(runs) - 1) / 2) * thickness for row in range(len(values))]
        axis.barh(
            places, [0 if math.isnan(value) else value for value in values], height=thickness, color=style.colour,
            label=label,
        )  # fmt: skip
        for place, value in zip(places, values, strict=True):
            text = "absent" if math.isnan(value) else f"{value:.0f}"
            axis.text(
                1 if math.isnan(value) else value + 1, place, text, va="center_baseline", fontsize=5.5, color="0.3"
            )
    axis.set_xlim(0, 112)
    axis.set_xticks([0, 25, 50, 75, 100])
    dress(axis, f"{name.replace('/', ', ')}: F1 (%)")


def _differences(axis: Axes, runs: Mapping[str, Sequence[float]]) -> None:
    (first, one), (second, other) = runs.items()
    differences = [b - a for a, b in zip(one, other, strict=True)]  # NaN where a class is absent from either
    known = [0 if math.isnan(value) else value for value in differences]
    axis.barh(range(len(known)), known, height=0.6, color=[RUN_STYLES[value >= 0].colour for value in known])
    axis.axvline(0, color="black", linewidth=0.6)
    reach = max(10.0, *(abs(value) for value in known)) * 2.2
    for row, value in enumerate(differences):
        if math.isnan(value):
            continue
        side = 1 if value >= 0 else -1
        axis.annotate(
            f"{value:+.0f}" if round(value) else "0", (value, row), xytext=(2 * side, 0), textcoords="offset points",
            ha="left" if side > 0 else "right", va="center_baseline", fontsize=5.5, color="0.3",
        )  # fmt: skip
    axis.set_xlim(-reach, reach)
    dress(axis, f"{second} - {first}")


def class_rows(axis: Axes, card: DataCard, shown: Sequence[int]) -> None:
    """Give each class that is shown a row, the first on top."""
    styles = class_styles(card)
    names = [shortened(styles[label].name, _FONT, _LONGEST) for label in shown]
    axis.set_yticks(range(len(shown)), names, parse_math=False)
    axis.set_ylim(len(shown) - 0.4, -0.6)


def dress(axis: Axes, title: str) -> None:
    """Title an axis of bars, and leave of its frame what is read."""
    axis.set_title(title, fontsize=_FONT + 0.5)
    axis.tick_params(labelsize=_FONT, length=2)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color="0.9", linewidth=0.4)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def error_bars(runs: Mapping[str, Mapping[str, DecisionCounts]], data_source: str) -> Figure:
    """Draw the kinds of decisions on segments, audio against visual, as shares of what is true and of what is said.

    Left, of the events that are true: found or missed. Right, of those that are said: right, or wrong in one of four
    ways. Silence where nothing is, nearly all of the decisions, is left out.

    Args:
        runs: by label, what :func:`~leap_avvp.metrics.errors.decision_counts` returns.
        data_source: ``simulated``, or the name of the card, which the figure says.

    Raises:
        ConfigError: no run, or more than two.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    _check_number(runs)
    rows = {f"{label}: {name}": counts[name] for name in MODALITIES for label, counts in runs.items()}
    figure = Figure(figsize=(7.2, 1.2 + 0.32 * len(rows)), layout="constrained")
    true, said = figure.subplots(1, 2, sharey=True)
    with rc_context({"hatch.linewidth": HATCH_WIDTH}):
        for row, counts in enumerate(rows.values()):
            _stack(true, row, counts, ("hit", "missed"))
            _stack(said, row, counts, ("hit", "wrong_modality", "wrong_time", "wrong_both", "invented"))
    true.set_yticks(range(len(rows)), list(rows))
    true.set_ylim(len(rows) - 0.4, -0.6)
    for axis, title in ((true, "of the true segments (%)"), (said, "of the predicted segments (%)")):
        axis.set_xlim(0, 100)
        dress(axis, title)
    found = {
        label: handle for axis in (true, said) for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        found.values(), found.keys(), loc="outside lower center", ncols=len(found), frameon=False, fontsize=_FONT
    )
    figure.suptitle("Decisions by kind", fontsize=8, x=0.01, ha="left")
    mark_source(figure, data_source)
    return figure


def _stack(axis: Axes, row: int, counts: DecisionCounts, kinds: Sequence[str]) -> None:
    """Draw one row of shares, which sum to 100 percent; a row of nothing stays empty and says so."""
    numbers = {kind: int(getattr(counts, kind).sum()) for kind in kinds}
    whole = sum(numbers.values())
    if whole == 0:
        axis.text(1, row, "none", va="center_baseline", fontsize=_FONT, color="0.3")
        return
    left = 0.0
    for kind, number in numbers.items():
        style, share = KIND_STYLES[kind], 100 * number / whole
        name = style.name if style.name not in axis.get_legend_handles_labels()[1] else "_nolegend_"
        axis.barh(
            row, share, left=left, height=0.7, color=style.colour, hatch=style.hatch, edgecolor=(0, 0, 0, 0.45),
            linewidth=0, label=name,
        )  # fmt: skip
        if share >= 6:
            axis.text(
                left + share / 2, row, f"{share:.0f}", ha="center", va="center_baseline", fontsize=_FONT,
                color=style.ink, bbox={"facecolor": style.colour, "edgecolor": "none", "pad": 0.5},
            )  # fmt: skip
        left += share
