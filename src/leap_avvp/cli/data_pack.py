"""``leap-avvp data pack``: one memory-mapped set in place of many small files."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from leap_avvp.cli.arguments import add_card, add_link_store, in_flags

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "pack"
ABOUT = "turn a checked folder into one packed, memory-mapped set, which `data=llp` then reads; resumes if interrupted"
EXAMPLE = "leap-avvp data pack /path/to/LLP"

_FLAGS = {
    "data.root": "DIR",
    "data.annotations": "--annotations",
    "data.allow_missing": "--allow-missing",
    "data.link_store": "--link-store",
    "features=NAME": "--features NAME",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder and the options."""
    parser.add_argument(
        "root",
        type=Path,
        metavar="DIR",
        help="as for `data check`; the set goes to DIR/packed-float32, of other features DIR/packed-NAME-float32",
    )
    parser.add_argument(
        "--annotations", type=Path, metavar="DIR", help="folder of the CSV files, where it is elsewhere"
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16"),
        default="float32",
        help="of the features: float32 keeps them exactly (default); float16 halves the set and states its error",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the set, where DIR cannot be written")
    parser.add_argument("--allow-missing", action="store_true", help="leave videos out whose files are missing")
    add_card(parser)
    add_link_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Pack a data folder, and say where the set lies and how large it is; return 0.

    Raises:
        DataError: missing files (unless they are allowed) or damaged ones, or a set that cannot be written.
    """
    from leap_avvp.card.read import card_of
    from leap_avvp.data.packed.pack import pack_folder

    root, dtype, out = arguments.root, arguments.dtype, arguments.out
    started = time.perf_counter()
    with in_flags(_FLAGS):
        card = card_of(root, arguments.card, arguments.features)
        folder = pack_folder(
            root,
            arguments.annotations,
            dtype=dtype,
            out=out,
            allow_missing=arguments.allow_missing,
            link_store=arguments.link_store,
            card=card,
        )
    size = sum(file.stat().st_size for file in folder.iterdir())
    option = "" if dtype == "float32" and out is None else f" data.packed={dtype if out is None else folder}"
    option += "" if arguments.card is None else f" data.card={arguments.card}"
    option += "" if arguments.features is None else f" features={card.features.name}"
    print(
        f"{folder}: {size / 1e9:.2f} GB, {time.perf_counter() - started:.1f} s; "
        f"`leap-avvp train data=llp data.root={root}{option}` reads it"
    )
    return 0
