"""Small pictures of parsed videos for a dashboard: truth and prediction of each event, segment by segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import LLP, DataCard

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MOST", "choose_videos", "classes_of", "draw_video", "to_rgb"]

MOST = 30
"""Classes of a picture."""
_LONGEST = 28  # letters of a class's name

# Okabe and Ito's palette: told apart in every common colour-vision deficiency.
_TRUTH, _PREDICTION = "#0072B2", "#D55E00"
_HEIGHT = 0.36
_DPI = 110


def choose_videos(target_audio: NDArray[np.bool_], target_visual: NDArray[np.bool_], count: int) -> list[int]:
    """Return the rows of the videos that hold the most different events, heard or seen; of equals the first.

    The truth alone decides, so that all runs on the same data show the same videos.

    Args:
        target_audio: (N, T, C) truth.
        target_visual: (N, T, C) truth.
        count: how many, at most.
    """
    events = target_audio.any(axis=1).sum(axis=1) + target_visual.any(axis=1).sum(axis=1)
    return [int(row) for row in np.argsort(-events, kind="stable")[:count]]


def classes_of(*grids: NDArray[np.bool_]) -> list[int]:
    """Return the classes that occur in any of the (T, C) grids, in their order."""
    return np.flatnonzero(np.logical_or.reduce([grid.any(axis=0) for grid in grids])).tolist()


def draw_video(
    title: str,
    truth: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    prediction: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    rows: int = 1,
    card: DataCard = LLP,
) -> Figure:
    """Draw what is heard and what is seen in one video as bars over its seconds.

    Of more than :data:`MOST` classes those are drawn that last longest in the truth, then in the prediction, and the
    title says how many there are.

    Args:
        title: stands above; it has to say so when the data are simulated.
        truth: (T, C) of the audio, (T, C) of the visual modality.
        prediction: likewise.
        rows: classes that the figure has room for, at least; the figures of one gallery have to be of one size.
        card: classes and segments.
    """
    # Here, not above: the font cache alone costs seconds, which a run without pictures should not pay.
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator

    found = classes_of(*truth, *prediction)
    lasting = [sum(grid.sum(axis=0) for grid in pair) for pair in (prediction, truth)]  # (C,) each
    longest = [int(label) for label in np.lexsort([-own for own in lasting]) if label in set(found)]
    shown = sorted(longest[:MOST])
    if len(shown) < len(found):
        title = f"{title}: {len(shown)} of {len(found)} classes"
    rows = max(rows, len(shown))
    figure = Figure(figsize=(7.6, 1.5 + 0.36 * rows), dpi=_DPI, layout="constrained")
    figure.suptitle(title, fontsize=10, parse_math=False)
    axes = figure.subplots(1, 2, sharey=True)
    for axis, heading, true, said in zip(axes, ("heard", "seen"), truth, prediction, strict=True):
        for row, label in enumerate(shown):
            axis.broken_barh(_bars(true[:, label], card.seconds), (row - _HEIGHT, _HEIGHT), facecolors=_TRUTH)
            axis.broken_barh(_bars(said[:, label], card.seconds), (row, _HEIGHT), facecolors=_PREDICTION)
        axis.set_title(heading, fontsize=9)
        axis.set_xlim(0, card.duration)
        axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.set_xlabel("second", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.grid(axis="x", color="0.88", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(shown)), [_short(card.display[label]) for label in shown], parse_math=False)
    axes[0].set_ylim(rows - 0.5, -0.5)
    handles = [Patch(color=_TRUTH, label="truth"), Patch(color=_PREDICTION, label="prediction")]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1].rstrip()}…"


def _bars(active: NDArray[np.bool_], seconds: float) -> Sequence[tuple[float, float]]:
    """Return a bar (start, length) in seconds for each segment that holds the event; neighbours touch."""
    return [(float(segment * seconds), seconds) for segment in np.flatnonzero(active)]


def to_rgb(figure: Figure) -> NDArray[np.uint8]:
    """Return the drawn figure as (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels: NDArray[Any] = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(pixels[:, :, :3], dtype=np.uint8)
