"""Simulated features: what the three frozen backbones might say of a video whose events are known.

All that distinguishes classes lives in a small space of K = 48 dimensions per modality. A second of a modality is

    h = sum over events that are on of gain * (prototype of the class + character of this event)
        + background of the video + faint distractors + noise that is correlated in time and has heavy tails

and a feature vector is a fixed random rotation of h into 128, 2048 or 512 dimensions plus weak white noise. So the
signal is nearly linear and quickly learnt, and what limits a parser is what limits it in reality: classes that
resemble each other, events that overlap, faint events, distractors and wrong labels. Prototypes and rotations come
from a constant seed: every data seed draws videos from the same world.

How hard it is, at the default sizes and knobs of ``SimulatedLLP`` (SIMULATED data, comparable with nothing published):
one logistic regression a class and modality, on single standardised segments, fitted on the dense truth of train (C =
0.01, 30 steps), scores 78.6 segment-level Type@AV on test without any filter.

Features have about unit variance. They imitate neither the scale nor the sign of VGGish, ResNet or R(2+1)D features.
"""

from __future__ import annotations

import functools
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leap_avvp.llp import (
    AUDIO_DIM,
    EMBEDDING_DIM,
    FRAMES_PER_SEGMENT,
    NUM_CLASSES,
    NUM_SEGMENTS,
    VISUAL_2D_DIM,
    VISUAL_3D_DIM,
)

__all__ = ["VideoFeatures", "draw_features", "draw_frames", "simulated_label_embedding"]

_WORLD = 20_240_708
_LATENT = 48
_CHARACTER = 6
_FAMILIES: tuple[tuple[int, ...], ...] = (
    (0, 11, 15, 22),  # voices: Speech, Singing, Baby_laughter, Baby_cry
    (1, 18, 19, 8, 17),  # engines: Car, Motorcycle, Helicopter, Chainsaw, Lawn_mower
    (2, 24, 6),  # crowds: Cheering, Clapping, Basketball
    (3, 4, 12),  # animals: Dog, Cat, Chicken
    (5, 14, 23),  # household: Frying, Vacuum, Blender
    (7, 21),  # bells: Fire alarm, Telephone
    (9, 10, 13, 16, 20),  # instruments: Cello, Banjo, Violin, Accordion, Guitar
)
"""Classes whose prototypes resemble each other."""

_NOISE = 0.11  # standard deviation in each latent dimension, against prototypes of length 1 and more
_WHITE = 0.15
_SCALE = 4.0  # brings features to about unit variance


class VideoFeatures(NamedTuple):
    """Features of one video, float32."""

    audio: NDArray[np.float32]
    """(T, 128)"""
    video_2d: NDArray[np.float32]
    """(T, 2048), the mean of each second's frames."""
    video_3d: NDArray[np.float32]
    """(T, 512)"""


class _World(NamedTuple):
    """What is the same for all videos. M = 2 modalities, audio first."""

    prototype: NDArray[np.float32]
    """(M, C, K)"""
    character: NDArray[np.float32]
    """(M, C, Z, K) how the character of an event shows."""
    salience: NDArray[np.float32]
    """(M, C) mean gain."""
    rotation: tuple[NDArray[np.float32], ...]
    """(K, 128), (K, 2048), (K, 512)"""


@functools.lru_cache(maxsize=8)
def _world(confusion: float) -> _World:
    rng = np.random.default_rng(_WORLD)
    own = _unit(rng.standard_normal((2, NUM_CLASSES, _LATENT)))
    family = np.empty_like(own)
    for members in _FAMILIES:
        family[:, members] = _unit(rng.standard_normal((2, 1, _LATENT)))
    prototype = np.sqrt(confusion) * family + np.sqrt(1 - confusion) * own
    character = 0.5 * _unit(rng.standard_normal((2, NUM_CLASSES, _CHARACTER, _LATENT))) / np.sqrt(_CHARACTER)
    salience = rng.uniform(0.8, 1.3, (2, NUM_CLASSES))
    rotation = []
    for width in (AUDIO_DIM, VISUAL_2D_DIM, VISUAL_3D_DIM):
        basis, _ = np.linalg.qr(rng.standard_normal((width, _LATENT)))
        rotation.append((basis.T * np.sqrt(width / _LATENT) * _SCALE).astype(np.float32))
    return _World(
        prototype.astype(np.float32),
        character.astype(np.float32),
        salience.astype(np.float32),
        tuple(rotation),
    )


def _unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)  # type: ignore[no-any-return]


