"""``leap-avvp data pack``: one memory-mapped set in place of many small files."""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path

from leap_avvp.cli.arguments import add_card, add_link_store, count, in_flags
from leap_avvp.errors import ConfigError

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "pack"
ABOUT = "turn a checked folder into one packed, memory-mapped set, which `data=llp` then reads; resumes if interrupted"
EXAMPLE = "leap-avvp data pack /path/to/LLP\nleap-avvp data pack /path/to/many --shards --shard-mb 1000"

_FLAGS = {
    "data.root": "DIR",
    "data.annotations": "--annotations",
    "data.allow_missing": "--allow-missing",
    "data.link_store": "--link-store",
    "features=NAME": "--features NAME",
    "data.pseudo_labels": "--pseudo-labels",
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
    shards = parser.add_argument_group("sets of any size, which `data=shards` reads")
    shards.add_argument(
        "--shards", action="store_true", help="write DIR/shards-float32: many files and one index, packed file by file"
    )
    shards.add_argument("--shard-mb", type=count, metavar="N", help="size of a shard in MB (1000)")
    shards.add_argument("--add", action="store_true", help="put the videos that the set lacks into further shards")
    shards.add_argument(
        "--pseudo-labels", metavar="KIND", help="training labels that go into the shards: valor (default), uwav, ..."
    )
    add_card(parser)
    add_link_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Pack a data folder, and say where the set lies and how large it is; return 0.

    Raises:
        DataError: missing files (unless they are allowed) or damaged ones, or a set that cannot be written.
        ConfigError: an option of shards without ``--shards``.
    """
    from leap_avvp.card.read import card_of
    from leap_avvp.data.packed.pack import pack_folder
    from leap_avvp.data.shards.pack import pack_shards

    root, dtype, out = arguments.root, arguments.dtype, arguments.out
    started = time.perf_counter()
    options = {"shard_mb": arguments.shard_mb, "pseudo_labels": arguments.pseudo_labels, "add": arguments.add or None}
    given = {name: value for name, value in options.items() if value is not None}
    if given and not arguments.shards:
        raise ConfigError(f"--{next(iter(given)).replace('_', '-')}: expected --shards beside it, found none")
    with in_flags(_FLAGS):
        card = card_of(root, arguments.card, arguments.features)
        pack: Callable[..., Path] = functools.partial(pack_shards, **given) if arguments.shards else pack_folder
        folder = pack(
            root,
            arguments.annotations,
            dtype=dtype,
            out=out,
            allow_missing=arguments.allow_missing,
            link_store=arguments.link_store,
            card=card,
        )
    size = sum(file.stat().st_size for file in folder.iterdir())
    if arguments.shards:
        words = f"data=shards data.root={folder}"
    else:
        words = f"data=llp data.root={root}"
        words += "" if dtype == "float32" and out is None else f" data.packed={dtype if out is None else folder}"
        words += "" if arguments.card is None else f" data.card={arguments.card}"
    words += "" if arguments.features is None else f" features={card.features.name}"
    print(f"{folder}: {size / 1e9:.2f} GB, {time.perf_counter() - started:.1f} s; `leap-avvp train {words}` reads it")
    return 0
