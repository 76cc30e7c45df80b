"""``leap-avvp data simulate``: a data folder without the data, in LLP's real layout or in that of any data card."""

from __future__ import annotations

import argparse
from pathlib import Path

from leap_avvp.cli.arguments import add_link_store, in_flags
from leap_avvp.errors import ConfigError

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "simulate"
ABOUT = "write simulated videos in LLP's real layout, or in that of a data card, which other programs can read too"
EXAMPLE = """leap-avvp data simulate --out sim --annotations /path/to/annotations --limit 400
leap-avvp data simulate --out sim --features valor --train 400
leap-avvp data simulate --out sim --card dataset.yaml"""

_FLAGS = {
    "data.annotations": "--annotations",
    "overwrite": "--overwrite",
    "data.link_store": "--link-store",
    "num_train": "--train",
    "num_val": "--val",
    "num_test": "--test",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder and what is simulated."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument(
        "--features",
        metavar="SET",
        help="llp, valor, uwav, lsld, embedded or a YAML file (default: the card's, else llp)",
    )
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="data card (dataset.yaml): its classes, segments and features in place of LLP's",
    )
    parser.add_argument(
        "--annotations",
        type=Path,
        metavar="DIR",
        help="use these CSV files, LLP's six or those that --card names; simulate features only",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most N training videos")
    parser.add_argument("--train", type=int, default=None, metavar="N", help="training videos without --annotations")
    parser.add_argument("--val", type=int, default=None, metavar="N", help="validation videos, likewise")
    parser.add_argument("--test", type=int, default=None, metavar="N", help="test videos, likewise")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which videos are drawn (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that is not empty")
    add_link_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write a simulated data folder, and say how to train on it; return 0.

    Raises:
        ConfigError: options that do not go together, a number that cannot be, or an unknown feature set.
        DataError: a card or annotation files that cannot be read, a folder that holds something or cannot be written.
    """
    from leap_avvp.card import LLP, named_features
    from leap_avvp.card.read import card_of
    from leap_avvp.data.annotations import find_annotations, read_annotations
    from leap_avvp.data.simulate import SimulatedLLP, write_llp_folder
    from leap_avvp.llp import SPLITS

    out, annotations, limit, seed = arguments.out, arguments.annotations, arguments.limit, arguments.seed
    asked = {"num_train": arguments.train, "num_val": arguments.val, "num_test": arguments.test}
    sizes = {name: number for name, number in asked.items() if number is not None}
    if annotations is not None and sizes:
        raise ConfigError("--annotations brings its own videos: leave --train, --val and --test out, or use --limit N")
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit: expected a whole number of at least 1, found {limit}")
    if seed < 0:
        raise ConfigError(f"--seed: expected 0 or more, found {seed}")
    with in_flags({"features": "--features"}):
        features = None if arguments.features is None else named_features(arguments.features)
    card = card_of(None, arguments.card, features)
    if annotations is not None and not card.weak:
        raise ConfigError(
            f"--annotations: {arguments.card} names no file to read there; add one for each split as weak: "
            "{train: FILE}, or leave --annotations out"
        )
    with in_flags(_FLAGS):
        if annotations is None:
            source = SimulatedLLP(seed=seed, card=card, **sizes)
        else:
            folder = find_annotations(annotations, annotations, card)
            splits, _ = read_annotations(folder, link_store=arguments.link_store, card=card)
            source = SimulatedLLP(seed=seed, annotations=splits, card=card)
        write_llp_folder(source, out, annotations=annotations, limit=limit, overwrite=arguments.overwrite)
    what = "in LLP's layout"
    if card != LLP:
        facts = f"classes: {card.num_classes}, segments: {card.segments}, features: {card.features.name}"
        what = f"in the layout of {'LLP' if card.is_llp else card.name} ({facts})"
    absent = [split for split in SPLITS if split not in source.sizes]
    then = f"train on them with `leap-avvp train data=llp data.root={out}`"
    if absent:
        then = f"there are none of {' and '.join(absent)}, without which nothing can be trained"
    print(f"{out}: SIMULATED videos {what}; {then}")
    return 0
