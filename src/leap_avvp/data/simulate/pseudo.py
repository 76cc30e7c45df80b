"""Simulated pseudo labels: what imperfect audio and visual teachers say of the training videos.

They stand for VALOR's (Lai, Chen and Wang, "Modality-Independent Teachers Meet Weakly-Supervised Audio-Visual Event
Parser", NeurIPS 2023), which are CLAP's and CLIP's zero-shot answers, thresholded and masked by the weak label. How
often the simulated teachers err is our choice, not a figure of that paper. Measured over the segments of 10,000
SIMULATED training videos: precision 0.92 and recall 0.89 in audio, 0.88 and 0.86 in visual.

A teacher's score of an event is the truth smoothed over neighbouring segments, plus an error of the whole event (the
teacher knows a class badly, or is fooled by the other modality) and an error that drifts in time. So mistakes come in
runs: a missed event, a wrong event, a boundary that is off, a gap. The errors differ in size by class and modality.

As soft targets the same scores stand for UWAV's (Lai et al., CVPR 2025): they become logits z around a threshold theta
of each class, and a target is y sigmoid((z - theta) / 2). What lies above its threshold is what the labels of 0 and 1
say, and the margins are of the size that cosines times UWAV's fixed scales of 3.3 and 4.6 leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.pseudo.thresholds import soft_targets

__all__ = ["Agreement", "agreement", "draw_pseudo_labels", "draw_soft_targets"]

_WORLD = 20_230_531
# (audio, visual): error of a whole event, error that drifts, and the threshold.
_EVENT_ERROR = (0.45, 0.39)
_DRIFT_ERROR = (0.22, 0.20)
_THRESHOLD = (0.46, 0.49)
# (audio, visual): by how much a logit grows from a score of 0 to one of 1; and how far thresholds of classes lie apart.
_GAIN = (5.0, 6.0)
_SPREAD = 1.0


class Agreement(NamedTuple):
    """How pseudo labels agree with the truth, over all (video, segment, class) cells."""

    precision: float
    recall: float


def draw_pseudo_labels(
    truth: tuple[NDArray[np.bool_], NDArray[np.bool_]], weak: NDArray[np.bool_], rng: np.random.Generator, error: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the audio and the visual pseudo labels, (N, T, C) of 0 and 1, zero outside the weak label.

    ``error`` scales both errors; 0 gives the truth. The labels of the first n videos do not depend on the others.
    """
    labels = []
    for modality, (video, event, margin) in enumerate(_margins(truth, weak, rng, error)):
        label = np.zeros(truth[modality].shape, dtype=np.float32)
        label[video, :, event] = margin > 0
        labels.append(label)
    return labels[0], labels[1]


def draw_soft_targets(
    truth: tuple[NDArray[np.bool_], NDArray[np.bool_]], weak: NDArray[np.bool_], rng: np.random.Generator, error: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the audio and the visual soft targets, (N, T, C) from 0 to 1, zero outside the weak label.

    With the same generator they are above 0.5 where :func:`draw_pseudo_labels` says 1.
    """
    world = np.random.default_rng(_WORLD + 1)
    targets = []
    for modality, (video, event, margin) in enumerate(_margins(truth, weak, rng, error)):
        threshold: NDArray[np.float64] = _SPREAD * world.standard_normal((weak.shape[1],))
        gain: NDArray[np.float64] = _GAIN[modality] * world.uniform(0.8, 1.2, (weak.shape[1],))
        logits = np.zeros(truth[modality].shape)
        logits[video, :, event] = threshold[event, None] + gain[event, None] * margin
        targets.append(soft_targets(logits, threshold, weak))
    return targets[0], targets[1]


def _margins(
    truth: tuple[NDArray[np.bool_], NDArray[np.bool_]], weak: NDArray[np.bool_], rng: np.random.Generator, error: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Yield for audio, then visual, of E events the video, the class, and the scores less the threshold, (E, T)."""
    difficulty = np.random.default_rng(_WORLD).uniform(0.6, 1.4, (2, weak.shape[1]))
    segments = truth[0].shape[1]
    video, event = np.nonzero(weak)
    normal = rng.standard_normal((len(video), 2, segments + 1))
    for modality in (0, 1):
        cells = truth[modality][video, :, event].astype(np.float64)  # (E, T)
        padded = np.pad(cells, ((0, 0), (1, 1)), mode="edge")
        score = 0.2 * padded[:, :-2] + 0.6 * cells + 0.2 * padded[:, 2:]
        drift = normal[:, modality, 1:]
        for place in range(1, segments):
            drift[:, place] = 0.6 * drift[:, place - 1] + 0.8 * drift[:, place]
        size = error * difficulty[modality, event][:, None]
        score += size * (_EVENT_ERROR[modality] * normal[:, modality, :1] + _DRIFT_ERROR[modality] * drift)
        yield video, event, score - _THRESHOLD[modality]


def agreement(pseudo: NDArray[np.float32], truth: NDArray[np.bool_]) -> Agreement:
    """Return precision and recall of ``pseudo`` against ``truth``, both (N, T, C)."""
    said = pseudo > 0.5
    hits = float((said & truth).sum())
    return Agreement(hits / max(float(said.sum()), 1.0), hits / max(float(truth.sum()), 1.0))
