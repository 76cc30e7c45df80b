"""``leap-avvp wandb-sync``: offline W&B runs, sent later."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "wandb-sync"
ABOUT = "send the offline W&B runs of a study (or of any folder) to the server, in order"
EXAMPLE = "leap-avvp wandb-sync outputs/table6-simulated --dry-run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder and the option."""
    parser.description = f"{parser.description} What W&B has marked as sent is not sent again."
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of the study, or of a single run")
    parser.add_argument("--dry-run", action="store_true", help="list what would be sent, and send nothing")


def run(arguments: argparse.Namespace) -> int:
    """List or send the runs; return 0 when all are sent, else 1.

    Raises:
        ConfigError: there is something to send, and no key.
        DataError: no such folder, or no offline run in it.
    """
    from leap_avvp.tracking.wandb_sync import sync_folder

    return sync_folder(arguments.folder, dry_run=arguments.dry_run)
