"""What a benchmark found, as a table."""

from __future__ import annotations

import dataclasses
import os
import platform
from pathlib import Path

import torch

from leap_avvp.files import write_whole
from leap_avvp.files.machine import cpu_threads
from leap_avvp.training.trainer import versions

__all__ = ["Report", "Section"]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


@dataclasses.dataclass
class Section:
    """One table."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def add(self, *cells: str) -> None:
        """Add a row, and print it."""
        self.rows.append(cells)
        print("  " + " | ".join(cells), flush=True)

    def markdown(self) -> str:
        """Return the table."""
        lines = [f"## {self.title}", "", "| " + " | ".join(self.columns) + " |"]
        lines.append("|" + "|".join(" --- " if index == 0 else " ---: " for index in range(len(self.columns))) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join([*lines, "", *(f"{note}\n" for note in self.notes)])


@dataclasses.dataclass
class Report:
    """All sections of a run of the benchmark."""

    title: str
    sections: list[Section] = dataclasses.field(default_factory=list)
    facts: list[str] = dataclasses.field(default_factory=list)

    def section(self, title: str, *columns: str) -> Section:
        """Begin a table, and print its title."""
        print(f"{title}: {' | '.join(columns)}", flush=True)
        self.sections.append(Section(title, columns))
        return self.sections[-1]

    def write(self, path: Path) -> None:
        """Write the report."""
        known = ", ".join(f"{name} {number}" for name, number in versions().items())
        head = [
            f"# {self.title}",
            "",
            f"{_processor()}, {os.cpu_count()} cores, {cpu_threads()} threads used; {platform.system()}; {known}; "
            f"torch built for {'CUDA' if torch.version.cuda else 'CPU'}.",
            "",
            *(f"{fact}\n" for fact in self.facts),
        ]
        write_whole(path, "\n".join([*head, *(section.markdown() for section in self.sections)]))
        print(f"written: {path}")
