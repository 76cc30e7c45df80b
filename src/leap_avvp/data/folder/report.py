"""What the check of a data folder found: as text, as a table, as a dict."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from leap_avvp.data.annotations.dirt import Dirt
from leap_avvp.data.folder.feature_files import BadFileError

__all__ = ["FolderReport", "SplitReport"]

_SHOWN = 5


@dataclasses.dataclass
class SplitReport:
    """One split of a folder."""

    split: str
    videos: int
    """In the annotation file."""
    missing: list[str] = dataclasses.field(default_factory=list)
    """A line for each missing file."""
    damaged: list[str] = dataclasses.field(default_factory=list)
    """A line for each damaged file."""
    incomplete: list[str] = dataclasses.field(default_factory=list)
    """Ids of videos with a missing file."""
    unmasked: int = 0
    """Pseudo labels that name an event outside the video's weak label."""
    notes: list[str] = dataclasses.field(default_factory=list)
    """What else is to be told of its files."""

    @property
    def complete(self) -> int:
        """Videos without a missing file."""
        return self.videos - len(self.incomplete)

    def add(self, identity: str, problems: Sequence[BadFileError], outside: int) -> None:
        """Take in one video: its id, what is wrong with its files, its pseudo labels outside the weak label."""
        for problem in problems:
            (self.missing if problem.missing else self.damaged).append(str(problem))
        if any(problem.missing for problem in problems):
            self.incomplete.append(identity)
        self.unmasked += outside


@dataclasses.dataclass
class FolderReport:
    """All that was checked of a folder."""

    root: str
    dirt: Dirt
    splits: list[SplitReport]

    @property
    def missing(self) -> int:
        """Number of missing files."""
        return sum(len(split.missing) for split in self.splits)

    @property
    def damaged(self) -> int:
        """Number of damaged files."""
        return sum(len(split.damaged) for split in self.splits)

    @property
    def ok(self) -> bool:
        """Whether every file is there and sound."""
        return not self.missing and not self.damaged

    def lines(self) -> list[str]:
        """Return the report as plain text."""
        rows = [
            f"{split.split}: {split.videos} videos, {split.complete} complete, {len(split.missing)} files missing, "
            f"{len(split.damaged)} damaged"
            + (f", {split.unmasked} pseudo labels outside the weak label" if split.unmasked else "")
            for split in self.splits
        ]
        return [*rows, *self.notes(), *self.problems(), *self.dirt.lines()]

    def notes(self) -> list[str]:
        """Return what else is to be told of the files."""
        return [f"{split.split}: {note}" for split in self.splits for note in split.notes]

    def problems(self) -> list[str]:
        """Return the missing and damaged files: how many, and the first five of each."""
        rows = []
        for kind in ("missing", "damaged"):
            files = [line for split in self.splits for line in getattr(split, kind)]
            if files:
                more = f" (first {_SHOWN} of {len(files)})" if len(files) > _SHOWN else ""
                rows.append(f"{len(files)} {kind} files{more}: " + "; ".join(files[:_SHOWN]))
        return rows

    def table(self, reword: Callable[[str], str] = str) -> Group:
        """Return the report for the terminal.

        Args:
            reword: puts the hints of problems, which name settings of a config, into a command's own words.
        """
        # Text, not str: rich would read square brackets in a path as its own markup.
        files = Table(title=Text(self.root), title_justify="left")
        for heading in ("split", "videos", "complete", "files missing", "files damaged", "pseudo labels outside weak"):
            files.add_column(heading, justify="left" if heading == "split" else "right")
        for split in self.splits:
            numbers = (split.videos, split.complete, len(split.missing), len(split.damaged), split.unmasked)
            files.add_row(split.split, *(f"{number:,}" for number in numbers))
        verdict = Text("every file is there and sound" if self.ok else "\n".join(map(reword, self.problems())))
        notes = [Text(note) for note in self.notes()]
        if self.dirt.simulated:
            return Group(files, *notes, *(Text(f"annotations: {line}") for line in self.dirt.lines()), verdict)
        dirt = Table(
            title="known dirt of the annotation files (none of it stops a run)",
            title_justify="left",
            caption_justify="left",
        )
        dirt.add_column("what")
        dirt.add_column("count", justify="right")
        dirt.add_column("first")
        for what, number in self.dirt.counts.items():
            dirt.add_row(what, str(number), Text(self.dirt.examples.get(what, "")))
        rows = "".join(f", {number:,} {modality} rows" for modality, number in self.dirt.rows.items())
        dirt.caption = f"audio annotation file: {self.dirt.audio_version}{rows}"
        return Group(files, *notes, dirt, verdict)

    def to_dict(self) -> dict[str, object]:
        """Return plain counts."""
        return {
            "audio_annotation_file": self.dirt.audio_version,
            "annotation_rows": dict(self.dirt.rows),
            "dirt": dict(self.dirt.counts),
            "splits": {
                split.split: {
                    "videos": split.videos,
                    "complete": split.complete,
                    "missing_files": len(split.missing),
                    "damaged_files": len(split.damaged),
                    "pseudo_labels_outside_weak": split.unmasked,
                }
                for split in self.splits
            },
        }
