"""``leap-avvp data check``: is every file there and sound?"""

from __future__ import annotations

import argparse
from pathlib import Path

from leap_avvp.cli.arguments import add_card, add_link_store, in_flags, reworded

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "check"
ABOUT = "check every id, file, shape, type and number of a data folder, and count the known dirt"
EXAMPLE = "leap-avvp data check /path/to/LLP"

_FLAGS = {
    "data.root": "DIR",
    "data.annotations": "--annotations",
    "data.pseudo_labels": "--pseudo-labels",
    "data.link_store": "--link-store",
    "features=NAME": "--features NAME",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder and the options."""
    parser.add_argument("root", type=Path, metavar="DIR", help="holds the folders of features and the annotation files")
    parser.add_argument(
        "--annotations", type=Path, metavar="DIR", help="folder of the CSV files, where it is elsewhere"
    )
    parser.add_argument(
        "--pseudo-labels",
        metavar="KIND",
        default="valor",
        help="what training needs: valor (default), uwav, lsld, dense, weak, none, or a folder of labels",
    )
    add_card(parser)
    add_link_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the report of a data folder; return 0 when a training can start from it, else 1.

    Raises:
        DataError: annotation files that cannot be used at all, or whole folders that are not there.
    """
    from rich.console import Console

    from leap_avvp.card.read import card_of
    from leap_avvp.data.folder import LLPFolder

    with in_flags(_FLAGS):
        folder = LLPFolder(
            arguments.root,
            arguments.annotations,
            arguments.pseudo_labels,
            allow_missing=True,
            link_store=arguments.link_store,
            card=card_of(arguments.root, arguments.card, arguments.features),
        )
        report = folder.check()
    Console().print(report.table(lambda text: reworded(text, _FLAGS)))
    return 0 if report.ok else 1
