"""``leap-avvp convert``: the released programs' weights, in and out."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "convert"
ABOUT = "turn a released program's weights into a checkpoint, or a checkpoint into released weights"
EXAMPLE = "leap-avvp convert MM_Pyramid_LEAP.pt leap.ckpt --label-embedding llp_label_glove_embeddings.pt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two files and the options."""
    parser.add_argument("source", type=Path, help="the direction is told from what it holds")
    parser.add_argument("target", type=Path)
    parser.add_argument("--label-embedding", type=Path, metavar="FILE", help="needed to import LEAP's released weights")
    parser.add_argument("--num-heads", type=int, metavar="H", help="attention heads of imported weights, if not usual")
    parser.add_argument("--features", metavar="NAME", help="what imported weights read, if their widths do not tell")


def run(arguments: argparse.Namespace) -> int:
    """Write the target and say what it is; return 0.

    Raises:
        DataError: a file that is neither, or cannot be written.
        ConfigError: heads or features that do not fit.
    """
    from leap_avvp.released.convert import convert

    given = (arguments.label_embedding, arguments.num_heads, arguments.features)
    print(convert(arguments.source, arguments.target, *given))
    return 0
