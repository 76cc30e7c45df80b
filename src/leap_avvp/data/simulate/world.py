"""What is the same for all simulated videos of a data set: how its classes look and sound, the vectors of their names.

All that distinguishes classes lives in a small space of K dimensions per modality: 48 for up to 48 classes, more for
more, at most 128, and never more than the narrowest stream has. Everything comes from a constant seed: every data seed
draws videos from the same world.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leap_avvp.llp import CLASSES, EMBEDDING_DIM

__all__ = ["CHARACTER", "World", "simulated_label_embedding", "video_rng", "world"]

CHARACTER = 6
"""Z, the dimensions in which events of one class differ."""

_WORLD = 20_240_708
_LATENT = 48
_MOST_LATENT = 128
_SCALE = 4.0  # brings features to about unit variance
_NEIGHBOURS = 4
_LLP_FAMILIES: tuple[tuple[int, ...], ...] = (
    (0, 11, 15, 22),  # voices: Speech, Singing, Baby_laughter, Baby_cry
    (1, 18, 19, 8, 17),  # engines: Car, Motorcycle, Helicopter, Chainsaw, Lawn_mower
    (2, 24, 6),  # crowds: Cheering, Clapping, Basketball
    (3, 4, 12),  # animals: Dog, Cat, Chicken
    (5, 14, 23),  # household: Frying, Vacuum, Blender
    (7, 21),  # bells: Fire alarm, Telephone
    (9, 10, 13, 16, 20),  # instruments: Cello, Banjo, Violin, Accordion, Guitar
)


class World(NamedTuple):
    """What is the same for all videos. M = 2 modalities, audio first; C classes, K latent dimensions, S streams."""

    prototype: NDArray[np.float32]
    """(M, C, K)"""
    character: NDArray[np.float32]
    """(M, C, Z, K) how the character of an event shows."""
    salience: NDArray[np.float32]
    """(M, C) mean gain."""
    rotation: tuple[NDArray[np.float32], ...]
    """(K, F) of each of the S streams."""


@functools.lru_cache(maxsize=8)
def world(classes: tuple[str, ...], widths: tuple[int, ...], confusion: float) -> World:
    """Return the world of some classes.

    Args:
        classes: (C,) their names.
        widths: (S,) F of each stream; the prototypes do not depend on them unless one is narrower than K.
        confusion: 0 to 1, how much classes of one family look the same.
    """
    number = len(classes)
    latent = min(_LATENT if classes == CLASSES else min(_MOST_LATENT, max(_LATENT, number)), *widths)
    rng = np.random.default_rng(_WORLD)
    own = _unit(rng.standard_normal((2, number, latent)))
    family = np.empty_like(own)
    for members in _families(classes):
        family[:, members] = _unit(rng.standard_normal((2, 1, latent)))
    prototype = np.sqrt(confusion) * family + np.sqrt(1 - confusion) * own
    character = 0.5 * _unit(rng.standard_normal((2, number, CHARACTER, latent))) / np.sqrt(CHARACTER)
    salience = rng.uniform(0.8, 1.3, (2, number))
    rotation = []
    for width in widths:
        basis, _ = np.linalg.qr(rng.standard_normal((width, latent)))
        rotation.append((basis.T * np.sqrt(width / _LATENT) * _SCALE).astype(np.float32))
    return World(
        prototype.astype(np.float32),
        character.astype(np.float32),
        salience.astype(np.float32),
        tuple(rotation),
    )


def _families(classes: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return classes that resemble each other: of LLP by what they are, of others neighbours on the card."""
    if tuple(classes) == CLASSES:
        return _LLP_FAMILIES
    number = len(classes)
    return tuple(tuple(range(first, min(first + _NEIGHBOURS, number))) for first in range(0, number, _NEIGHBOURS))


def _unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)  # type: ignore[no-any-return]


def video_rng(seed: int, filename: str, purpose: int) -> np.random.Generator:
    """Return the generator of one video: it depends on its name, not on its place or on other videos."""
    return np.random.Generator(np.random.SFC64([_WORLD, seed, purpose, zlib.crc32(filename.encode())]))


def simulated_label_embedding(classes: Sequence[str] = CLASSES) -> NDArray[np.float32]:
    """Return (C, 300) simulated label embeddings: related classes are near, norms 5 to 7, nothing of GloVe in them.

    Args:
        classes: (C,) names; for other names than LLP's the vectors depend on how many there are alone.
    """
    rng = np.random.default_rng(_WORLD + 1)
    own = _unit(rng.standard_normal((len(classes), EMBEDDING_DIM)))
    family = np.empty_like(own)
    for members in _families(classes):
        family[list(members)] = _unit(rng.standard_normal((1, EMBEDDING_DIM)))
    length = rng.uniform(5.0, 7.0, (len(classes), 1))
    return (length * _unit(np.sqrt(0.3) * family + np.sqrt(0.7) * own)).astype(np.float32)
