"""Where LEAP's cross-modal attention lies: inside an event's true seconds, against evenly over the video."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import LLP, DataCard
from leap_avvp.figures.classes import MANY, choose_classes, left_out
from leap_avvp.figures.parsing import MODALITIES, ParsedVideo
from leap_avvp.figures.save import mark_source
from leap_avvp.figures.summary import class_rows, dress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["AttentionFocus", "attention_bars", "attention_focus"]


@dataclasses.dataclass(frozen=True)
class AttentionFocus:
    """How much of an event's attention lies in the segments in which it is on, in one modality. C classes.

    Taken over every event that is on for a part of its video; where it is on from beginning to end, attention has no
    other place to go.
    """

    inside: NDArray[np.float64]
    """(C,) mean share of the attention that lies inside the true segments, NaN of a class without such events."""
    even: NDArray[np.float64]
    """(C,) the same of attention that is spread evenly: the mean share of segments in which the event is on."""
    events: NDArray[np.int64]
    """(C,) number of such events."""

    def mean(self) -> tuple[float, float]:
        """Return both shares over all events, NaN where there are none."""
        total = int(self.events.sum())
        if not total:
            return float("nan"), float("nan")
        return tuple(float(np.nansum(own * self.events) / total) for own in (self.inside, self.even))  # type: ignore[return-value]


def attention_focus(
    videos: Iterable[ParsedVideo], label: str, card: DataCard = LLP
) -> dict[str, AttentionFocus] | None:
    """Measure the attention of the run called ``label``, by modality; None where its decoder has none."""
    sums = {modality: np.zeros((3, card.num_classes)) for modality in MODALITIES}
    for video in videos:
        attention = next(own.attention for own in video.parsings if own.label == label)
        if attention is None:
            return None
        for modality in MODALITIES:
            on = video.truth[modality].T.astype(bool)  # (C, T)
            part = on.any(axis=1) & ~on.all(axis=1)
            sums[modality] += part * np.stack(((attention[modality] * on).sum(axis=1), on.mean(axis=1), part))
    with np.errstate(invalid="ignore"):
        return {
            modality: AttentionFocus(inside / events, even / events, events.astype(np.int64))
            for modality, (inside, even, events) in sums.items()
        }


def attention_bars(focus: dict[str, AttentionFocus], label: str, data_source: str, card: DataCard = LLP) -> Figure:
    """Draw both shares of each class, audio beside visual; the titles state the means over all events.

    Of more than :data:`~leap_avvp.figures.classes.FEW` classes those are drawn that have such events, up to
    :data:`~leap_avvp.figures.classes.MANY`.
    """
    from matplotlib.figure import Figure

    events = np.sum([own.events for own in focus.values()], axis=0)
    shown, hidden = choose_classes(events > 0, (events,), MANY)
    note = left_out(len(events), len(shown), hidden, "that have such events", "such events")
    figure = Figure(figsize=(7.2, 0.9 + len(shown) * 0.17), layout="constrained")
    axes = figure.subplots(1, len(focus), sharey=True)
    for axis, (modality, own) in zip(axes, focus.items(), strict=True):
        _draw(axis, own, shown)
        inside, even = own.mean()
        dress(axis, f"{modality}: {100 * inside:.0f} % inside, {100 * even:.0f} % if spread evenly")
    class_rows(axes[0], card, shown)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=8)
    figure.supxlabel(
        f"{label}: share of an event's attention inside its true seconds (%), events that are on for a part of the "
        "video; in brackets how many" + (f"\n{note}" if note else ""),
        fontsize=6.5,
    )
    mark_source(figure, data_source)
    return figure


def _draw(axis: Axes, focus: AttentionFocus, shown: Sequence[int]) -> None:
    rows = range(len(shown))
    values = [own[list(shown)] for own in (focus.inside, focus.even, focus.events)]
    axis.barh(rows, 100 * np.nan_to_num(values[0]), height=0.7, color="#e6862a", label="attention inside")
    axis.plot(100 * values[1], rows, "|", color="black", markersize=5, label="if spread evenly")
    for row, inside, _, events in zip(rows, *values, strict=True):
        text = f"{100 * inside:.0f} ({events})" if events else "none"
        axis.text(100 * inside + 2 if events else 1, row, text, va="center_baseline", fontsize=5.5, color="0.3")
    axis.set_xlim(0, 118)
    axis.set_xticks([0, 25, 50, 75, 100])
