"""``leap-avvp score``: the numbers of anybody's predictions, and how sure their differences are."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from leap_avvp.cli.arguments import add_link_store, in_flags
from leap_avvp.errors import ConfigError

if TYPE_CHECKING:
    from leap_avvp.scoring.predictions import Way

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "score"
ABOUT = (
    "score anybody's predictions: an .npz with video_id (N,), audio and visual boolean (N, T, C), of LLP (N, 10, 25), "
    "or the probabilities that predict writes; several files, or finished runs, are compared"
)
EXAMPLE = """\
leap-avvp score --predictions predictions.npz --annotations /path/to/annotations --split test
leap-avvp score --predictions predictions.npz --annotations DIR --protocol union mixed nrep
leap-avvp score --predictions predictions.npz --annotations DIR --audio-annotations old corrected
leap-avvp score --predictions MINE.npz THEIRS.npz --annotations DIR
leap-avvp score --predictions outputs/train/RUN1 outputs/train/RUN2"""

_FLAGS = {"data.annotations": "--annotations", "data.card": "--card", "data.link_store": "--link-store"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the files and the options."""
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        nargs="+",
        metavar="FILE",
        help="files; or folders of runs, or their per_video_test.npz. Of several the first is compared with each other",
    )
    parser.add_argument(
        "--annotations", type=Path, metavar="DIR", help="folder of the CSV files (not needed for runs, scored already)"
    )
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="data card, where it is not dataset.yaml in the annotations' folder or in the one around it (else: LLP's)",
    )
    parser.add_argument("--split", choices=("val", "test"), default="test")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--filter",
        choices=("none", "union", "per_modality", "mixed"),
        nargs="+",
        help="keep a segment only where the file's video-level prediction holds the event (default: none, as given)",
    )
    how.add_argument(
        "--protocol",
        nargs="+",
        metavar="NAME",
        help="make predictions of the file's probabilities: union, mixed, ... as conf/protocol has them, or a file",
    )
    parser.add_argument(
        "--audio-annotations",
        choices=("old", "corrected"),
        nargs="+",
        help="score against these versions of LLP's audio annotations, whichever is there (default: the one there)",
    )
    parser.add_argument("--allow-missing", action="store_true", help="score the videos that are there")
    add_link_store(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there, unrounded")


def run(arguments: argparse.Namespace) -> int:
    """Print (and write) the numbers; return 0.

    Raises:
        LeapError: naming the file or the option, what was expected and what was found.
    """
    from rich.console import Console

    from leap_avvp.files import write_json
    from leap_avvp.scoring.many import score_all
    from leap_avvp.scoring.truth import read_truth

    with in_flags(_FLAGS):
        truth = None
        if arguments.annotations is not None:
            truth = read_truth(arguments.annotations, arguments.split, arguments.link_store, arguments.card)
        versions = list(dict.fromkeys(arguments.audio_annotations or [None]))
        report = score_all(arguments.predictions, truth, _ways(arguments), versions, arguments.allow_missing)
    if arguments.json is not None:
        write_json(report.to_dict(), arguments.json)
    for table in report.tables():
        Console().print(table)
    return 0


def _ways(arguments: argparse.Namespace) -> list[Way]:
    from leap_avvp.config.protocols import named_protocols
    from leap_avvp.metrics import TunedProtocol
    from leap_avvp.scoring.predictions import Way

    if arguments.protocol is None:
        return [Way(name, name) for name in dict.fromkeys(arguments.filter or ())] or [Way("")]
    protocols = named_protocols(arguments.protocol, "--protocol")
    for name, protocol in protocols.items():
        if isinstance(protocol, TunedProtocol):
            raise ConfigError(
                f"--protocol: expected thresholds that are known, found {name}; `leap-avvp evaluate RUN "
                "protocol=tuned` chooses them, and writes a file that --protocol takes"
            )
    return [Way(name, protocol=protocol) for name, protocol in protocols.items()]
