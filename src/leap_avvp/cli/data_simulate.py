"""``leap-avvp data simulate``: a folder in LLP's real layout without LLP."""

from __future__ import annotations

import argparse
from pathlib import Path

from leap_avvp.cli.arguments import add_link_store, in_flags
from leap_avvp.errors import ConfigError

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "simulate"
ABOUT = "write simulated videos in LLP's real layout, which other programs can read too"
EXAMPLE = "leap-avvp data simulate --out sim --annotations /path/to/annotations --limit 400"

_FLAGS = {"data.annotations": "--annotations", "overwrite": "--overwrite", "data.link_store": "--link-store"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder and what is simulated."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument(
        "--annotations", type=Path, metavar="DIR", help="use these six CSV files; simulate features only"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most N training videos")
    parser.add_argument("--train", type=int, default=None, metavar="N", help="training videos without --annotations")
    parser.add_argument("--val", type=int, default=None, metavar="N", help="validation videos, likewise")
    parser.add_argument("--test", type=int, default=None, metavar="N", help="test videos, likewise")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which videos are drawn (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that is not empty")
    add_link_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write a simulated data folder in LLP's layout, and say how to train on it; return 0.

    Raises:
        ConfigError: options that do not go together, or a number that cannot be.
        DataError: annotation files that cannot be read, or a folder that holds something or cannot be written.
    """
    from leap_avvp.data.annotations import find_annotations, read_annotations
    from leap_avvp.data.simulate import SimulatedLLP, write_llp_folder

    out, annotations, limit, seed = arguments.out, arguments.annotations, arguments.limit, arguments.seed
    asked = {"num_train": arguments.train, "num_val": arguments.val, "num_test": arguments.test}
    sizes = {name: number for name, number in asked.items() if number is not None}
    if annotations is not None and sizes:
        raise ConfigError("--annotations brings its own videos: leave --train, --val and --test out, or use --limit N")
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit: expected a whole number of at least 1, found {limit}")
    with in_flags(_FLAGS):
        if annotations is None:
            source = SimulatedLLP(seed=seed, **sizes)
        else:
            splits, _ = read_annotations(find_annotations(annotations, annotations), link_store=arguments.link_store)
            source = SimulatedLLP(seed=seed, annotations=splits)
        write_llp_folder(source, out, annotations=annotations, limit=limit, overwrite=arguments.overwrite)
    print(f"{out}: SIMULATED videos in LLP's layout; train on them with `leap-avvp train data=llp data.root={out}`")
    return 0
