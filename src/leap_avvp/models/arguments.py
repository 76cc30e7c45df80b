"""Checks of what models are built from: each names the key, what was expected and what was found."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import cast

from leap_avvp.errors import ConfigError

__all__ = ["MOST_UNITS", "check_block", "check_dilations", "check_heads", "check_probability", "check_whole"]

MOST_UNITS = 65_536
"""A layer wider than this is a slip of the hand, and would end for want of memory."""
_MOST_LEVELS = 64
_MOST_SECONDS = 1024


def check_whole(option: str, value: object, least: int = 1, most: int = MOST_UNITS) -> int:
    """Return ``value`` if it is a whole number from ``least`` to ``most``.

    Raises:
        ConfigError: naming ``option``.
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    number = int(cast("int", value)) if whole else least - 1
    if not least <= number <= most:
        raise ConfigError(f"{option}: expected a whole number from {least} to {most}, found {value!r}")
    return number


def check_probability(option: str, value: object, below_one: bool = False) -> float:
    """Return ``value`` if it is a number from 0 to 1.

    Args:
        option: the key, for the message.
        value: what was given.
        below_one: refuse 1 itself: dropping all leaves nothing.

    Raises:
        ConfigError: naming ``option``.
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    number = cast("float", value) if real else math.nan
    if not 0 <= number <= 1 or (below_one and number == 1):
        what = "a probability from 0 to below 1" if below_one else "a number from 0 to 1"
        raise ConfigError(f"{option}: expected {what}, found {value!r}")
    return float(number)


def check_heads(option: str, num_heads: object, dim: int) -> int:
    """Return ``num_heads`` if it divides ``dim``: every head has an equal share of the features.

    Raises:
        ConfigError: naming ``option`` and the nearest number that does.
    """
    found = check_whole(option, num_heads, most=max(1, dim))
    if dim % found:
        nearest = min((n for n in range(1, dim + 1) if dim % n == 0), key=lambda n: (abs(n - found), n))
        raise ConfigError(
            f"{option}: expected a divisor of dim {dim} (dim is a multiple of num_heads), found {found}; "
            f"nearest: {nearest}"
        )
    return found


def check_block(group: str, dim: object, num_heads: object, feed_forward_dim: object, **dropout: object) -> None:
    """Check what blocks of attention and feed-forward are built from.

    Args:
        group: ``encoder`` or ``decoder``, which the keys stand in.
        dim: D.
        num_heads: a divisor of D.
        feed_forward_dim: hidden units of the feed-forward.
        dropout: probabilities by their keys.

    Raises:
        ConfigError: naming the key (``encoder.num_heads``).
    """
    width = check_whole(f"{group}.dim", dim)
    check_heads(f"{group}.num_heads", num_heads, width)
    check_whole(f"{group}.feed_forward_dim", feed_forward_dim)
    for key, value in dropout.items():
        check_probability(f"{group}.{key}", value, below_one=True)


def check_dilations(option: str, value: object) -> tuple[int, ...]:
    """Return ``value`` if it is a list of dilations, one a level, in seconds.

    Raises:
        ConfigError: naming ``option``, or the entry that is wrong (``encoder.dilations[2]``).
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or not 1 <= len(value) <= _MOST_LEVELS:
        raise ConfigError(f"{option}: expected a list of 1 to {_MOST_LEVELS} dilations, as [1,2,4,8], found {value!r}")
    return tuple(check_whole(f"{option}[{index}]", entry, most=_MOST_SECONDS) for index, entry in enumerate(value))
