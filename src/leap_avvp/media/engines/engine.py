"""What an engine is, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Protocol

from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.media.pool import Outcome, Work

__all__ = ["ENGINES", "Engine", "engine_named"]

ENGINES = ("local", "ray", "slurm")
"""Their names."""


class Engine(Protocol):
    """Does the work of :func:`leap_avvp.media.pool.outcomes` somewhere else, with the same outcomes."""

    def outcomes(self, opener: Callable[[], Work], items: Sequence[Any], jobs: int | None = None) -> Generator[Outcome]:
        """Yield what comes of each item, in the order in which they are done.

        An item whose worker or machine ends is given to another, and set aside when
        :data:`~leap_avvp.media.pool.TRIES` have ended. ``close`` ends all workers.

        Args:
            opener: called once in each worker's process; can be pickled.
            items: can be pickled.
            jobs: workers; None: as many as the engine has room for.

        Raises:
            LeapError: that of the opener, or the engine cannot be used.
        """


def engine_named(
    name: str, out: Path, *, address: str | None = None, gpus: float | None = None, slurm: Sequence[str] = ()
) -> Engine | None:
    """Return an engine; None stands for processes of this machine.

    Args:
        name: one of :data:`ENGINES`.
        out: the folder of the results, in which Slurm's jobs are told what to do.
        address: of a Ray cluster that runs; None: ``$RAY_ADDRESS``, or one of this machine alone.
        gpus: of a Ray worker; a part of one lets several share it.
        slurm: ``KEY=VALUE``: see :func:`~leap_avvp.media.engines.on_slurm.job_options`.

    Raises:
        ConfigError: no such engine, an option of another one, or a package is missing.
    """
    check_choice("--engine", name, ENGINES)
    for option, value, owner in (("--address", address, "ray"), ("--gpus", gpus, "ray"), ("--slurm", slurm, "slurm")):
        if value and name != owner:
            raise ConfigError(f"{option}: expected --engine {owner} with it, found --engine {name}")
    if name == "ray":
        from leap_avvp.media.engines.on_ray import OnRay

        return OnRay(address, gpus or 0.0)
    if name == "slurm":
        from leap_avvp.media.engines.on_slurm import OnSlurm, job_options

        return OnSlurm(out / ".slurm", job_options(slurm))
    return None
