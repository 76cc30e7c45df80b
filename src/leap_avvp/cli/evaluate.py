"""``leap-avvp evaluate``: its words are Hydra's."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ABOUT", "NAME", "run"]

NAME = "evaluate"
ABOUT = "score a checkpoint under a protocol"


def run(words: Sequence[str]) -> int:
    """Hand the words to Hydra; return the exit code.

    Raises:
        LeapError: a wrong key, value or file, in one line.
    """
    from leap_avvp.cli.hydra_app import run_app

    return run_app(NAME, ABOUT, words)
