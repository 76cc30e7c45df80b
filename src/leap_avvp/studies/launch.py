"""``leap-avvp reproduce``: run what is missing of one study or of all, then print and write tables and figures."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from rich.console import Console

from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.files import folder_lock
from leap_avvp.files.machine import available_memory, cpu_threads
from leap_avvp.studies.collect import OUTPUTS
from leap_avvp.studies.evaluations import evaluate_cells
from leap_avvp.studies.outputs import finish, print_plan, print_state
from leap_avvp.studies.plan import Plan, make_plan
from leap_avvp.studies.planned import remember
from leap_avvp.studies.processes import ProcessRunner, Terminated, auto_jobs, terminable
from leap_avvp.studies.report import write_report
from leap_avvp.studies.spec import Study, load_study, study_names
from leap_avvp.studies.sweep import CellResult, Runner, inspect_plan, run_cells
from leap_avvp.studies.tables import build_table

__all__ = ["ALL", "reproduce", "reproduce_all"]

ALL = "all"
_Train: TypeAlias = "Callable[[Sequence[CellResult], Sequence[int | None]], dict[str, str]]"
# From results and the descriptors of locked folders; returns what is left in a queue, by config hash.


@dataclasses.dataclass(frozen=True)
class _Work:
    """A study that consists of runs, with its cells."""

    study: Study
    plan: Plan


def reproduce(
    study: str,
    *,
    data: str | Path | None = None,
    seeds: Sequence[int] | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    dry_run: bool = False,
    table_only: bool = False,
    jobs: int | None = None,
    runner: Runner | None = None,
    engine: str = "local",
    slurm: Sequence[str] = (),
    wait: bool = True,
) -> int:
    """Run the cells of a study that are not finished, then print and write its table and figure.

    Args:
        study: a name of :func:`~leap_avvp.studies.listing.list_studies`; or ``all`` for every study: their cells run in
            one queue, what they have in common once, and a report of all is written besides.
        data: folder of the real LLP; without it the data are simulated, and every output says so.
        seeds: training seeds; the study's own by default.
        out: folder of cells and outputs, ``outputs/<study>-<source>`` by default; of ``all`` the folder that holds one
            for each study, and ``report-<source>``.
        overrides: Hydra overrides for every cell.
        dry_run: print the cells and their commands; run and write nothing.
        table_only: write the table of what is finished; run nothing.
        jobs: cells that run side by side; as many as the machine has room for by default.
        runner: runs one cell and returns its exit code; a process of its own by default.
        engine: ``local``, or ``slurm``: a job for each cell, see :mod:`leap_avvp.studies.slurm`.
        slurm: ``KEY=VALUE``, options of ``sbatch``.
        wait: for Slurm's jobs; else they are submitted and named, and the same call collects them later.

    Returns:
        The exit code: 0 when every cell is finished (or nothing was to run), 1 when some broke, 130 after Ctrl-C, 143
        after SIGTERM.

    Raises:
        LeapError: a wrong option, or another sweep in the same folder.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    started, every = time.monotonic(), study == ALL
    where = None if out is None else Path(out)
    base, own = (where or OUTPUTS, None) if every else (OUTPUTS, where)
    chosen = [load_study(name) for name in (study_names(runs_only=False) if every else [study])]
    works = [
        _Work(
            spec,
            make_plan(
                spec.name,
                data=data,
                seeds=spec.seeds if seeds is None else seeds,
                out=own,
                base=base,
                overrides=overrides,
            ),
        )
        for spec in chosen
        if not spec.measure
    ]
    train = _trainer_of(engine, slurm, wait, jobs, runner, console, table_only or dry_run)
    if dry_run:
        for work in works:
            print_plan(work.plan, console)
        return 0
    try:
        found, in_queue = _run(works, table_only, train, console)
    except KeyboardInterrupt as interrupt:
        console.print("\nstopped; the same command goes on from here: finished cells stay, the rest resumes")
        return 143 if isinstance(interrupt, Terminated) else 130
    tables, codes, measured = [], [0], []
    for work, results in zip(works, found, strict=True):
        tables.append(build_table(work.study, results, work.plan.data_source, work.plan.overrides))
        codes.append(finish(tables[-1], work.plan, results, console, table_only or bool(in_queue)))
    if in_queue:
        jobs_of = f"{len(in_queue)} job{'' if len(in_queue) == 1 else 's'}"
        console.print(f"{jobs_of} queued or running; the same command collects what is finished and submits none twice")
    for spec in chosen:
        if spec.measure:
            from leap_avvp.studies.complexity import write_complexity  # brings torch

            measured.append(write_complexity((own or base / spec.name).expanduser().absolute(), console))
    if every:
        folder = works[0].plan.out.with_name(f"report-{works[0].plan.data_source}")
        write_report(folder, tables, measured, time.monotonic() - started, console)
    return max(codes)


