"""Which classes a figure has room for, and how their names are written in the room that there is."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEW", "MANY", "choose_classes", "left_out", "shortened", "text_width"]

FEW = 30
"""Of a data set with up to so many classes, figures show all."""
MANY = 100
"""So many classes, at most, have a bar in the figures of a split."""
_INSTEAD = 5  # classes that are shown where none occurs


def choose_classes(
    occurs: NDArray[np.bool_], strength: Sequence[NDArray[Any]], most: int = FEW
) -> tuple[list[int], int]:
    """Return the classes that a figure shows, in their order, and how many that occur it leaves out.

    Up to :data:`FEW` classes are all shown; of more, those that occur, and where none does, the few strongest.

    Args:
        occurs: (C,)
        strength: (C,) each, the first decides, the next where it is equal.
        most: how many are shown of those that occur, the strongest.
    """
    if len(occurs) <= FEW:
        return list(range(len(occurs))), 0
    ranked = np.lexsort([-np.asarray(key, dtype=np.float64) for key in reversed(strength)])  # its last key goes first
    found = [label for label in ranked.tolist() if occurs[label]]
    return sorted(found[:most] or ranked[:_INSTEAD].tolist()), max(0, len(found) - most)


def left_out(classes: int, shown: int, hidden: int, which: str, strongest: str) -> str | None:
    """Say which classes a figure shows; None where it shows all.

    Args:
        classes: C.
        shown: how many are shown.
        hidden: how many that occur are left out.
        which: what those have in common, shown or not: ``that occur in the test videos``.
        strongest: what the shown ones have most of, where some are left out: ``true segments``.
    """
    if shown == classes:
        return None
    if hidden:
        return f"Shown: {shown} of {classes} classes, those with most {strongest}; {hidden} more {which} are left out."
    return f"Shown: {shown} of {classes} classes, those {which}."


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size: float) -> float:
    """Return the width in points of letters of a size."""
    from matplotlib.textpath import TextPath

    # A backslash before each, or what stands between two dollars is set as a formula.
    return float(TextPath((0, 0), text.replace("$", "\\$"), size=size).get_extents().width)


def shortened(text: str, size: float, points: float) -> str:
    """Return the text as it is, or what of its beginning fits in so many points with an ellipsis behind it."""
    if text_width(text, size) <= points:
        return text
    low, high = 0, len(text) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(_cut(text, middle), size) <= points:
            low = middle
        else:
            high = middle - 1
    return _cut(text, max(1, low))


def _cut(text: str, length: int) -> str:
    return f"{text[:length].rstrip()}…"