def _video_rng(seed: int, filename: str, purpose: int) -> np.random.Generator:
    """Return the generator of one video: it depends on its name, not on its place or on other videos."""
    return np.random.Generator(np.random.SFC64([_WORLD, seed, purpose, zlib.crc32(filename.encode())]))


def draw_features(
    filename: str,
    audio: NDArray[np.bool_],
    visual: NDArray[np.bool_],
    *,
    seed: int,
    noise: float,
    confusion: float,
    alignment: float,
) -> VideoFeatures:
    """Return the features of one video whose dense labels are ``audio`` and ``visual``, both (T, C)."""
    world = _world(confusion)
    rng = _video_rng(seed, filename, 0)
    shared = rng.standard_normal((NUM_CLASSES, _CHARACTER), dtype=np.float32)
    latent = []
    for modality, active in enumerate((audio, visual)):
        private = rng.standard_normal((NUM_CLASSES, _CHARACTER), dtype=np.float32)
        character = np.float32(alignment**0.5) * shared + np.float32((1 - alignment) ** 0.5) * private
        loudness = np.exp(np.float32(0.3) * rng.standard_normal(NUM_CLASSES, dtype=np.float32) - np.float32(0.045))
        flutter = np.exp(np.float32(0.2) * rng.standard_normal((NUM_SEGMENTS, NUM_CLASSES), dtype=np.float32))
        shape = world.prototype[modality] + np.einsum("cz,czk->ck", character, world.character[modality])
        gain = active * flutter * (loudness * world.salience[modality])
        gain += _distractor(rng)
        latent.append(gain @ shape + np.float32(noise * _NOISE) * _noise(rng))
    heard, seen = latent
    views = []
    for rotation, hidden, extra in zip(world.rotation, (heard, seen, seen), (0.0, 0.5, 0.5), strict=True):
        white = rng.standard_normal((NUM_SEGMENTS, rotation.shape[1]), dtype=np.float32)
        noisy = hidden + np.float32(extra * noise * _NOISE) * _noise(rng) if extra else hidden
        views.append(noisy @ rotation + np.float32(_WHITE) * white)
    return VideoFeatures(*views)


def _distractor(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return (T, C) faint traces of classes that are not there, each over a stretch of seconds."""
    gain = np.zeros((NUM_SEGMENTS, NUM_CLASSES), dtype=np.float32)
    for _ in range(int(rng.integers(0, 3))):
        first, last = sorted(rng.integers(0, NUM_SEGMENTS, 2))
        gain[first : last + 1, rng.integers(NUM_CLASSES)] += np.float32(rng.uniform(0.1, 0.4))
    return gain


def _noise(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return (T, K) noise of about unit variance: constant over the video, correlated in time, and heavy-tailed."""
    background = rng.standard_normal(_LATENT, dtype=np.float32)
    steps = rng.standard_normal((NUM_SEGMENTS, _LATENT), dtype=np.float32)
    for second in range(1, NUM_SEGMENTS):
        steps[second] = np.float32(0.5) * steps[second - 1] + np.float32(0.75**0.5) * steps[second]
    # Student's t with 6 degrees of freedom, scaled to unit variance: now and then a second is much worse.
    heavy = np.sqrt(4.0 / rng.chisquare(6.0, (NUM_SEGMENTS, 1))).astype(np.float32)
    return np.float32(0.3**0.5) * background + np.float32(0.7**0.5) * heavy * steps


def draw_frames(filename: str, pooled: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """Return (8 T, D) frames of which each second's mean is ``pooled`` (T, D), up to rounding in float32."""
    rng = _video_rng(seed, filename, 1)
    change = np.float32(0.3) * rng.standard_normal(
        (NUM_SEGMENTS, FRAMES_PER_SEGMENT, pooled.shape[1]), dtype=np.float32
    )
    change -= change.mean(axis=1, keepdims=True)
    return (pooled[:, None] + change).reshape(-1, pooled.shape[1])


def simulated_label_embedding() -> NDArray[np.float32]:
    """Return (C, 300) simulated label embeddings: related classes are near, norms 5 to 7, nothing of GloVe in them."""
    rng = np.random.default_rng(_WORLD + 1)
    own = _unit(rng.standard_normal((NUM_CLASSES, EMBEDDING_DIM)))
    family = np.empty_like(own)
    for members in _FAMILIES:
        family[list(members)] = _unit(rng.standard_normal((1, EMBEDDING_DIM)))
    length = rng.uniform(5.0, 7.0, (NUM_CLASSES, 1))
    return (length * _unit(np.sqrt(0.3) * family + np.sqrt(0.7) * own)).astype(np.float32)
