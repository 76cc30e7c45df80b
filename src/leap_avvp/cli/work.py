"""Options of work on many videos: how many workers, where they are, and on what device."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from leap_avvp.cli.arguments import count

if TYPE_CHECKING:
    from leap_avvp.media.engines import Engine

__all__ = ["add_engine", "add_work", "device_of", "engine_of"]


def add_work(parser: argparse.ArgumentParser) -> None:
    """Add the options of work on many videos."""
    add_engine(parser)
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu (default) or cuda")


def add_engine(parser: argparse.ArgumentParser, default: str | None = "local") -> None:
    """Add the options of where work is done, and by how many."""
    parser.add_argument(
        "--jobs", "--workers", type=count, metavar="N",
        help="processes, Ray workers or Slurm jobs, a thread and the networks each; the files do not depend on N "
        "(default: cores, 1 on a GPU; the Ray cluster's CPUs; 16 jobs)",
    )  # fmt: skip
    here = "this machine, default" if default else "processes of this machine"
    parser.add_argument(
        "--engine", default=default, metavar="NAME",
        help=f"local ({here}), ray or slurm: where the work is done; the same files (docs/extract.md)",
    )  # fmt: skip
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="of a Ray cluster that runs (default: $RAY_ADDRESS, or this machine)"
    )
    parser.add_argument("--gpus", type=float, metavar="X", help="of a Ray worker, with --device cuda (default: 1)")
    parser.add_argument(
        "--slurm", nargs="+", default=[], metavar="KEY=VALUE", help="options of sbatch: partition=gpu gpus=1 mem=8G"
    )


def engine_of(arguments: argparse.Namespace) -> Engine | None:
    """Return where work is done; None: on this machine.

    Raises:
        ConfigError: no such engine, an option of another one, or a package is missing.
    """
    from leap_avvp.errors import ConfigError
    from leap_avvp.media.engines import engine_named

    gpus = arguments.gpus
    if gpus is not None and not 0 < gpus <= 64:
        raise ConfigError(f"--gpus: expected a number above 0 and up to 64, found {gpus:g}")
    if gpus is None and arguments.engine == "ray" and arguments.device.startswith("cuda"):
        gpus = 1.0
    name = arguments.engine or "local"
    return engine_named(name, arguments.out, address=arguments.address, gpus=gpus, slurm=arguments.slurm)


def device_of(arguments: argparse.Namespace) -> str:
    """Return the device; on this machine it is looked for, elsewhere it need not be here.

    Raises:
        ConfigError: no such device.
    """
    device: str = arguments.device
    if device == "cpu" or arguments.engine != "local":
        return device
    from leap_avvp.inference.parser import device_named

    return str(device_named(device))
