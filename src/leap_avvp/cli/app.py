"""The one command, ``leap-avvp``: from words to a sub-command, and from its end to an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from leap_avvp import __version__
from leap_avvp.cli import (
    convert,
    data,
    evaluate,
    export,
    extract,
    label,
    parse,
    predict,
    published,
    refine,
    reproduce,
    score,
    train,
    visualize,
    wandb_sync,
    weights,
)
from leap_avvp.cli.arguments import HydraCommand, SubCommand, add_command
from leap_avvp.errors import ConfigError, LeapError
from leap_avvp.files.interrupts import Stopped

__all__ = ["COMMANDS", "HYDRA_COMMANDS", "build_parser", "main"]

# A new sub-command is a module of the shape of `SubCommand`, and a word here. Help shows them in this order.
HYDRA_COMMANDS: tuple[HydraCommand, ...] = (train, evaluate)
COMMANDS: tuple[SubCommand, ...] = (
    *(extract, label, refine, parse, reproduce, data, predict, score, export),
    *(convert, wandb_sync, visualize, weights, published),
)

_DESCRIPTION = """\
Audio-visual video parsing on LLP with LEAP (Zhou et al., ECCV 2024).

Without the real LLP features everything runs on simulated data, and says so."""

_EPILOG = """\
examples:
  leap-avvp train encoder=han decoder=mmil seed=0
  leap-avvp train -m loss.avss_weight=0.5,1,2 seed=1,2
  leap-avvp reproduce table6 --seeds 0,1,2
  leap-avvp data check /path/to/LLP"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of everything but the Hydra commands' own words."""
    parser = argparse.ArgumentParser(
        prog="leap-avvp",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"leap-avvp {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for hydra_command in HYDRA_COMMANDS:
        commands.add_parser(hydra_command.NAME, help=hydra_command.ABOUT, add_help=False)
    for command in COMMANDS:
        add_command(commands, command)
    return parser


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = build_parser()
    arguments, rest = parser.parse_known_args(words)
    stray = [word for word in rest if word.startswith("-") or "=" not in word]
    if stray or (rest and not hasattr(arguments, "overrides")):
        parser.error(f"unrecognized arguments: {' '.join(stray or rest)}")
    if rest:  # argparse takes overrides only right behind the argument before them
        arguments.overrides = [*arguments.overrides, *rest]
    return arguments


def _told(error: BaseException) -> int:
    """Tell in one line why the command ends; return its exit code."""
    if isinstance(error, BrokenPipeError):
        return 1
    if isinstance(error, KeyboardInterrupt | Stopped):
        print("interrupted" if isinstance(error, KeyboardInterrupt) else error, file=sys.stderr)
        return error.exit_code if isinstance(error, Stopped) else 130
    if isinstance(error, OSError):  # a path of 5,000 characters, a folder without permission, a drive that is gone
        print(f"error: {str(error.filename or 'file')[:200]}: {error.strerror or error}", file=sys.stderr)
    else:
        print(f"error: {error}", file=sys.stderr)
    return 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0 done, 1 failed, 2 something to mend, 128 + n ended by signal n."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        for word in words:
            if "\0" in str(word):  # no system takes it in a path; from a shell it cannot come
                raise ConfigError(f"{str(word)[:80]!r}: expected text without a NUL character")
        for hydra_command in HYDRA_COMMANDS:
            if words[:1] == [hydra_command.NAME]:
                return hydra_command.run(words[1:])
        arguments = _parse(words)
        return {command.NAME: command.run for command in COMMANDS}[arguments.command](arguments)
    except (LeapError, OSError, KeyboardInterrupt, Stopped) as error:
        return _told(error)
