"""One look for each class, the same in every figure."""

from __future__ import annotations

from leap_avvp.llp import CLASSES

__all__ = ["class_colour", "class_hatch", "class_name"]

# Okabe and Ito's colours (told apart in every common colour-vision deficiency) and a grey; 25 classes need more, so
# each round of them has a hatch of its own, and bars carry their class's name besides.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999")
_HATCHES = ("", "///", "...", "xx")


def class_colour(index: int) -> str:
    """Return the colour of a class."""
    return _COLOURS[index % len(_COLOURS)]


def class_hatch(index: int) -> str:
    """Return the hatch of a class, which with its colour is its own."""
    return _HATCHES[index // len(_COLOURS)]


def class_name(index: int) -> str:
    """Return a class's name as people write it."""
    return CLASSES[index].replace("_", " ")
