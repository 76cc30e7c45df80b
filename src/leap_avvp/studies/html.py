"""Studies as one self-contained HTML page: tables, differences, plots; nothing is fetched when it is opened."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Sequence
from importlib import resources

import jinja2

from leap_avvp.studies.comparisons import compare_rows, reading
from leap_avvp.studies.render import ABSENT, group_of, table_lines
from leap_avvp.studies.tables import Table, provenance

__all__ = ["Chapter", "page"]


@dataclasses.dataclass(frozen=True)
class Chapter:
    """One study of the page: a table of runs, or what else it has."""

    title: str
    table: Table | None = None
    plots: Sequence[tuple[str, bytes]] = ()
    """Caption and PNG."""
    rows: Sequence[Sequence[str]] = ()
    """Of a table without runs, the headings first."""
    lines: Sequence[str] = ()
    """Below the rows."""


def page(title: str, warning: str | None, facts: Sequence[str], chapters: Sequence[Chapter]) -> str:
    """Return the whole page, as ``page.html`` lays it out.

    Args:
        title: of the page.
        warning: what must be read first.
        facts: where it comes from, a line each.
        chapters: the studies.
    """
    pages = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    pages.filters["base64"] = lambda content: base64.b64encode(content).decode("ascii")
    for function in (compare_rows, group_of, provenance, reading, table_lines):
        pages.globals[function.__name__] = function
    template = pages.from_string(resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.render(title=title, warning=warning, facts=facts, chapters=chapters, absent=ABSENT)
