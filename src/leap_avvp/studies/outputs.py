"""What a study says and leaves: its plan, its state, its table on the terminal and in files, what broke."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from leap_avvp.files import write_whole
from leap_avvp.studies.plan import Plan, short_path
from leap_avvp.studies.render import comparison_rich, to_csv, to_markdown, to_rich
from leap_avvp.studies.summary_run import log_summary
from leap_avvp.studies.sweep import CellResult, inspect_plan
from leap_avvp.studies.tables import Table, provenance

__all__ = ["finish", "print_plan", "print_state", "write_outputs"]


def print_plan(plan: Plan, console: Console) -> None:
    """Print the cells of a plan with their commands; nothing is run."""
    results = inspect_plan(plan)[0]
    console.print(f"{plan.study}: {_cells(len(results))} in {short_path(plan.out)}; nothing is run")
    for number, result in enumerate(results, start=1):
        console.print(f"[{number}/{len(results)}] {result.cell}: {result.status}\n  $ {result.cell.shown}")


def print_state(plan: Plan, console: Console) -> list[CellResult]:
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


def finish(table: Table, plan: Plan, results: Sequence[CellResult], console: Console, table_only: bool) -> int:
    """Print and write a study's table and what broke; return its exit code."""
    _print_table(table)
    write_outputs(table, plan.out, console)
    if not table_only:
        log_summary(table, plan, console)
    broken = [result for result in results if result.status == "failed"]
    for result in broken:
        log = f"; log: {short_path(result.log)}" if result.log.is_file() else ""
        console.print(f"broken: {result.cell}: {result.error}{log}")
    if broken and not table_only:
        console.print(f"{len(broken)} of {_cells(len(results))} broke; the same command runs these alone again")
    return 1 if broken and not table_only else 0


def write_outputs(table: Table, out: Path, console: Console) -> None:
    """Write ``<study>.md``, ``.csv`` and, where the study has a plot, ``.png`` into a folder."""
    outputs: dict[str, str | bytes] = {".md": to_markdown(table), ".csv": to_csv(table)}
    if table.study.plot is not None:
        from leap_avvp.studies.figures import plot_png  # brings Matplotlib, which only this needs

        outputs[".png"] = plot_png(table)
    for suffix, content in outputs.items():
        write_whole(out / f"{table.study.name}{suffix}", content)
    console.print(f"written: {short_path(out / table.study.name)}{{{','.join(outputs)}}}")


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
    for note in table.study.footnotes:
        plain.print(f"  note: {note}")


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"
