"""Simulated features: what frozen backbones might say of a video whose events are known.

All that distinguishes classes lives in a small space per modality (:mod:`leap_avvp.data.simulate.world`). A segment of
a modality is

    h = sum over events that are on of gain * (prototype of the class + character of this event)
        + background of the video + faint distractors + noise that is correlated in time and has heavy tails

and a feature vector is a fixed random rotation of h into the width of its stream plus weak white noise. So the
signal is nearly linear and quickly learnt, and what limits a parser is what limits it in reality: classes that
resemble each other, events that overlap, faint events, distractors and wrong labels.

How hard it is, at the default sizes and knobs of ``SimulatedLLP`` (SIMULATED data, comparable with nothing published):
one logistic regression a class and modality, on single standardised segments, fitted on the dense truth of train (C =
0.01, 30 steps), scores 78.6 segment-level Type@AV on test without any filter.

Features have about unit variance. They imitate neither the scale nor the sign of any backbone's features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.simulate.world import CHARACTER, World, video_rng

__all__ = ["VideoFeatures", "draw_features"]

_NOISE = 0.11  # standard deviation in each latent dimension, against prototypes of length 1 and more
_WHITE = 0.15
_FEW = 48


class VideoFeatures(NamedTuple):
    """Features of one video, float32, one row a segment."""

    audio: NDArray[np.float32]
    """(T, F), of LLP (10, 128)"""
    video_2d: NDArray[np.float32]
    """(T, F), of LLP (10, 2048), the mean of each second's frames."""
    video_3d: NDArray[np.float32] | None = None
    """(T, F), of LLP (10, 512); None where the feature set has none."""


def draw_features(
    filename: str,
    audio: NDArray[np.bool_],
    visual: NDArray[np.bool_],
    world: World,
    *,
    seed: int,
    noise: float,
    alignment: float,
) -> VideoFeatures:
    """Return the features of one video whose dense labels are ``audio`` and ``visual``, both (T, C).

    What is heard and seen, the latent ``h``, does not depend on the streams of ``world``.
    """
    rng = video_rng(seed, filename, 0)
    segments, classes = audio.shape
    latent_size = world.prototype.shape[-1]
    shared = rng.standard_normal((classes, CHARACTER), dtype=np.float32)
    latent = []
    for modality, active in enumerate((audio, visual)):
        private = rng.standard_normal((classes, CHARACTER), dtype=np.float32)
        character = np.float32(alignment**0.5) * shared + np.float32((1 - alignment) ** 0.5) * private
        loudness = np.exp(np.float32(0.3) * rng.standard_normal(classes, dtype=np.float32) - np.float32(0.045))
        flutter = np.exp(np.float32(0.2) * rng.standard_normal((segments, classes), dtype=np.float32))
        gain = active * flutter * (loudness * world.salience[modality])
        gain += _distractor(rng, segments, classes)
        # Of many classes all but a few have no part in a video; without them the time does not grow with C.
        on = slice(None) if classes <= _FEW else np.flatnonzero(gain.any(axis=0))
        shape = world.prototype[modality, on] + np.einsum("cz,czk->ck", character[on], world.character[modality, on])
        latent.append(gain[:, on] @ shape + np.float32(noise * _NOISE) * _noise(rng, segments, latent_size))
    heard, seen = latent
    views = []
    for rotation, hidden, extra in zip(world.rotation, (heard, seen, seen), (0.0, 0.5, 0.5), strict=False):
        white = rng.standard_normal((segments, rotation.shape[1]), dtype=np.float32)
        noisy = hidden + np.float32(extra * noise * _NOISE) * _noise(rng, segments, latent_size) if extra else hidden
        views.append(noisy @ rotation + np.float32(_WHITE) * white)
    return VideoFeatures(*views)


def _distractor(rng: np.random.Generator, segments: int, classes: int) -> NDArray[np.float32]:
    """Return (T, C) faint traces of classes that are not there, each over a stretch of segments."""
    gain = np.zeros((segments, classes), dtype=np.float32)
    for _ in range(int(rng.integers(0, 3))):
        first, last = sorted(rng.integers(0, segments, 2))
        gain[first : last + 1, rng.integers(classes)] += np.float32(rng.uniform(0.1, 0.4))
    return gain


def _noise(rng: np.random.Generator, segments: int, latent: int) -> NDArray[np.float32]:
    """Return (T, K) noise of about unit variance: constant over the video, correlated in time, and heavy-tailed."""
    background = rng.standard_normal(latent, dtype=np.float32)
    steps = rng.standard_normal((segments, latent), dtype=np.float32)
    for place in range(1, segments):
        steps[place] = np.float32(0.5) * steps[place - 1] + np.float32(0.75**0.5) * steps[place]
    # Student's t with 6 degrees of freedom, scaled to unit variance: now and then a segment is much worse.
    heavy = np.sqrt(4.0 / rng.chisquare(6.0, (segments, 1))).astype(np.float32)
    return np.float32(0.3**0.5) * background + np.float32(0.7**0.5) * heavy * steps
