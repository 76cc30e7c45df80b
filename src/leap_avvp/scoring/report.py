"""The ten numbers on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

__all__ = ["print_scores", "score_table"]

_COLUMNS = (
    ("audio", "A"),
    ("visual", "V"),
    ("audio_visual", "AV"),
    ("type_av", "Type@AV"),
    ("event_av", "Event@AV"),
)


def score_table(scores: Mapping[str, float], title: str, caption: str) -> Table:
    """Return a table of the scores of a split, in percent.

    Args:
        scores: by name, with ``average``.
        title: which videos.
        caption: what the numbers depend on, the protocol above all.
    """
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    table.add_column("level")
    for _, heading in _COLUMNS:
        table.add_column(heading, justify="right")
    for level in ("segment", "event"):
        table.add_row(level, *(f"{scores[f'{level}/{name}']:.1f}" for name, _ in _COLUMNS))
    table.add_row("average", *[""] * (len(_COLUMNS) - 1), f"{scores['average']:.1f}")
    return table


def print_scores(scores: Mapping[str, float], split: str, protocol: str, data_source: str) -> None:
    """Print the scores of a run; simulated data are named as such."""
    warning = " (SIMULATED data, not comparable with LLP)" if data_source == "simulated" else ""
    Console().print(score_table(scores, f"{split}: {data_source}{warning}", f"protocol: {protocol}"))
