"""The one command, ``leap-avvp``: a file a sub-command, with its arguments and its call."""

from leap_avvp.cli.app import build_parser, main

__all__ = ["build_parser", "main"]
