"""``leap-avvp reproduce``: run what is missing of a study, then print and write its table and figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from leap_avvp.files import folder_lock, write_whole
from leap_avvp.files.machine import available_memory, cpu_threads
from leap_avvp.studies.cost import estimate_seconds, shown_time
from leap_avvp.studies.evaluations import evaluate_cells
from leap_avvp.studies.plan import Plan, make_plan, short_path
from leap_avvp.studies.processes import ProcessRunner, Terminated, auto_jobs, terminable
from leap_avvp.studies.render import comparison_rich, to_csv, to_markdown, to_rich
from leap_avvp.studies.spec import Study, load_study, study_names
from leap_avvp.studies.summary_run import log_summary
from leap_avvp.studies.sweep import CellResult, Runner, inspect_plan, run_cells
from leap_avvp.studies.tables import Table, build_table, provenance

__all__ = [
    "finish",
    "inspect",
    "interrupted",
    "list_studies",
    "print_plan",
    "print_studies",
    "reproduce",
    "side_by_side",
    "write_outputs",
]


def list_studies() -> dict[str, str]:
    """Return the title of each study by its name."""
    return {name: load_study(name).title for name in study_names(runs_only=False)}


def print_studies() -> int:
    """Print what can be reproduced and what it costs here on simulated data; return the exit code."""
    view = RichTable(box=None)
    for heading in ("study", "title", "cells", "to train", "about"):
        view.add_column(heading, justify="right" if heading in ("cells", "to train") else "left")
    counted: set[str] = set()
    total = 0.0
    for name, title in list_studies().items():
        if load_study(name).measure:
            view.add_row(name, title, "", "", "1 min")
            continue
        results = inspect_plan(make_plan(name))[0]
        todo = [result.cell for result in results if result.status != "finished"]
        seconds = estimate_seconds(todo)
        total += estimate_seconds(cell for cell in todo if cell.config_hash not in counted)
        counted |= {cell.config_hash for cell in todo}
        view.add_row(name, title, str(len(results)), str(len(todo)), shown_time(seconds) if todo else "nothing")
    view.add_row(
        "all", "all of them, and one report", "", str(len(counted)), shown_time(total) if counted else "nothing"
    )
    Console().print(view)
    print("\nFor one seed of simulated data on this machine's CPU. What studies have in common is trained once.")
    return 0


def reproduce(
    study: str,
    *,
    data: str | Path | None = None,
    seeds: Sequence[int] | None = None,
    out: Path | None = None,
    overrides: Sequence[str] = (),
    dry_run: bool = False,
    table_only: bool = False,
    jobs: int | None = None,
    runner: Runner | None = None,
) -> int:
    """Run the cells of a study that are not finished, then print and write its table and figure.

    Args:
        study: a name of :func:`list_studies`.
        data: folder of the real LLP; without it the data are simulated, and every output says so.
        seeds: training seeds; the study's own by default.
        out: folder of cells and outputs, ``outputs/<study>-<source>`` by default.
        overrides: Hydra overrides for every cell.
        dry_run: print the cells and their commands; run and write nothing.
        table_only: write the table of what is finished; run nothing.
        jobs: cells that run side by side; as many as the machine has room for by default.
        runner: runs one cell and returns its exit code; a process of its own by default.

    Returns:
        The exit code: 0 when every cell is finished (or nothing was to run), 1 when some broke, 130 after Ctrl-C, 143
        after SIGTERM.

    Raises:
        LeapError: a wrong option, or another sweep in the same folder.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    spec = load_study(study)
    if spec.measure:
        from leap_avvp.studies.complexity import write_complexity  # brings torch

        return 0 if dry_run else write_complexity((out or Path("outputs") / study).expanduser().absolute(), console)
    plan = make_plan(study, data=data, seeds=spec.seeds if seeds is None else seeds, out=out, overrides=overrides)
    if dry_run:
        print_plan(plan, inspect_plan(plan)[0], console)
        return 0
    if table_only:  # reads whole files only, so it may look on while a sweep runs
        return finish(spec, plan, evaluate_cells(spec, inspect(plan, console), console, run=False), console, True)
    with folder_lock(plan.out) as lock, terminable():
        results = inspect(plan, console)
        jobs = side_by_side(results, 1 if runner and jobs is None else jobs, console)
        try:
            results = run_cells(results, runner or ProcessRunner((lock,), jobs), console, jobs)
            results = evaluate_cells(spec, results, console)
        except KeyboardInterrupt as interrupt:
            return interrupted(interrupt, console)
    return finish(spec, plan, results, console)


