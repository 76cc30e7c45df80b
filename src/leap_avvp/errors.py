"""Errors that a user can mend. The command line prints them as one line and exits with code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["ConfigError", "DataError", "LeapError", "check_choice", "nearest"]


class LeapError(Exception):
    """Something the user can mend: the message names it, what was expected, what was found and how to mend it."""


class ConfigError(LeapError, ValueError):
    """A wrong option or value."""


class DataError(LeapError, ValueError):
    """A wrong, missing or damaged file."""


def nearest(name: str, valid: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to ``limit`` valid names that look like ``name``, the likest first."""
    return difflib.get_close_matches(name, list(valid), n=limit, cutoff=0.5)


def check_choice(option: str, value: object, valid: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``valid``.

    Raises:
        ConfigError: naming the option, the valid values and the nearest one.
    """
    names = list(valid)
    if isinstance(value, str) and value in names:
        return value
    near = nearest(str(value), names, limit=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"{option}: expected one of {', '.join(names)}, found {value!r}{hint}")
