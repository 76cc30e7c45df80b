"""``leap-avvp published``: the figures of other systems, apart by what may be compared."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "published"
ABOUT = "show what other systems have published on LLP, apart by features and protocol, with what each figure rests on"
EXAMPLE = """\
leap-avvp published
leap-avvp published --features llp --protocol union --sort event/type_av
leap-avvp published --csv published.csv"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which rows, their order, and a file."""
    parser.add_argument("--features", metavar="NAME", help="rows of these features alone: llp, valor, uwav, lsld, ...")
    parser.add_argument(
        "--protocol", metavar="NAME", help="rows under this protocol alone: union, strict, per_modality, mixed, ..."
    )
    parser.add_argument(
        "--sort",
        default="average",
        metavar="METRIC",
        help="by segment/type_av, event/audio, ... (default: average, of the ten)",
    )
    files = parser.add_mutually_exclusive_group()
    files.add_argument("--json", type=Path, metavar="FILE", help="write the rows and their legend there instead")
    files.add_argument("--csv", type=Path, metavar="FILE", help="write the rows there instead")


def run(arguments: argparse.Namespace) -> int:
    """Print the table, or write it; return 0.

    Raises:
        ConfigError: unknown features, protocol or metric; no such row.
        DataError: the file cannot be written.
    """
    import shutil

    from leap_avvp.files import write_json, write_whole
    from leap_avvp.studies.published import read_published
    from leap_avvp.studies.published_text import lines, selected, to_csv, to_json

    table = read_published()
    groups = selected(table, arguments.features, arguments.protocol, arguments.sort)
    if arguments.json is not None:
        write_json(to_json(table, groups), arguments.json)
    elif arguments.csv is not None:
        write_whole(arguments.csv, to_csv(table, groups))
    else:
        print("\n".join(lines(table, groups, shutil.get_terminal_size().columns)))
        return 0
    print(f"{arguments.json or arguments.csv}: {sum(map(len, groups))} rows")
    return 0
