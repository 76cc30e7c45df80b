"""``leap-avvp score``: the ten numbers of anybody's predictions."""

from __future__ import annotations

import argparse
from pathlib import Path

from leap_avvp.cli.arguments import add_link_store, in_flags

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "score"
ABOUT = (
    "score anybody's predictions: an .npz with video_id (N,), audio and visual boolean (N, T, C), of LLP (N, 10, 25)"
)
EXAMPLE = "leap-avvp score --predictions predictions.npz --annotations /path/to/annotations --split test"

_FLAGS = {"data.annotations": "--annotations", "data.card": "--card", "data.link_store": "--link-store"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the files and the options."""
    parser.add_argument("--predictions", type=Path, required=True, metavar="FILE")
    parser.add_argument("--annotations", type=Path, required=True, metavar="DIR", help="folder of the CSV files")
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="data card, where it is not dataset.yaml in the annotations' folder or in the one around it (else: LLP's)",
    )
    parser.add_argument("--split", choices=("val", "test"), default="test")
    parser.add_argument(
        "--filter",
        choices=("none", "union", "per_modality", "mixed"),
        default="none",
        help="keep a segment only where the file's video-level prediction holds the event (default: none, as given)",
    )
    parser.add_argument("--allow-missing", action="store_true", help="score the videos that are there")
    add_link_store(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there, unrounded")


def run(arguments: argparse.Namespace) -> int:
    """Print (and write) the numbers; return 0.

    Raises:
        DataError: naming the file, what was expected and what was found.
    """
    from rich.console import Console

    from leap_avvp.files import write_json
    from leap_avvp.scoring.predictions import score_predictions

    with in_flags(_FLAGS):
        result = score_predictions(
            arguments.predictions,
            arguments.annotations,
            arguments.split,
            filter=arguments.filter,
            allow_missing=arguments.allow_missing,
            link_store=arguments.link_store,
            card=arguments.card,
        )
    if arguments.json is not None:
        write_json(result.to_dict(), arguments.json)
    Console().print(result.table())
    return 0