reproduce_all = functools.partial(reproduce, ALL)


def _trainer_of(
    engine: str,
    slurm: Sequence[str],
    wait: bool,
    jobs: int | None,
    runner: Runner | None,
    console: Console,
    idle: bool,
) -> _Train:
    """Return what trains the cells that are not finished.

    Raises:
        ConfigError: no such engine, or an option of another one.
    """
    check_choice("--engine", engine, ("local", "slurm"))
    if engine == "slurm" and not idle:
        from leap_avvp.studies.slurm import SlurmCells

        cells = SlurmCells(slurm, wait, console, jobs)
        return lambda results, locks: cells.train(results)
    for option, given in (("--slurm", bool(slurm)), ("--no-wait", not wait)):
        if given and engine != "slurm":
            raise ConfigError(f"{option}: expected --engine slurm with it, found --engine {engine}")

    def train(results: Sequence[CellResult], locks: Sequence[int | None]) -> dict[str, str]:
        _train(results, locks, jobs, runner, console)
        return {}

    return train


def _run(
    works: Sequence[_Work], table_only: bool, train: _Train, console: Console
) -> tuple[list[list[CellResult]], dict[str, str]]:
    """Train and evaluate what is missing, every configuration once; return the results, and Slurm's jobs, if any.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM, once no process is left.
    """
    with contextlib.ExitStack() as stack:
        locks: list[int | None] = []
        if not table_only:  # which reads whole files only, so it may look on while a sweep runs
            locks += [stack.enter_context(folder_lock(work.plan.out)) for work in works]
            stack.enter_context(terminable())
        found, in_queue = [print_state(work.plan, console) for work in works], {}
        if works and not table_only:
            for work in works:
                remember(work.plan)
            different: dict[str, CellResult] = {}
            for result in (result for results in found for result in results):
                different.setdefault(result.cell.config_hash, result)
            in_queue = train(list(different.values()), locks)
            found = [inspect_plan(work.plan)[0] for work in works]
        evaluated = [
            evaluate_cells(work.study, results, console, run=not table_only)
            for work, results in zip(works, found, strict=True)
        ]
        return evaluated, in_queue


def _train(
    results: Sequence[CellResult],
    locks: Sequence[int | None],
    jobs: int | None,
    runner: Runner | None,
    console: Console,
) -> None:
    """Run the cells that are not finished, as many side by side as asked for or as there is room for."""
    todo = [result.cell for result in results if result.status != "finished"]
    if len(locks) > 1:
        console.print(f"{len(todo)} different cells to train")
    if jobs is None:
        jobs = 1 if runner else auto_jobs(todo, available_memory())
    jobs = max(1, min(jobs, len(todo)))
    if jobs > 1:
        share = max(1, cpu_threads() // jobs)
        console.print(f"{jobs} cells side by side, {share} thread{'' if share == 1 else 's'} each (--jobs 1: in turn)")
    run_cells(results, runner or ProcessRunner(locks, jobs, len(todo)), console, jobs)
