"""One report of all studies: ``report.html``, which needs nothing beside it, and ``report.md``."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from leap_avvp import __version__
from leap_avvp.files import write_whole
from leap_avvp.studies.html import Chapter, page
from leap_avvp.studies.pictures import find_pair, run_pictures
from leap_avvp.studies.plan import short_path
from leap_avvp.studies.render import to_markdown
from leap_avvp.studies.tables import NOT_COMPARABLE, Table

__all__ = ["commit", "write_report"]


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
    folder: Path,
    tables: Sequence[Table],
    measured: Sequence[tuple[Chapter, str]],
    seconds: float,
    console: Console,
) -> None:
    """Write the report and, beside ``report.md``, its pictures.

    Args:
        folder: where.
        tables: of the studies that consist of runs.
        measured: of the others, each as a chapter and as Markdown.
        seconds: that the whole call took.
        console: for a line.
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
    title = "All studies" + (" on SIMULATED data" if NOT_COMPARABLE in warnings else "")
    chapters = [Chapter(table.study.title, table, _plots(table)) for table in tables]
    chapters += [chapter for chapter, _ in measured]
    pictures: list[tuple[str, bytes]] = []
    pair = find_pair(tables)
    if pair is not None:
        pictures, problem = run_pictures(pair)
        chapters.append(Chapter("Parsed videos, classes and mistakes", plots=pictures, lines=[problem] * bool(problem)))
    write_whole(folder / "report.html", page(title, warnings[0] if warnings else None, facts, chapters))
    text = [f"# {title}", "", *(f"> **{warning}**\n" for warning in warnings), *(f"- {fact}" for fact in facts), ""]
    for table in tables:
        text.append(to_markdown(table).replace("\n## ", "\n### ").replace("# ", "## ", 1))
    text += [markdown.replace("# ", "## ", 1) for _, markdown in measured]
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
