"""``leap-avvp reproduce``: the tables of the paper."""

from __future__ import annotations

import argparse
from pathlib import Path

from leap_avvp.cli.arguments import count, seeds
from leap_avvp.errors import ConfigError

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "reproduce"
ABOUT = "run all cells of a table of the paper, resume what is unfinished, print and write the table"
EXAMPLE = "leap-avvp reproduce table6 --data /path/to/LLP --seeds 0,1,2,3,4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study, the overrides and the options."""
    parser.add_argument("study", help="its name, such as table6; or `all`; `list` shows them and what they cost")
    parser.add_argument("overrides", nargs="*", help="Hydra overrides for every cell, such as trainer.max_epochs=2")
    parser.add_argument("--data", metavar="DIR", help="folder in LLP's real layout; without it data are simulated")
    parser.add_argument("--seeds", type=seeds, metavar="N,N", help="training seeds (default: the study's own)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where runs and tables go (default: outputs/STUDY-...)")
    parser.add_argument(
        "--jobs", type=count, metavar="N", help="cells side by side, each with its share of the cores (default: fit)"
    )
    parser.add_argument(
        "--engine", default="local", metavar="NAME",
        help="local (this machine, default) or slurm: a job for each cell, N in the queue at most (docs/scale.md)",
    )  # fmt: skip
    parser.add_argument(
        "--slurm",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="options of sbatch: partition=gpu gpus=1 time=4:00:00",
    )
    parser.add_argument(
        "--no-wait", action="store_true", help="with --engine slurm: submit and end; the same command collects later"
    )
    parser.add_argument("--dry-run", action="store_true", help="show the cells and their state, run nothing")
    parser.add_argument("--table-only", action="store_true", help="write the table from what is finished, run nothing")
    parser.add_argument("--cost", action="store_true", help="with `list`: estimate what never ran here, in a minute")


def run(arguments: argparse.Namespace) -> int:
    """Run the cells and write the table; return the exit code.

    Raises:
        ConfigError: an unknown study, or overrides that do not fit it.
        DataError: no such data folder, or an output folder that cannot be used.
    """
    from leap_avvp import studies

    if arguments.study == "list":
        return studies.print_studies(cost=arguments.cost)
    if arguments.cost:
        raise ConfigError("--cost: belongs to `leap-avvp reproduce list`; leave it out to run a study")
    return studies.reproduce(
        arguments.study,
        data=arguments.data,
        seeds=arguments.seeds,
        out=arguments.out,
        overrides=arguments.overrides,
        dry_run=arguments.dry_run,
        table_only=arguments.table_only,
        jobs=arguments.jobs,
        engine=arguments.engine,
        slurm=arguments.slurm,
        wait=not arguments.no_wait,
    )
