"""``leap-avvp data``: what can be done with a folder of features and annotations."""

from __future__ import annotations

import argparse

from leap_avvp.cli import data_card, data_check, data_pack, data_simulate
from leap_avvp.cli.arguments import SubCommand, add_command

__all__ = ["ABOUT", "ACTIONS", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "data"
ABOUT = "simulate, describe, check or pack a data folder"
EXAMPLE = "leap-avvp data check /path/to/LLP"

ACTIONS: tuple[SubCommand, ...] = (data_simulate, data_card, data_check, data_pack)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions, each with its arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        add_command(actions, action)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; return the action's exit code.

    Raises:
        LeapError: the action's.
    """
    return {action.NAME: action.run for action in ACTIONS}[arguments.action](arguments)
