"""A table as text: on the terminal (rich), in Markdown and in CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator, Mapping

from rich import box
from rich.table import Table as RichTable

from leap_avvp.studies import columns as column
from leap_avvp.studies.comparisons import compare_rows, reading
from leap_avvp.studies.tables import Summary, Table, TableRow, provenance

__all__ = [
    "ABSENT",
    "TableLine",
    "comparison_markdown",
    "comparison_rich",
    "group_of",
    "table_lines",
    "to_csv",
    "to_markdown",
    "to_rich",
]

ABSENT = "–"
# Of the differences; the CSV file has them all.
_SHOWN = ("segment/type_av", "event/type_av", "average")
_SHORT = {"Segment": "Seg."}


@dataclasses.dataclass(frozen=True)
class TableLine:
    """One printed line of a row."""

    label: str
    kind: str
    state: str
    """How many seeds stand behind it; empty for published values."""
    means: Mapping[str, str]
    spreads: Mapping[str, str]
    """``±0.3``; empty where there is a single number."""


def table_lines(table: Table) -> Iterator[TableLine]:
    """Yield the lines of a table: published, measured and, on the real LLP, their difference."""
    columns = table.study.columns
    for row in table.rows:
        label = row.row.label
        published = {key: column.shown(key, value) for key, value in row.row.published.items()}
        if published:
            yield TableLine(label, "published", "", published, {})
        measured = {key: value for key in columns if (value := row.measured(key)) is not None}
        means = {key: column.shown(key, value.mean) for key, value in measured.items()}
        spreads = {key: column.shown_spread(key, value.std) for key, value in measured.items() if value.std is not None}
        yield TableLine(
            label, "measured" if table.warning is None else table.data_source.upper(), row.state, means, spreads
        )
        if table.comparable and published and measured:
            differences = {key: table.difference(row, key) for key in columns}
            texts = {key: column.shown(key, value, "+") for key, value in differences.items() if value is not None}
            yield TableLine(label, "difference", "", texts, {})


def group_of(key: str) -> str:
    """Return the level that stands above a column: ``segment/audio`` -> ``Segment``."""
    level, slash, _ = key.partition("/")
    return level.capitalize() if slash else ""


def to_rich(table: Table) -> RichTable:
    """Lay the table out for a terminal of 80 columns, the spread below each mean."""
    view = RichTable(title=table.study.title, caption=table.warning, box=box.SIMPLE_HEAD, padding=0)
    view.caption_style = "bold yellow"
    view.add_column("")
    view.add_column("", max_width=10)
    above = ""
    for key, heading in table.study.columns.items():
        group = group_of(key)
        view.add_column(
            f"{'' if group == above else _SHORT.get(group, group)}\n{heading}", justify="right", no_wrap=True
        )
        above = group
    label = None
    for line in table_lines(table):
        if label is not None and line.label != label:
            view.add_section()
        cells = [_join("\n", line.means.get(key, ABSENT), line.spreads.get(key)) for key in table.study.columns]
        view.add_row("" if line.label == label else line.label, _join("\n", line.kind, line.state), *cells)
        label = line.label
    return view


def to_markdown(table: Table) -> str:
    """Write the table with its source, warning, provenance and notes."""
    study = table.study
    headings = [_join(" ", group_of(key), heading) for key, heading in study.columns.items()]
    text = [f"# {study.title}", "", f"Published: {study.source}.", ""]
    if table.warning:
        text += [f"> **{table.warning}**", ""]
    text += [_markdown_row(["", "", *headings]), _markdown_row(["---", "---", *["---:"] * len(headings)])]
    for line in table_lines(table):
        cells = [_join(" ", line.means.get(key, ABSENT), line.spreads.get(key)) for key in study.columns]
        text.append(_markdown_row([line.label, _join(", ", line.kind, line.state), *cells]))
    text += comparison_markdown(table)
    notes = study.footnotes
    text += ["", "## How to read it", "", *[f"- {note}" for note in notes]] if notes else []
    text += ["", "## Where the measured values come from", "", *[f"- {line}" for line in provenance(table)], ""]
    return "\n".join(text)


def comparison_markdown(table: Table) -> list[str]:
    """Return the lines of the differences between the rows that the study compares."""
    comparisons = compare_rows(table)
    if not comparisons:
        return []
    kind = "measured" if table.warning is None else f"{table.data_source.upper()}, measured"
    text = ["", "## Differences between rows", "", _markdown_row(["", kind, "95 % interval", ""])]
    text.append(_markdown_row(["---", "---:", "---:", "---"]))
    for found in comparisons:
        label = f"{found.first} against {found.second}"
        for key, difference in found.differences.items():
            if key in _SHOWN:
                interval = f"{difference.low:+.1f} to {difference.high:+.1f}"
                name = _join(" ", group_of(key), table.study.columns[key])
                text.append(_markdown_row([f"{label}: {name}", f"{difference.mean:+.1f}", interval, difference.word]))
        if found.problem:
            text.append(_markdown_row([label, ABSENT, ABSENT, found.problem]))
    return [*text, "", *reading(table)]


def comparison_rich(table: Table) -> RichTable | None:
    """Lay the differences of Avg. out for a terminal; None where no pair can be compared."""
    comparisons = [found for found in compare_rows(table) if "average" in found.differences]
    if not comparisons:
        return None
    view = RichTable(title="Differences in Avg., 95 % interval over test videos", box=box.SIMPLE_HEAD, padding=(0, 1))
    for heading in ("", "difference", "interval", ""):
        view.add_column(heading, justify="left" if not heading else "right")
    for found in comparisons:
        average = found.differences["average"]
        interval = f"{average.low:+.1f} to {average.high:+.1f}"
        view.add_row(f"{found.first} against {found.second}", f"{average.mean:+.1f}", interval, average.word)
    return view


def _join(separator: str, *parts: str | None) -> str:
    return separator.join(part for part in parts if part)


def _markdown_row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def to_csv(table: Table) -> str:
    """Write every number in full: published, each seed, mean, std and, on the real LLP only, the difference."""
    columns = list(table.study.columns)
    file = io.StringIO()
    fields = ["study", "row", "kind", "data_source", "seed", "seeds", "state", "config_hash", *columns, "note"]
    writer = csv.DictWriter(file, fields, restval="", lineterminator="\n")
    writer.writeheader()
    for row in table.rows:
        for values in _csv_rows(table, row, columns):
            writer.writerow({"study": table.study.name, "row": row.row.label} | values)
    for found in compare_rows(table):
        base = {"study": table.study.name, "row": f"{found.first} - {found.second}", "data_source": table.data_source}
        for kind in ("mean", "low", "high") if found.differences else ():
            values = {key: getattr(difference, kind) for key, difference in found.differences.items()}
            writer.writerow(base | {"kind": f"difference of rows, {kind}", "note": table.warning or ""} | values)
    return file.getvalue()


def _csv_rows(table: Table, row: TableRow, columns: list[str]) -> Iterator[dict[str, object]]:
    if row.row.published:
        yield {"kind": "published", "data_source": "llp", "note": table.study.source} | dict(row.row.published)
    measured: dict[str, object] = {"data_source": table.data_source, "note": table.warning or ""}
    for record in row.records:
        scores = {key: _blank(column.value(key, record)) for key in columns}
        yield measured | {"kind": "seed", "seed": record.seed, "config_hash": record.config_hash} | scores
    summaries = {key: value for key in columns if (value := row.measured(key)) is not None}
    measured |= {"seeds": len(row.records), "state": row.state}
    yield measured | {"kind": "mean"} | {key: value.mean for key, value in summaries.items()}
    if any(value.std is not None for value in summaries.values()):
        yield measured | {"kind": "std"} | {key: _std(value) for key, value in summaries.items()}
    if table.comparable and summaries and row.row.published:
        yield measured | {"kind": "difference"} | {key: _blank(table.difference(row, key)) for key in columns}


def _std(summary: Summary) -> float | str:
    return _blank(summary.std)


def _blank(value: float | None) -> float | str:
    return "" if value is None else value
