"""The ten numbers on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

__all__ = ["score_table"]

_COLUMNS = (
    ("audio", "A"),
    ("visual", "V"),
    ("audio_visual", "AV"),
    ("type_av", "Type@AV"),
    ("event_av", "Event@AV"),
)


def score_table(scores: Mapping[str, float], split: str, protocol: str, data_source: str) -> None:
    """Print the scores of a split in percent, with the protocol and the data that they belong to."""
    warning = " (SIMULATED data, not comparable with LLP)" if data_source == "simulated" else ""
    table = Table(title=f"{split}: {data_source}{warning}", caption=f"protocol: {protocol}", title_justify="left")
    table.add_column("level")
    for _, heading in _COLUMNS:
        table.add_column(heading, justify="right")
    for level in ("segment", "event"):
        table.add_row(level, *(f"{scores[f'{level}/{name}']:.1f}" for name, _ in _COLUMNS))
    table.add_row("average", *[""] * (len(_COLUMNS) - 1), f"{scores['average']:.1f}")
    Console().print(table)
