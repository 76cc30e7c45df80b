"""Studies as one self-contained HTML page: tables, differences, plots; nothing is fetched when it is opened."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Sequence
from html import escape

from leap_avvp.studies.comparisons import compare_rows, reading
from leap_avvp.studies.render import ABSENT, group_of, table_lines
from leap_avvp.studies.tables import Table, provenance

__all__ = ["Chapter", "markdown_table", "page"]

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 74rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
tr.published td { color: #0072b2; } tr.difference td { color: #555; font-style: italic; }
.warning { background: #fff3cd; border: 1px solid #b58900; padding: .6rem 1rem; font-weight: 600; }
.small { font-size: 13px; color: #444; } .scroll { overflow-x: auto; } img { max-width: 100%; }
"""


@dataclasses.dataclass(frozen=True)
class Chapter:
    """One study of the page."""

    title: str
    table: Table | None = None
    plots: Sequence[tuple[str, bytes]] = ()
    """Caption and PNG."""
    html: str = ""
    """Anything else, as HTML."""


def page(title: str, warning: str | None, facts: Sequence[str], chapters: Sequence[Chapter]) -> str:
    """Return the whole page.

    Args:
        title: of the page.
        warning: what must be read first.
        facts: where it comes from, a line each.
        chapters: the studies.
    """
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    head += f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
    parts = [head, f"<h1>{escape(title)}</h1>"]
    if warning:
        parts.append(f'<p class="warning">{escape(warning)}</p>')
    parts.append(_list(facts))
    links = (f'<li><a href="#study-{number}">{escape(c.title)}</a></li>' for number, c in enumerate(chapters))
    parts.append(f"<ol>{''.join(links)}</ol>")
    for number, chapter in enumerate(chapters):
        parts.append(f'<h2 id="study-{number}">{escape(chapter.title)}</h2>')
        if chapter.table is not None:
            parts += [_table(chapter.table), _differences(chapter.table), _list(chapter.table.study.notes)]
        parts.append(chapter.html)
        for caption, png in chapter.plots:
            data = base64.b64encode(png).decode("ascii")
            parts.append(f'<p><img alt="{escape(caption)}" src="data:image/png;base64,{data}"></p>')
        if chapter.table is not None:
            parts.append(_list(provenance(chapter.table)))
    return "\n".join([*parts, "</body></html>", ""])


def markdown_table(text: str) -> str:
    """Return the first table of a Markdown text, and its list below, as HTML."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    cells = [[escape(cell.strip()) for cell in row] for row in rows if not set("".join(row)) <= set("-: ")]
    head = "".join(f"<th>{cell}</th>" for cell in cells[0])
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells[1:])
    lines = [line[2:] for line in text.splitlines() if line.startswith("- ")]
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>{_list(lines)}'


def _list(lines: Sequence[str]) -> str:
    return f'<ul class="small">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>' if lines else ""


def _table(table: Table) -> str:
    headings = "".join(
        f"<th>{escape(' '.join(part for part in (group_of(key), heading) if part))}</th>"
        for key, heading in table.study.columns.items()
    )
    rows = []
    for line in table_lines(table):
        cells = [escape(line.label), escape(", ".join(part for part in (line.kind, line.state) if part))]
        for key in table.study.columns:
            parts = (line.means.get(key, ABSENT), line.spreads.get(key))
            cells.append(escape(" ".join(part for part in parts if part)))
        kind = line.kind if line.kind in ("published", "difference") else "measured"
        rows.append(f'<tr class="{kind}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    source = f'<p class="small">Published: {escape(table.study.source)}.</p>'
    warning = f'<p class="warning">{escape(table.warning)}</p>' if table.warning else ""
    body = f"<table><thead><tr><th></th><th></th>{headings}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'{source}{warning}<div class="scroll">{body}</div>'


def _differences(table: Table) -> str:
    comparisons = compare_rows(table)
    if not comparisons:
        return ""
    rows = []
    for found in comparisons:
        average = found.differences.get("average")
        cells = [f"{found.first} against {found.second}"]
        if average is None:
            cells += [found.problem, ABSENT, ABSENT]
        else:
            cells += [average.word, f"{average.mean:+.1f}", f"{average.low:+.1f} to {average.high:+.1f}"]
        rows.append(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    head = "<tr><th>difference in Avg.</th><th></th><th>points</th><th>95 % interval</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>{_list(reading(table))}"
