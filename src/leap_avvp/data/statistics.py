"""Statistics of annotations, simulated or real: how often, how many, how long and how aligned the events are.

An *event* is a (video, class) pair that has at least one second on; a *run* is a maximal stretch of its seconds.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DenseStatistics",
    "LabelStatistics",
    "StreamStatistics",
    "dense_statistics",
    "label_statistics",
    "temporal_iou",
]

Floats: TypeAlias = NDArray[np.float64]
_MOST = 4  # labels, runs and events are counted up to four; what is above counts as four


@dataclasses.dataclass(frozen=True)
class LabelStatistics:
    """Weak labels of N videos."""

    videos: int
    class_share: Floats
    """(C,) share of the videos that have the class."""
    labels_per_video: Floats
    """(5,) share of the videos with 0, 1, 2, 3, 4 or more labels."""
    pair_share: Floats
    """(C, C) share of the videos that have both classes; 0 on the diagonal."""


@dataclasses.dataclass(frozen=True)
class StreamStatistics:
    """Dense labels of one stream: audio, visual, or audio-visual (on in both)."""

    classes_per_video: Floats
    """(5,) share of the videos with 0, 1, 2, 3, 4 or more classes."""
    events_per_segment: Floats
    """(5,) share of the segments with 0, 1, 2, 3, 4 or more events."""
    run_length: Floats
    """(T,) share of the runs that last 1, 2, ..., T seconds."""
    runs_per_event: Floats
    """(4,) share of the events with 1, 2, 3, 4 or more runs."""
    onset_at_start: float
    """Share of the runs that begin in the first second."""
    seconds_per_event: float
    """Mean seconds that an event is on."""


@dataclasses.dataclass(frozen=True)
class DenseStatistics:
    """Dense labels of N videos."""

    audio: StreamStatistics
    visual: StreamStatistics
    audio_visual: StreamStatistics
    events: int
    """(video, class) pairs that are heard or seen."""
    only_heard: float
    """Share of the events."""
    only_seen: float
    """Share of the events."""
    both: float
    """Share of the events that are heard in some second and seen in some second."""
    iou_mean: float
    """Mean temporal IoU of the two modalities, over events that are both; nan without any."""
    iou_exact: float
    """Share of them with IoU 1."""
    iou_below_04: float
    """Share of them with IoU below 0.4."""
    heard_by_class: NDArray[np.int64]
    """(C,) videos."""
    seen_by_class: NDArray[np.int64]
    """(C,) videos."""
    both_by_class: NDArray[np.int64]
    """(C,) videos."""


def _shares(counts: NDArray[np.intp], least: int, most: int) -> Floats:
    """Return the shares of the values ``least`` to ``most`` (values above counted as ``most``) among ``counts``."""
    histogram = np.bincount(np.minimum(counts, most) - least, minlength=most - least + 1)
    return histogram / max(1, int(histogram.sum()))


def label_statistics(weak: NDArray[np.bool_]) -> LabelStatistics:
    """Return the statistics of weak labels (N, C)."""
    videos = len(weak)
    ones = weak.astype(np.float64)
    pairs = ones.T @ ones / max(1, videos)
    share = np.diag(pairs).copy()
    np.fill_diagonal(pairs, 0.0)
    return LabelStatistics(videos, share, _shares(weak.sum(axis=1), 0, _MOST), pairs)


def temporal_iou(audio: NDArray[np.bool_], visual: NDArray[np.bool_]) -> Floats:
    """Return the temporal IoU (N, C) of two dense grids (N, T, C), by video and class; nan where it is in neither."""
    union = (audio | visual).sum(axis=1)
    both = (audio & visual).sum(axis=1)
    iou: Floats = np.divide(both, union, out=np.full(union.shape, np.nan), where=union > 0)
    return iou


def _stream(dense: NDArray[np.bool_]) -> StreamStatistics:
    segments = dense.shape[1]
    events = dense.transpose(0, 2, 1)[dense.any(axis=1)]  # (E, T)
    edges = np.diff(events.astype(np.int8), axis=1, prepend=0, append=0)  # (E, T + 1)
    row, start = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    return StreamStatistics(
        classes_per_video=_shares(dense.any(axis=1).sum(axis=1), 0, _MOST),
        events_per_segment=_shares(dense.sum(axis=2).ravel(), 0, _MOST),
        run_length=_shares(end - start, 1, segments),
        runs_per_event=_shares(np.bincount(row, minlength=len(events)), 1, _MOST),
        onset_at_start=float((start == 0).mean()) if len(start) else float("nan"),
        seconds_per_event=float(events.sum(axis=1).mean()) if len(events) else float("nan"),
    )


def dense_statistics(audio: NDArray[np.bool_], visual: NDArray[np.bool_]) -> DenseStatistics:
    """Return the statistics of dense labels, both (N, T, C)."""
    heard, seen = audio.any(axis=1), visual.any(axis=1)
    present, both = heard | seen, heard & seen
    events = int(present.sum())
    iou = temporal_iou(audio, visual)[both]
    exact = np.isclose(iou, 1.0)

    def share(cells: Any) -> float:
        return float(cells.sum()) / max(1, events)

    return DenseStatistics(
        audio=_stream(audio),
        visual=_stream(visual),
        audio_visual=_stream(audio & visual),
        events=events,
        only_heard=share(heard & ~seen),
        only_seen=share(seen & ~heard),
        both=share(both),
        iou_mean=float(iou.mean()) if len(iou) else float("nan"),
        iou_exact=float(exact.mean()) if len(iou) else float("nan"),
        iou_below_04=float((iou < 0.4).mean()) if len(iou) else float("nan"),
        heard_by_class=heard.sum(axis=0),
        seen_by_class=seen.sum(axis=0),
        both_by_class=both.sum(axis=0),
    )
