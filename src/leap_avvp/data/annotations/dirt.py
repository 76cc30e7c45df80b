"""What is irregular in LLP's annotation files, counted: none of it stops a run, all of it is told."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from leap_avvp.data.annotations.rows import DenseRow, WeakRow

__all__ = ["Dirt", "count_dirt"]

_AUDIO_VERSIONS = {134_355: "corrected", 134_360: "older, with another truth for two test videos"}


@dataclasses.dataclass(frozen=True)
class Dirt:
    """What is irregular in a set of annotation files."""

    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    """What, and how often; kinds that were looked for and not found are there with 0."""
    examples: dict[str, str] = dataclasses.field(default_factory=dict)
    """The first of each kind."""
    audio_version: str = "not read"
    """Which of the two circulating versions of the audio file this is, told by its size."""
    rows: dict[str, int] = dataclasses.field(default_factory=dict)
    """Rows of the dense files, by modality."""
    simulated: bool = False
    """Whether the videos are simulated: nothing is then said of how their files differ from those of LLP."""

    def lines(self) -> list[str]:
        """Return the version, the rows, and one line for each kind that occurs; of simulated videos one line in all."""
        if self.simulated:
            return ["of SIMULATED videos, not comparable with LLP"]
        read = [f"{modality} rows: {number:,}" for modality, number in self.rows.items()]
        found = [
            f"{what}: {number}" + (f" (first: {self.examples[what]})" if what in self.examples else "")
            for what, number in self.counts.items()
            if number
        ]
        return [f"audio annotation file: {self.audio_version}", *read, *found]


def count_dirt(
    weak: Mapping[str, Sequence[WeakRow]], dense: Mapping[str, Sequence[DenseRow]], audio_bytes: int | None = None
) -> Dirt:
    """Count what is irregular.

    Args:
        weak: rows by split.
        dense: rows by modality; empty where only the training split is read.
        audio_bytes: size of the audio file, which tells its version.
    """
    found: dict[str, list[str]] = {
        "weak rows that repeat a class": [
            row.name for rows in weak.values() for row in rows if len(set(row.events)) < len(row.events)
        ]
    }
    names = {split: [row.name for row in rows] for split, rows in weak.items()}
    for modality, rows in dense.items():
        found |= _in_modality(modality, rows, names)
    if dense:
        named = {(row.name, row.event) for rows in dense.values() for row in rows}
        for split in ("val", "test"):
            if split in weak:
                found[f"{split} videos whose weak and dense classes differ"] = _disagreeing(weak[split], named)
    version = "not read"
    if audio_bytes is not None:
        version = f"{_AUDIO_VERSIONS.get(audio_bytes, 'not one of the two that circulate')} ({audio_bytes:,} bytes)"
    return Dirt(
        counts={what: len(cases) for what, cases in found.items()},
        examples={what: cases[0] for what, cases in found.items() if cases},
        audio_version=version,
        rows={modality: len(rows) for modality, rows in dense.items()},
    )


def _in_modality(modality: str, rows: Sequence[DenseRow], names: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the irregular cases among the rows of a modality; ``names`` are the videos of the splits read."""
    repeats = [row.name for row, times in Counter(rows).items() for _ in range(times - 1)]
    unordered = [f"{row.name} {row.onset} -> {row.offset}" for row in rows if row.onset >= row.offset]
    there = dict.fromkeys(row.name for row in rows)  # a set in the order of the file
    found = {
        f"{modality} rows that repeat another exactly": repeats,
        f"{modality} pairs of overlapping rows of one class": _overlapping(rows),
        f"{modality} rows with onset >= offset, which mark nothing": unordered,
    }
    if {"val", "test"} <= names.keys():  # the rows of a split that was not read would all be strays
        known = set(itertools.chain.from_iterable(names.values()))
        found[f"{modality} file names that are in no split"] = [name for name in there if name not in known]
    for split in ("val", "test"):
        if split in names:
            found[f"{split} videos without {modality} rows"] = [name for name in names[split] if name not in there]
    return found


def _overlapping(rows: Iterable[DenseRow]) -> list[str]:
    """Return neighbours, in order of onset, of one video and class that share a second; repeats are among them."""
    ordered = sorted(rows, key=lambda row: (row.name, row.event, row.onset, row.offset))
    return [
        f"{one.name} {one.onset}-{one.offset} and {following.onset}-{following.offset}"
        for one, following in itertools.pairwise(ordered)
        if (one.name, one.event) == (following.name, following.event) and following.onset < one.offset
    ]


def _disagreeing(rows: Iterable[WeakRow], named: set[tuple[str, int]]) -> list[str]:
    """Return videos whose weak classes are not those that dense rows name, also by rows whose times mark nothing."""
    events: dict[str, set[int]] = {}
    for name, event in named:
        events.setdefault(name, set()).add(event)
    return [row.name for row in rows if set(row.events) != events.get(row.name, set())]
