"""The published figures as text, JSON and CSV: what may be compared stands together."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.studies.published import Published, PublishedTable

__all__ = ["COMPARE", "Group", "lines", "selected", "to_csv", "to_json"]

COMPARE = "Compare only rows of the same features, protocol and annotations: those that stand together."
NOISE = "The same system's figures differ by about 0.5 from paper to paper."
Group = Sequence[Published]
"""Rows of the same features, protocol and annotations."""
_WIDE = 120  # columns, from which on a row also says when and where, and what it needs
_ABSENT = "–"


def selected(table: PublishedTable, features: str | None, protocol: str | None, sort: str) -> list[list[Published]]:
    """Return the rows in groups, and in each the best first.

    Groups of the same features follow one another, in the order of the file's legend, and of these the one with the
    best row first; a protocol that is not told comes last. Rows without the metric come last in their group.

    Args:
        table: all rows.
        features: those rows alone; ``std`` is ``llp``.
        protocol: likewise.
        sort: a metric key, or ``average``.

    Raises:
        ConfigError: unknown words, or no row that has both.
    """
    check_choice("--sort", sort, (*table.columns, "average"))
    features = "llp" if features == "std" else features
    if features is not None:
        check_choice("--features", features, table.features)
    if protocol is not None:
        check_choice("--protocol", protocol, table.protocols)
    groups: dict[tuple[str, str, str], list[Published]] = {}
    for row in table.rows:
        if features in (None, row.features) and protocol in (None, row.protocol):
            groups.setdefault((row.features, row.protocol, row.annotations), []).append(row)
    if not groups:
        there = sorted({row.protocol for row in table.rows if row.features == features})
        raise ConfigError(
            f"--protocol: expected one that a row of features {features} has ({', '.join(there)}), found {protocol!r}"
        )
    order = list(table.features)

    def height(row: Published) -> float:
        value = row.value(sort)
        return 1.0 if value is None else -value

    for rows in groups.values():
        rows.sort(key=height)
    places = {key: (order.index(key[0]), key[1] == "unknown", height(rows[0])) for key, rows in groups.items()}
    return [groups[key] for key in sorted(groups, key=lambda key: places[key])]


def lines(table: PublishedTable, groups: Sequence[Group], width: int = 80) -> list[str]:
    """Return the table for a terminal, from 80 columns on, with footnotes and a legend of what occurs in it."""
    width = max(80, width)
    layout = _Layout(width)
    text = [*textwrap.wrap(f"{COMPARE} {NOISE}", width), "", *layout.heading(list(table.columns.values()))]
    without = []
    for rows in groups:
        shown = [row for row in rows if row.numbers]
        without += [row for row in rows if not row.numbers]
        if shown:
            text += ["", layout.title(shown[0])]
            for row in shown:
                text += layout.row(row, list(table.columns))
    if without:
        text += ["", "Without figures among the ten:"]
        for row in without:
            of = f"{row.features}, {row.protocol}" if row.protocol != "unknown" else row.features
            found = "; ".join(f"{key} {_slashed(values)}" for key, values in row.other.items())
            said = (
                f"{row.name}, {_when(row)} [{of}; {''.join(row.sources)}]: {'; '.join(filter(None, (found, row.note)))}"
            )
            text += textwrap.wrap(said, width, initial_indent="  ", subsequent_indent="    ")
    only = [f"{row.name} {_slashed([*row.only.values()])}" for rows in groups for row in rows if row.only]
    if only:
        said = f"Of events that are audible-only / visible-only (Ao / Vo), segment and then event: {'; '.join(only)}"
        text += ["", *textwrap.wrap(said, width, subsequent_indent="  ")]
    text += ["", *(line for note in layout.notes for line in textwrap.wrap(note, width, subsequent_indent="   "))]
    return [*text, *([""] if layout.notes else []), *_legend(table, groups, width)]


def to_json(table: PublishedTable, groups: Sequence[Group]) -> dict[str, Any]:
    """Return the rows, and what their words mean, as plain content."""
    return {
        "compare": COMPARE,
        "sources": dict(table.sources),
        "features": dict(table.features),
        "protocols": dict(table.protocols),
        "annotations": dict(table.annotations),
        "rows": [row.to_dict() for rows in groups for row in rows],
    }


def to_csv(table: PublishedTable, groups: Sequence[Group]) -> str:
    """Return a line a row: empty where a figure is not known; what A, V and AV give where that contradicts Type."""
    facts = ["system", "variant", "year", "venue", "repository", "licence", "needs", "features", "protocol"]
    facts += ["annotations", "videos", "trust", "note"]
    only = list(dict.fromkeys(key for row in table.rows for key in row.only))
    parts = [f"{level}/type_av_of_parts" for level in ("segment", "event")]
    file = io.StringIO()
    fields = [*facts, "sources", *table.columns, "average", *parts, *only, "other"]
    writer = csv.DictWriter(file, fields, restval="", lineterminator="\n")
    writer.writeheader()
    for row in (row for rows in groups for row in rows):
        content = row.to_dict()
        line = {key: content[key] for key in (*facts, "average")} | dict(row.numbers) | dict(row.only)
        line |= {f"{one.level}/type_av_of_parts": round(one.parts, 2) for one in row.contradictions()}
        line["sources"] = " ".join(row.sources)
        line["other"] = "; ".join(f"{key} {_slashed(values)}" for key, values in row.other.items())
        writer.writerow(line)
    return file.getvalue()


class _Layout:
    """Columns of one width over all groups, and the footnotes that they ask for."""

    def __init__(self, width: int) -> None:
        self.wide = width >= _WIDE
        self.name = 30 if self.wide else 18
        self.rest = width - self.name - 12 * 5 - 6 if self.wide else 0  # for when and where, and needs
        self.notes: list[str] = []

    def heading(self, names: Sequence[str]) -> list[str]:
        levels = f"{'':{self.name}}{'Segment':<26}{'Event':<26}"
        # Marks stand behind Type, where the heading of five letters begins.
        cells = "".join(f"{name:>5}" if len(name) > 4 else f"{name:>4} " for name in names).replace("Event", "Event ")
        found = f"{'':{self.name}}{cells}{'Avg.':>4} from"
        return [levels.rstrip(), (f"{found:<{self.name + 63}}year and venue; needs" if self.wide else found)]

    def title(self, row: Published) -> str:
        words = [f"features {row.features}", f"protocol {row.protocol}", f"annotations {row.annotations}"]
        return f"--- {', '.join(words)}" + (" (rows may differ in it)" if row.protocol == "unknown" else "")

    def row(self, row: Published, keys: Sequence[str]) -> Iterator[str]:
        said = [*(f"{key} {_slashed(values)}" for key, values in row.other.items()), *filter(None, [row.note])]
        name = row.name + (self._mark(f"{row.name}: {'; '.join(said)}") if said else "")
        marks = {}
        for one in row.contradictions():
            marks[f"{one.level}/type_av"] = self._mark(
                f"{row.name}: {one.level} Type {one.printed:.1f} is printed, its A, V and AV give {one.parts:.1f}"
            )
        cells = ""
        for key in keys:
            value = row.numbers.get(key)
            cells += f"{_ABSENT if value is None else f'{value:.1f}':>4}"
            cells += f"{marks.get(key, ''):<2}" if key.endswith("type_av") else " "
        average = _ABSENT if row.average is None else f"{row.average:.1f}"
        names = textwrap.wrap(name, self.name - 1, subsequent_indent=" ")
        first = f"{names[0]:{self.name}}{cells}{average:>4} {''.join(row.sources)}"
        beside = [""]
        if self.wide:
            beside = textwrap.wrap(f"{_when(row)}; {row.needs or 'not known'}", self.rest)
        for number in range(max(len(names), len(beside))):
            left = first if number == 0 else names[number] if number < len(names) else ""
            right = beside[number] if number < len(beside) else ""
            yield f"{left:{self.name + 63}}{right}".rstrip() if self.wide else left

    def _mark(self, note: str) -> str:
        self.notes.append(f"{_raised(len(self.notes) + 1)} {note}")
        return _raised(len(self.notes))


def _legend(table: PublishedTable, groups: Sequence[Group], width: int) -> Iterator[str]:
    rows = [row for group in groups for row in group]
    used = {
        "features": (table.features, {row.features for row in rows}),
        "protocol": (table.protocols, {row.protocol for row in rows}),
        "annotations": (table.annotations, {row.annotations for row in rows}),
        "from": (table.sources, {tag for row in rows for tag in row.sources}),
    }
    for word, (meaning, found) in used.items():
        for number, name in enumerate(name for name in meaning if name in found):
            head = f"{word if number == 0 else '':<12}{name}: "
            yield from textwrap.wrap(head + meaning[name], width, subsequent_indent=" " * 14)


def _when(row: Published) -> str:
    return f"{row.year}" if row.venue is None else f"{row.year} {row.venue}"


def _slashed(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def _raised(number: int) -> str:
    return "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(number))