def interrupted(interrupt: KeyboardInterrupt, console: Console) -> int:
    """Say how to go on; return the exit code."""
    console.print("\nstopped; the same command goes on from here: finished cells stay, the rest resumes")
    return 143 if isinstance(interrupt, Terminated) else 130


def finish(spec: Study, plan: Plan, results: Sequence[CellResult], console: Console, table_only: bool = False) -> int:
    """Print and write what a study gives; return its exit code."""
    table = build_table(spec, results, plan.data_source, plan.overrides)
    _print_table(table)
    write_outputs(table, plan.out, console)
    if not table_only:
        log_summary(table, plan, console)
    return _closing(results, table_only, console)


def inspect(plan: Plan, console: Console) -> list[CellResult]:
    """Say of every cell of a plan what is known, and print how many are finished."""
    results, problems = inspect_plan(plan)
    folders = {cell.folder for cell in plan.cells}
    for folder, problem in problems.items():
        if folder in folders:
            console.print(f"not used: {problem}")
    finished = sum(result.status == "finished" for result in results)
    source = "the real LLP" if plan.data_source == "llp" else f"{plan.data_source.upper()} data"
    console.print(f"{plan.study} on {source}: {_cells(len(results))}, {finished} finished, in {short_path(plan.out)}")
    return results


def side_by_side(results: Sequence[CellResult], jobs: int | None, console: Console) -> int:
    """Return how many cells to run side by side, and say so."""
    cells = [result.cell for result in results if result.status != "finished"]
    if jobs is None:
        jobs = auto_jobs(cells, available_memory())
    jobs = max(1, min(jobs, len(cells)))
    if jobs > 1:
        share = max(1, cpu_threads() // jobs)
        console.print(f"{jobs} cells side by side, {share} thread{'' if share == 1 else 's'} each (--jobs 1: in turn)")
    return jobs


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"


def print_plan(plan: Plan, results: Sequence[CellResult], console: Console) -> None:
    """Print the cells of a plan with their commands; nothing is run."""
    console.print(f"{plan.study}: {_cells(len(results))} in {short_path(plan.out)}; nothing is run")
    for number, result in enumerate(results, start=1):
        console.print(f"[{number}/{len(results)}] {result.cell}: {result.status}\n  $ {result.cell.shown}")


def _print_table(table: Table) -> None:
    view, console = to_rich(table), Console()
    needed = Console(width=1000).measure(view).maximum
    Console(width=max(console.width, needed)).print(view)  # a narrow terminal wraps lines; it must not cut numbers off
    differences = comparison_rich(table)
    if differences is not None:
        Console().print(differences)
    plain = Console(highlight=False, markup=False, soft_wrap=True)
    for line in provenance(table):
        plain.print(f"  {line}")
    for note in table.study.notes:
        plain.print(f"  note: {note}")


def write_outputs(table: Table, out: Path, console: Console) -> None:
    """Write ``<study>.md``, ``.csv`` and, where the study has a plot, ``.png`` into a folder."""
    outputs: dict[str, str | bytes] = {".md": to_markdown(table), ".csv": to_csv(table)}
    if table.study.plot is not None:
        from leap_avvp.studies.figures import plot_png  # brings Matplotlib, which only this needs

        outputs[".png"] = plot_png(table)
    for suffix, content in outputs.items():
        write_whole(out / f"{table.study.name}{suffix}", content)
    console.print(f"written: {short_path(out / table.study.name)}{{{','.join(outputs)}}}")


def _closing(results: Sequence[CellResult], table_only: bool, console: Console) -> int:
    broken = [result for result in results if result.status == "failed"]
    for result in broken:
        console.print(f"broken: {result.cell}: {result.error}; log: {short_path(result.log)}")
    if broken and not table_only:
        console.print(f"{len(broken)} of {_cells(len(results))} broke; the same command runs these alone again")
    return 1 if broken and not table_only else 0
