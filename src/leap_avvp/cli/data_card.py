"""``leap-avvp data card``: a first data card for annotation files of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from leap_avvp.cli.arguments import add_features, count
from leap_avvp.errors import ConfigError

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "card"
ABOUT = "write a first data card (dataset.yaml) for annotation files of your own"
EXAMPLE = """\
leap-avvp data card --from weak.csv
leap-avvp data card --from train.csv --val val.csv --test test.csv --audio heard.csv --visual seen.csv --segments 60"""

_WEAK = "columns filename and event_labels (names separated by commas)"
_DENSE = "columns filename, onset, offset (seconds), event_labels"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the files and the sizes."""
    parser.add_argument("--from", dest="train", type=Path, required=True, metavar="CSV", help=f"training: {_WEAK}")
    parser.add_argument("--val", type=Path, metavar="CSV", help="the same of validation videos")
    parser.add_argument("--test", type=Path, metavar="CSV", help="the same of test videos")
    parser.add_argument("--audio", type=Path, metavar="CSV", help=f"what is heard when: {_DENSE}")
    parser.add_argument("--visual", type=Path, metavar="CSV", help="what is seen when, likewise")
    parser.add_argument("--segments", type=count, default=10, metavar="T", help="segments of a video (default: 10)")
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="of a segment (default: 1)")
    add_features(parser, "llp")
    parser.add_argument("--name", default="own", help="of the data, which every number carries (default: own)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the card (default: dataset.yaml beside the files)")
    parser.add_argument("--overwrite", action="store_true", help="replace a card that is there")


def run(arguments: argparse.Namespace) -> int:
    """Write the card, and say what it holds; return 0.

    Raises:
        ConfigError: a size or a name that cannot be, or one file of dense labels alone.
        DataError: a file that cannot be read, or a card that is there.
    """
    from leap_avvp.card import named_features
    from leap_avvp.data.annotations.first_card import write_first_card

    weak = {split: file for split in ("train", "val", "test") if (file := getattr(arguments, split)) is not None}
    dense = {modality: file for modality in ("audio", "visual") if (file := getattr(arguments, modality)) is not None}
    if len(dense) == 1:
        raise ConfigError(f"--{next(iter(dense))}: expected --audio and --visual together, found it alone")
    out, card = write_first_card(
        weak,
        dense,
        named_features(arguments.features or "llp"),
        name=arguments.name,
        segments=arguments.segments,
        seconds=arguments.seconds,
        out=arguments.out,
        overwrite=arguments.overwrite,
    )
    print(
        f"{out}: {card.num_classes} classes, {card.segments} segments of {card.seconds:g} s, features "
        f"{card.features.describe()}; look it through, then `leap-avvp data check {out.parent}`"
    )
    return 0
