"""``leap-avvp convert``: the released programs' weights, in and out."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "convert"
ABOUT = "turn a released program's weights into a checkpoint, or a checkpoint into released weights"
EXAMPLE = "leap-avvp convert MM_Pyramid_LEAP.pt leap.ckpt --label-embedding llp_label_glove_embeddings.pt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two files and the option."""
    parser.add_argument("source", type=Path, help="the direction is told from what it holds")
    parser.add_argument("target", type=Path)
    parser.add_argument("--label-embedding", type=Path, metavar="FILE", help="needed to import LEAP's released weights")


def run(arguments: argparse.Namespace) -> int:
    """Write the target and say what it is; return 0.

    Raises:
        DataError: a file that is neither, or cannot be written.
    """
    from leap_avvp.released.convert import convert

    print(convert(arguments.source, arguments.target, arguments.label_embedding))
    return 0
