"""The check of a map in a file of ``experiments/``: which keys there may be, and which must."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from leap_avvp.errors import ConfigError, check_choice

__all__ = ["check_keys"]


def check_keys(where: str, content: Any, known: Iterable[str], needed: Iterable[str]) -> None:
    """Check a map read from a file.

    Args:
        where: the file and the place in it, for the message.
        content: what stands there.
        known: keys that it may have.
        needed: keys that it must have.

    Raises:
        ConfigError: no map, a key that is not known, or one that is missing.
    """
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: expected a map with {', '.join(known)}, found {content!r:.80}")
    for key in content:
        check_choice(f"{where}: key", key, known)
    missing = [key for key in needed if key not in content]
    if missing:
        raise ConfigError(f"{where}: expected the key {missing[0]!r}, found only {', '.join(map(str, content))}")
