"""A timeline on the terminal: a bar for each class that is heard or seen, a column for each segment or for several."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from leap_avvp.timeline.result import MODALITIES, VERBS, Timeline, clock, printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

__all__ = ["TimelineTable"]

_STYLES = {"audio": "cyan", "visual": "yellow"}
_BLOCKS, _NONE, _UNKNOWN = "▁▂▃▄▅▆▇█", "·", "?"
_PLAIN_BLOCKS, _PLAIN_NONE = "#", "."  # of a terminal without Unicode
_WIDEST_CELL = 6
_WIDEST_NAME = 24
_LEAST_BAR = 10
_TICK_GAP = 2
_MULTIPLES = (1, 2, 5, 10, 15, 20, 30, 60)
# How many segments a column or the space between two times may hold: round numbers of seconds, minutes and hours.
_ROUND = (*_MULTIPLES, *(60 * number for number in _MULTIPLES[1:]), *(3600 * number for number in range(2, 1000)))


@dataclasses.dataclass(frozen=True)
class TimelineTable:
    """A renderable: ``rich.print(TimelineTable(timeline))``.

    A block stands where there is an event, its height the probability; a dot where there is none; a question mark where
    nothing was judged. Colour says nothing that the words beside it do not say: without it (``NO_COLOR``, a file) the
    table reads the same. Where a video has more segments than the terminal columns, a column shows several, and the
    block is the lower the fewer of them hold the event.
    """

    timeline: Timeline
    limit: int = 40
    """Rows, at most."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines for a terminal."""
        timeline, ascii_only = self.timeline, options.ascii_only
        rows = timeline.shown()[: self.limit]
        names = [timeline.label(index) for index, _ in rows]
        widest = max(8, min(_WIDEST_NAME, options.max_width // 3))
        width = min(max(map(cell_len, names), default=0), widest)
        head = width + 2 + max(map(len, VERBS.values())) + 2  # name, verb, two blanks behind each
        room = max(_LEAST_BAR, options.max_width - head - 5)  # and the highest probability
        together = next((number for number in _ROUND if number * room >= timeline.segments), timeline.segments)
        columns = -(-timeline.segments // together)
        cell = max(1, min(_WIDEST_CELL, room // columns))
        yield self._title(ascii_only)
        if not timeline.events():
            yield Text("Nothing is heard or seen surely enough; below is what is likeliest.", style="bold")
        yield Text(" " * head + _ruler(timeline, columns, together, cell) + " max", style="dim")
        before = None
        for (index, modality), name in zip(rows, names, strict=True):
            shown = name if index != before else ""
            line = Text()
            line.append(set_cell_size(_shortened(shown, width, ascii_only), width) + "  ", style="bold")
            line.append(f"{VERBS[modality]:<5}  ", style=_STYLES[modality])
            line.append_text(_bar(timeline, index, modality, together, cell, ascii_only))
            yield line
            before = index
        yield from self._words(rows, together, ascii_only)

    def _title(self, ascii_only: bool) -> Text:
        timeline = self.timeline
        line = Text().append(printable(timeline.name), style="bold")
        line.append(f"  {clock(timeline.duration)}, {printable(timeline.model)}")
        return _plain(line, ascii_only)

    def _words(self, rows: list[tuple[int, str]], together: int, ascii_only: bool) -> Iterator[Text]:
        timeline = self.timeline
        key = f"{_PLAIN_BLOCKS} event, {_PLAIN_NONE} none"
        if not ascii_only:
            key = f"{_BLOCKS[0]} to {_BLOCKS[-1]} event by its probability, {_NONE} none"
        if any(np.isnan(timeline.probability(modality)[:, index]).any() for index, modality in rows):
            key += f", {_UNKNOWN} not judged"
        each = timeline.seconds * together
        yield Text(f"{key}; a column is {each:g} s" + (f" ({together} segments)" if together > 1 else ""), style="dim")
        left = sum(timeline.on(modality)[:, index].any() for index, modality in timeline.shown()[self.limit :])
        if left:
            yield Text(f"{left} more rows with events are left out")
        for line in _not_judged(timeline):
            yield _plain(Text(line), ascii_only)
        for note in timeline.notes:
            yield _plain(Text(printable(note)), ascii_only)
        if timeline.caution:
            yield Text(timeline.caution[:1].upper() + timeline.caution[1:] + ".", style="bold")


def _not_judged(timeline: Timeline) -> Iterator[str]:
    """Say which classes were judged in no segment."""
    for modality in MODALITIES:
        without = [index for index in range(len(timeline.classes)) if not timeline.judged(index, modality)]
        how = "by ear" if modality == "audio" else "by eye"
        if len(without) == len(timeline.classes):
            yield f"Not judged {how}: any class."
        elif without:
            yield f"Not judged {how}: {', '.join(map(timeline.label, without))}."


def _bar(timeline: Timeline, index: int, modality: str, together: int, cell: int, ascii_only: bool) -> Text:
    """Return the bar of a row, and behind it the highest probability."""
    values, on = timeline.probability(modality)[:, index], timeline.on(modality)[:, index]
    columns = -(-len(values) // together)
    bar = Text()
    if np.isnan(values).all():
        words = "not judged" if columns * cell >= len("not judged") else _UNKNOWN * columns * cell
        return bar.append(words, style="dim italic")
    for column in range(columns):
        part = slice(column * together, (column + 1) * together)
        bar.append(
            _sign(values[part], on[part], ascii_only) * cell, style="" if not on[part].any() else _STYLES[modality]
        )
    highest = timeline.highest(index, modality)
    return bar.append(f" {highest:.2f}", style="dim" if not on.any() else "")


def _sign(values: NDArray[np.float32], on: NDArray[np.bool_], ascii_only: bool) -> str:
    if on.any():
        blocks = _PLAIN_BLOCKS if ascii_only else _BLOCKS
        height = float(values[on].sum()) / np.count_nonzero(~np.isnan(values))
        return blocks[min(len(blocks), max(1, math.ceil(height * len(blocks)))) - 1]
    if np.isnan(values).all():
        return _UNKNOWN
    return _PLAIN_NONE if ascii_only else _NONE


def _ruler(timeline: Timeline, columns: int, together: int, cell: int) -> str:
    """Return the times that stand above the bars, each at the column where it begins."""
    width = columns * cell
    text = [" "] * width
    each = timeline.seconds * together
    digits = 0 if float(each).is_integer() else 1
    longest = len(clock(columns * each, digits)) + _TICK_GAP
    steps = (number // together for number in _ROUND if number % together == 0)
    for column in range(0, columns, next((step for step in steps if step * cell >= longest), columns)):
        label = clock(column * each, digits)
        if column * cell + len(label) <= width:
            text[column * cell : column * cell + len(label)] = label
    return "".join(text)


def _shortened(name: str, width: int, ascii_only: bool) -> str:
    if cell_len(name) > width:
        name = set_cell_size(name, width - (3 if ascii_only else 1)).rstrip() + ("..." if ascii_only else "…")
    return name.encode("ascii", "replace").decode() if ascii_only else name


def _plain(line: Text, ascii_only: bool) -> Text:
    if ascii_only:
        line.plain = line.plain.encode("ascii", "replace").decode()
    return line
