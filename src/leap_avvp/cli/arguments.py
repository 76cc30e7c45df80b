"""What sub-commands share: their shape, their help, kinds of values, and errors that name a command's own flags."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from leap_avvp.errors import LeapError

__all__ = ["HydraCommand", "SubCommand", "add_command", "count", "in_flags", "seeds"]


class SubCommand(Protocol):
    """A module of this package that holds one sub-command.

    What a call needs beyond the standard library is imported in ``run``: nobody waits for torch to read a help.
    """

    NAME: str
    """The word that is typed."""
    ABOUT: str
    """One line, which begins in lower case and ends without a dot."""
    EXAMPLE: str
    """A call, or a line for each of several."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments; the parser's description and epilog may be made longer, too."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do the work and return the exit code."""


class HydraCommand(Protocol):
    """A module of this package that holds a sub-command whose words, help too, are left to Hydra."""

    NAME: str
    ABOUT: str

    def run(self, words: Sequence[str]) -> int:
        """Do the work and return the exit code."""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], command: SubCommand) -> None:
    """Add a sub-command, its help and its arguments to what ``add_subparsers`` returned."""
    examples = command.EXAMPLE.splitlines()
    parser = commands.add_parser(
        command.NAME,
        help=command.ABOUT,
        description=f"{command.ABOUT[0].upper()}{command.ABOUT[1:]}.",
        epilog="\n  ".join(["example:" if len(examples) == 1 else "examples:", *examples]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)


def seeds(text: str) -> list[int]:
    """Return different whole numbers of at least 0 that commas separate.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or len(set(numbers)) != len(numbers):
        raise argparse.ArgumentTypeError(f"expected different whole numbers separated by commas, found {text!r}")
    return numbers


def count(text: str) -> int:
    """Return a whole number of at least 1.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return number


@contextlib.contextmanager
def in_flags(flags: Mapping[str, str]) -> Iterator[None]:
    """Reword the errors of the block: below the command line they name settings as a config spells them.

    With ``{"data.annotations": "--annotations"}`` the hint ``data.annotations=DIR`` reads ``--annotations DIR``; of a
    setting that is ``true`` the flag alone is left.

    Args:
        flags: what the command takes in place of a setting, by the setting's name.

    Raises:
        LeapError: the block's own, of the same type.
    """
    try:
        yield
    except LeapError as error:
        raise type(error)(_reworded(str(error), flags)) from error


def _reworded(text: str, flags: Mapping[str, str]) -> str:
    # Only behind a space: a message begins with a path, and that may be called anything.
    settings = "|".join(map(re.escape, flags))
    return re.sub(
        rf"(?<= )({settings})(?:=(\w+))?(?![\w.=])",
        lambda found: flags[found[1]] + (f" {found[2]}" if found[2] not in (None, "true") else ""),
        text,
    )
