"""``leap-avvp reproduce all``: every study, what they share trained once, and one report of all."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path

from rich.console import Console

from leap_avvp import __version__
from leap_avvp.files import folder_lock, write_whole
from leap_avvp.studies.evaluations import evaluate_cells
from leap_avvp.studies.html import Chapter, markdown_table, page
from leap_avvp.studies.launch import finish, inspect, interrupted, print_plan, side_by_side
from leap_avvp.studies.pictures import find_pair, run_pictures
from leap_avvp.studies.plan import Plan, make_plan, short_path
from leap_avvp.studies.processes import ProcessRunner, terminable
from leap_avvp.studies.render import to_markdown
from leap_avvp.studies.spec import load_study, study_names
from leap_avvp.studies.sweep import CellResult, Runner, inspect_plan, run_cells
from leap_avvp.studies.tables import Table, build_table

__all__ = ["commit", "reproduce_all", "write_report"]


def reproduce_all(
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
    """Run the cells of all studies in one queue, then write each study's outputs and the report.

    Args and return value are those of :func:`~leap_avvp.studies.launch.reproduce`; ``out`` is the folder that holds one
    folder for each study, and ``report-<source>``.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    base = (out or Path("outputs")).expanduser().absolute()
    source = "simulated" if data is None else "llp"
    studies = [load_study(name) for name in study_names()]
    plans = [
        make_plan(
            study.name,
            data=data,
            seeds=study.seeds if seeds is None else seeds,
            out=base / f"{study.name}-{source}",
            overrides=overrides,
        )
        for study in studies
    ]
    if dry_run:
        for plan in plans:
            print_plan(plan, inspect_plan(plan)[0], console)
        return 0
    started = time.monotonic()
    if not table_only:
        try:
            _train(plans, jobs, runner, console)
        except KeyboardInterrupt as interrupt:
            return interrupted(interrupt, console)
    codes, tables = [], []
    for study, plan in zip(studies, plans, strict=True):
        results = evaluate_cells(study, inspect(plan, console), console, run=not table_only)
        codes.append(finish(study, plan, results, console, table_only))
        tables.append(build_table(study, results, plan.data_source, plan.overrides))
    from leap_avvp.studies.complexity import write_complexity  # brings torch

    write_complexity(base / "complexity", console)
    write_report(base / f"report-{source}", tables, time.monotonic() - started, console, base / "complexity")
    return max(codes)


def _train(plans: Sequence[Plan], jobs: int | None, runner: Runner | None, console: Console) -> None:
    with contextlib.ExitStack() as stack:
        locks = tuple(stack.enter_context(folder_lock(plan.out)) for plan in plans)
        stack.enter_context(terminable())
        pending: dict[str, CellResult] = {}
        for plan in plans:
            for result in inspect(plan, console):
                if result.status != "finished":
                    pending.setdefault(result.cell.config_hash, result)
        todo = list(pending.values())
        console.print(f"{len(todo)} different cells to train")
        jobs = side_by_side(todo, 1 if runner and jobs is None else jobs, console)
        run_cells(todo, runner or ProcessRunner(locks, jobs), console, jobs)


def commit() -> str:
    """Return the commit of the checkout that this package runs from, ``+ changes`` where it was edited, or nothing."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        if not git("ls-files", Path(__file__).name):
            return ""  # installed inside somebody else's checkout
        return git("rev-parse", "--short=12", "HEAD") + (" + changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def write_report(
    folder: Path, tables: Sequence[Table], seconds: float, console: Console, complexity: Path | None = None
) -> None:
    """Write ``report.html``, which needs nothing beside it, and ``report.md``.

    Args:
        folder: where.
        tables: of the studies.
        seconds: that the whole call took.
        console: for a line.
        complexity: the folder of that study's outputs.
    """
    warnings = list(dict.fromkeys(table.warning for table in tables if table.warning))
    records = {record.config_hash: record for table in tables for record in table.records}
    training = sum(record.wall_time_s.get("total", 0.0) for record in records.values())
    facts = [
        f"leap-avvp {__version__}" + (f", commit {found}" if (found := commit()) else ""),
        f"{len(records)} different trained cells, {training / 60:.0f} minutes of training (side by side they overlap)",
        f"this call: {seconds / 60:.1f} minutes",
        *(_cost(table) for table in tables),
    ]
    title = "All studies" + (" on SIMULATED data" if warnings else "")
    chapters = [Chapter(table.study.title, table, _plots(table)) for table in tables]
    extra = (complexity / "complexity.md").read_text(encoding="utf-8") if complexity else ""
    if extra:
        chapters.append(Chapter(load_study("complexity").title, html=markdown_table(extra)))
    pictures: list[tuple[str, bytes]] = []
    pair = find_pair(tables)
    if pair is not None:
        pictures, problem = run_pictures(pair)
        chapters.append(
            Chapter("Parsed videos, classes and mistakes", plots=pictures, html=f"<p>{escape(problem)}</p>")
        )
    write_whole(folder / "report.html", page(title, warnings[0] if warnings else None, facts, chapters))
    text = [f"# {title}", "", *(f"> **{warning}**\n" for warning in warnings), *(f"- {fact}" for fact in facts), ""]
    for table in tables:
        text.append(to_markdown(table).replace("\n## ", "\n### ").replace("# ", "## ", 1))
    text.append(extra.replace("# ", "## ", 1))
    for number, (caption, png) in enumerate(pictures, start=1):
        write_whole(folder / f"figure-{number}.png", png)
        text.append(f"![{caption}](figure-{number}.png)\n")
    write_whole(folder / "report.md", "\n".join(text))
    console.print(f"written: {short_path(folder)}/report{{.html,.md}}")


def _plots(table: Table) -> list[tuple[str, bytes]]:
    if table.study.plot is None or not table.records:
        return []
    from leap_avvp.studies.figures import plot_png  # brings Matplotlib

    return [(table.study.title, plot_png(table))]


def _cost(table: Table) -> str:
    seconds = {record.config_hash: record.wall_time_s.get("total", 0.0) for record in table.records}
    return f"{table.study.name}: {sum(seconds.values()) / 60:.1f} minutes of training in {len(seconds)} cells"
