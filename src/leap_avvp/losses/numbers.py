"""A check of numbers that a config gives to a loss."""

from __future__ import annotations

import math

from leap_avvp.errors import ConfigError

__all__ = ["check_number"]


def check_number(option: str, value: object, least: float = 0.0, most: float = math.inf, above: bool = False) -> None:
    """Check that a value is a finite number within bounds.

    Args:
        option: the key, for the message.
        value: what stands there.
        least: the smallest number, or with ``above`` the bound below all of them.
        most: the largest one.
        above: whether ``least`` itself is refused.

    Raises:
        ConfigError: it is not.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if number and least <= value <= most and not (above and value == least):  # type: ignore[operator]
        return
    low = f"above {least:g}" if above else f"of at least {least:g}"
    high = "" if most == math.inf else f" and at most {most:g}"
    raise ConfigError(f"{option}: expected a finite number {low}{high}, found {value!r}")
