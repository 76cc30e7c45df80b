"""Small pictures of parsed videos for a dashboard: truth and prediction of each event, second by second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.llp import CLASSES, NUM_SEGMENTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["choose_videos", "classes_of", "draw_video", "to_rgb"]

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
    """Return the classes that occur in any of the (T, C) grids, in LLP's order."""
    return np.flatnonzero(np.logical_or.reduce([grid.any(axis=0) for grid in grids])).tolist()


def draw_video(
    title: str,
    truth: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    prediction: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    rows: int = 1,
) -> Figure:
    """Draw what is heard and what is seen in one video as bars over its seconds.

    Args:
        title: stands above; it has to say so when the data are simulated.
        truth: (T, C) of the audio, (T, C) of the visual modality.
        prediction: likewise.
        rows: classes that the figure has room for, at least; the figures of one gallery have to be of one size.
    """
    # Here, not above: the font cache alone costs seconds, which a run without pictures should not pay.
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    shown = classes_of(*truth, *prediction)
    rows = max(rows, len(shown))
    figure = Figure(figsize=(7.6, 1.5 + 0.36 * rows), dpi=_DPI, layout="constrained")
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(1, 2, sharey=True)
    for axis, heading, true, said in zip(axes, ("heard", "seen"), truth, prediction, strict=True):
        for row, name in enumerate(shown):
            axis.broken_barh(_bars(true[:, name]), (row - _HEIGHT, _HEIGHT), facecolors=_TRUTH)
            axis.broken_barh(_bars(said[:, name]), (row, _HEIGHT), facecolors=_PREDICTION)
        axis.set_title(heading, fontsize=9)
        axis.set_xlim(0, NUM_SEGMENTS)
        axis.set_xticks(range(0, NUM_SEGMENTS + 1, 2))
        axis.set_xlabel("second", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.grid(axis="x", color="0.88", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(shown)), [CLASSES[name].replace("_", " ") for name in shown])
    axes[0].set_ylim(rows - 0.5, -0.5)
    handles = [Patch(color=_TRUTH, label="truth"), Patch(color=_PREDICTION, label="prediction")]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def _bars(active: NDArray[np.bool_]) -> Sequence[tuple[float, float]]:
    """Return a bar (start, length) of one second for each segment that holds the event; neighbours touch."""
    return [(float(second), 1.0) for second in np.flatnonzero(active)]


def to_rgb(figure: Figure) -> NDArray[np.uint8]:
    """Return the drawn figure as (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels: NDArray[Any] = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(pixels[:, :, :3], dtype=np.uint8)
