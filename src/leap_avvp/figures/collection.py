"""The figures of one run, or of two side by side, by name: for the command and for reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from leap_avvp.errors import DataError
from leap_avvp.figures import pick as picking
from leap_avvp.figures.attention import attention_bars, attention_focus
from leap_avvp.figures.curves import MONITOR, learning_curves, read_curves
from leap_avvp.figures.parsing import ParsedVideo
from leap_avvp.figures.runs import Run, parse_videos, predictions_of, truth_of
from leap_avvp.figures.summary import error_bars, per_class_bars
from leap_avvp.figures.video import video_figure
from leap_avvp.metrics.errors import decision_counts
from leap_avvp.metrics.per_class import per_class_f1

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["picked_videos", "summary_figures", "video_figures"]

_AT_ONCE = 256


def picked_videos(runs: Sequence[Run], pick: str, count: int) -> list[str]:
    """Return the ids of test videos, the most telling first: ``overlapping``, ``changing``, ``worst``, or
    ``disagreement`` of two runs.

    Raises:
        DataError: there is no such video.
    """
    truth = truth_of(runs[-1])
    if pick == "overlapping":
        rows = picking.overlapping(truth)
    elif pick == "changing":
        rows = picking.changing(truth)
    elif pick == "disagreement":
        rows = picking.disagreement(*(predictions_of(each) for each in runs))
    else:
        rows = picking.worst(predictions_of(runs[-1]), truth)
    if not rows:
        raise DataError(f"{runs[-1].folder}: --pick {pick}: found no such video among {len(truth.video_ids)}")
    if len(rows) < count:
        print(f"--pick {pick}: only {len(rows)} such videos of {len(truth.video_ids)}")
    return [truth.video_ids[row] for row in rows[:count]]


def video_figures(runs: Sequence[Run], video_ids: Sequence[str]) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of each video."""
    if video_ids:
        for video in parse_videos(runs, video_ids):
            yield f"video_{video.video_id}", video_figure(video)


def summary_figures(runs: Sequence[Run]) -> Iterator[tuple[str, Figure]]:
    """Yield learning curves (of runs that kept a log), F1 of each class, kinds of mistakes, and LEAP's attention."""
    source, card = runs[-1].data.source.name, runs[-1].data.source.card
    grids = {}
    for each in runs:
        said, truth = predictions_of(each), truth_of(each)
        own = (said.audio, said.visual, truth.audio, truth.visual)
        grids[each.label] = [torch.from_numpy(grid) for grid in own]
    curves = {each.label: read_curves(each.folder, each.label) for each in runs}
    found = [own for own in curves.values() if own is not None]
    for label in (label for label, own in curves.items() if own is None):
        print(f"{label}: no history.csv, hence no learning curves")
    if found:
        monitor = runs[-1].record.config.get("callbacks", {}).get("monitor", MONITOR)
        yield "learning_curves", learning_curves(found, source, monitor)
    true = np.sum([grid.sum(axis=(0, 1)) for grid in (truth.audio, truth.visual)], axis=0)
    scores = {label: per_class_f1(*own) for label, own in grids.items()}
    yield "per_class", per_class_bars(scores, source, card=card, true_segments=true)
    yield "errors", error_bars({label: decision_counts(*own) for label, own in grids.items()}, source)
    for number, each in enumerate(runs):
        focus = attention_focus(_test_videos(each), each.label, card)
        if focus is not None:
            for modality, shares in focus.items():
                inside, even = shares.mean()
                print(
                    f"{each.label}: {modality} attention inside the true seconds {inside:.3f}, spread evenly {even:.3f}"
                )
            name = "attention" if number == len(runs) - 1 else "attention_compared"
            yield name, attention_bars(focus, each.label, source, card)


def _test_videos(run: Run) -> Iterator[ParsedVideo]:
    """Yield the test videos, some at a time: all maps of a large split would fill the memory."""
    ids = truth_of(run).video_ids
    for start in range(0, len(ids), _AT_ONCE):
        yield from parse_videos([run], ids[start : start + _AT_ONCE])
