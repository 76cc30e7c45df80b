"""The numbers on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from leap_avvp.scoring.bootstrap import RESAMPLES, Difference

__all__ = ["ScoreRow", "difference_table", "print_result", "score_table", "scores_table"]

_COLUMNS = (
    ("audio", "A"),
    ("visual", "V"),
    ("audio_visual", "AV"),
    ("type_av", "Type@AV"),
    ("event_av", "Event@AV"),
)
_EXCLUSIVE = (("audible_only", "Ao"), ("visible_only", "Vo"))
_LEVELS = ("segment", "event")


class ScoreRow(NamedTuple):
    """A row of :func:`scores_table`."""

    label: str
    scores: Mapping[str, float]
    """In percent, with ``average``."""
    difference: bool = False
    """Whether the scores are a difference of two others."""


def _columns(scores: Mapping[str, float]) -> tuple[tuple[str, str], ...]:
    """Return the columns that the scores fill: results of earlier versions have the ten alone."""
    return (*_COLUMNS, *(pair for pair in _EXCLUSIVE if f"segment/{pair[0]}" in scores))


def score_table(scores: Mapping[str, float], title: str, caption: str) -> Table:
    """Return a table of the scores of a split, in percent.

    Args:
        scores: by name, with ``average``.
        title: which videos.
        caption: what the numbers depend on, the protocol above all.
    """
    columns = _columns(scores)
    table = Table(title=title, caption=_caption(caption, columns), title_justify="left", caption_justify="left")
    table.add_column("level")
    for _, heading in columns:
        table.add_column(heading, justify="right")
    for level in _LEVELS:
        table.add_row(level, *(f"{scores[f'{level}/{name}']:.1f}" for name, _ in columns))
    table.add_row("average", *[""] * (len(_COLUMNS) - 1), f"{scores['average']:.1f}")
    return table


def scores_table(rows: Sequence[ScoreRow], title: str, caption: str) -> Table:
    """Return a table of several results of a split, two lines each; a terminal of 80 columns holds it."""
    columns = _columns(rows[0].scores)
    table = Table(title=title, caption=_caption(caption, columns), title_justify="left", caption_justify="left")
    table.box, table.padding = box.SIMPLE_HEAD, (0, 1, 0, 0)
    table.add_column("")
    table.add_column("level", no_wrap=True)
    for heading in (*(heading.removesuffix("@AV") for _, heading in columns), "Avg"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        form = "+.2f" if row.difference else ".1f"
        # A line each: with all in one, the columns would not fit.
        label, rest = row.label.split(", ", 1) if ", " in row.label else (row.label, "")
        for number, level in enumerate(_LEVELS):
            values = [format(row.scores[f"{level}/{name}"], form) for name, _ in columns]
            average = "" if number else format(row.scores["average"], form)
            table.add_row(rest if number else label, level, *values, average)
    return table


def _caption(caption: str, columns: Sequence[tuple[str, str]]) -> str:
    if len(columns) == len(_COLUMNS):
        return caption
    return f"{caption}\nAo, Vo: only heard, only seen; the average is that of the other ten"


def difference_table(title: str, differences: Mapping[str, Difference]) -> Table:
    """Return a table of differences with their intervals, a line a metric."""
    table = Table(
        title=title,
        caption=f"percentage points, with 95 % intervals of a paired bootstrap over the videos ({RESAMPLES:,} "
        "resamples); one that holds 0 is within noise. They say nothing about another training's luck.",
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("metric", "difference", "from", "to"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    table.add_column("")
    for name, found in differences.items():
        table.add_row(name, f"{found.mean:+.2f}", f"{found.low:+.2f}", f"{found.high:+.2f}", found.word)
    return table


def print_result(result: Mapping[str, Any], split: str) -> None:
    """Print what ``metrics.json`` or ``evaluation_<split>.json`` holds; simulated data are named as such."""
    source, console = result["data_source"], Console()
    warning = " (SIMULATED data, not comparable with LLP)" if source == "simulated" else ""
    title = f"{split}: {source}{warning}"
    several = result.get("results")
    if several:
        rows = [ScoreRow(_label(each), each["scores"]) for each in several]
        rows += [
            ScoreRow(f"{each['label']}, {each['first']} - {each['second']}", each["scores"], True)
            for each in result.get("annotation_differences", ())
        ]
        names = dict.fromkeys(f"{each['label']}: {each['protocol']['name']}" for each in several)
        console.print(scores_table(rows, title, "\n".join(names)))
    else:
        scores = result["test"] if "test" in result else result["scores"]
        console.print(score_table(scores, title, f"protocol: {result['protocol']['name']}"))
    lift = result.get("attention_lift")
    if lift is not None:
        said = ", ".join(f"{name} {lift[name]:.2f}" for name in ("audio", "visual") if lift[name] is not None)
        console.print(f"attention lift: {said or 'no true segments'} (1: evenly spread over the segments)")


def _label(result: Mapping[str, Any]) -> str:
    version = result.get("annotation_version")
    return str(result["label"]) + (f", {version}" if version else "")
