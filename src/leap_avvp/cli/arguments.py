"""What sub-commands share: their shape, their help, kinds of values, and errors that name a command's own flags."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from leap_avvp.errors import LeapError

__all__ = [
    "HydraCommand",
    "SubCommand",
    "add_card",
    "add_command",
    "add_features",
    "add_link_store",
    "count",
    "in_flags",
    "reworded",
    "seeds",
]


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


def add_link_store(parser: argparse._ActionsContainer) -> None:
    """Add the option that stands for ``data.link_store``."""
    parser.add_argument(
        "--link-store", type=Path, metavar="DIR", help="trusted folder that links of single files may lead into"
    )


def add_features(parser: argparse._ActionsContainer, default: str = "the card's, else llp") -> None:
    """Add the option that stands for ``features``."""
    parser.add_argument(
        "--features", metavar="NAME", help=f"llp, valor, uwav, lsld, embedded or a YAML file (default: {default})"
    )


def add_card(parser: argparse._ActionsContainer) -> None:
    """Add the options that stand for ``data.card`` and ``features``."""
    parser.add_argument(
        "--card", type=Path, metavar="FILE", help="data card, where it is not dataset.yaml in the data folder"
    )
    add_features(parser)


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


def reworded(text: str, flags: Mapping[str, str]) -> str:
    """Return a message from below the command line, where settings are spelled as in a config, in a command's flags.

    With ``{"data.annotations": "--annotations"}`` the hint ``data.annotations=DIR`` reads ``--annotations DIR``; of a
    setting that is ``true`` the flag alone is left.

    Args:
        text: the message.
        flags: what the command takes in place of a setting, by the setting's name.
    """
    # Behind a space, or as what is wrong itself: a message may begin with a path, and that may be called anything.
    settings = "|".join(map(re.escape, flags))
    return re.sub(
        rf"(?:(?<= )|^(?=\S+: expected ))({settings})(?:=(\w+))?(?![\w.=])",
        lambda found: flags[found[1]] + (f" {found[2]}" if found[2] not in (None, "true") else ""),
        text,
    )


@contextlib.contextmanager
def in_flags(flags: Mapping[str, str]) -> Iterator[None]:
    """Tell the errors of the block in a command's flags, as :func:`reworded` does.

    Raises:
        LeapError: the block's own, of the same type.
    """
    try:
        yield
    except LeapError as error:
        raise type(error)(reworded(str(error), flags)) from error
