"""The rows of annotation files, as they stand there, each one checked."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import math
import re
import reprlib
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from leap_avvp.card import LLP, DataCard
from leap_avvp.data.annotations.versions import MISNAMED
from leap_avvp.errors import DataError, nearest
from leap_avvp.files.links import absence, link_refusal, pointer

__all__ = [
    "DenseRow",
    "WeakRow",
    "is_filename",
    "read_dense_names",
    "read_dense_rows",
    "read_weak_names",
    "read_weak_rows",
]

# Of LLP. The id becomes a file name, so nothing but YouTube's own alphabet may stand in it.
_FILENAME = re.compile(r"[A-Za-z0-9_-]{11}_[0-9]+(\.[0-9]+)?_[0-9]+(\.[0-9]+)?")
# Five names of the real dense files have a shortened id. They are in no split, so no file is ever named after them.
_DENSE_NAME = re.compile(r"[A-Za-z0-9_-]{1,11}_[0-9]+(\.[0-9]+)?_[0-9]+(\.[0-9]+)?")
# Of other data the whole name becomes a file name, on any system.
_SAFE_NAME = re.compile(r"(?![. ])[^/\\:*?\"<>|\0-\x1f\x7f]{1,200}(?<![. ])")
_WHOLE_SECOND = re.compile(r"[0-9]+(\.0+)?")
_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
_TOLERANCE = 1e-3
_LONGEST_NAME = 200  # bytes: with .npy behind it a file name has 255
_SHOWN = 30

_SUBFOLDERS = ("annotations", "data")  # of the data folder, where the files may lie
_MOST_BYTES = 2**26  # the largest of the real files has half a million

_ANY = dataclasses.replace(LLP, ids="filename")  # of which nothing but the way of separating is read
_short = reprlib.Repr()
_short.maxstring = 60  # a damaged file may hold one "name" of a hundred thousand characters


@dataclasses.dataclass(frozen=True)
class WeakRow:
    """Which events occur somewhere in a video."""

    name: str
    """Of LLP ``<11-character id>_<start>_<end>``."""
    events: tuple[int, ...]
    """Class ids in the order of the file; one may stand there twice."""


@dataclasses.dataclass(frozen=True)
class DenseRow:
    """An event from segment ``onset`` up to, not including, ``offset``; it marks nothing if they are not in order."""

    name: str
    onset: int
    offset: int
    event: int
    """Class id."""


def is_filename(name: str, card: DataCard = LLP) -> bool:
    """Say whether ``name`` is safe as a file name: of LLP ``<11-character YouTube id>_<start>_<end>``."""
    pattern = _FILENAME if card.ids == "llp" else _SAFE_NAME
    return pattern.fullmatch(name) is not None and len(name.encode()) <= _LONGEST_NAME


def read_weak_rows(path: Path, link_store: Path | None = None, card: DataCard = LLP) -> list[WeakRow]:
    """Read the videos of a split.

    Args:
        path: the file. A link that leads out of the data folder is refused.
        link_store: a trusted folder that it may lead into all the same.
        card: classes, ids and separators: LLP's files have tabs, others may have commas or semicolons, too.

    Raises:
        DataError: naming the file, the line, what was expected and what was found.
    """
    rows: list[WeakRow] = []
    seen: dict[str, int] = {}
    known = {name: index for index, name in enumerate(card.classes)}
    for line, (name, events) in _table(path, ("filename", "event_labels"), link_store, card):
        if not is_filename(name, card):
            raise _name_error(path, line, name, card)
        identity = card.video_id(name)
        first = seen.setdefault(identity, line)
        if first != line:
            raise DataError(
                f"{path}:{line}: expected each video once, found {identity} in line {first} too; remove one"
            )
        named = events.split(",") if events or card.ids == "llp" else []  # LLP has no video without an event
        rows.append(WeakRow(name, tuple(_class(event.strip(), known, path, line) for event in named)))
    if not rows:
        raise DataError(f"{path}: expected at least one video, found only a header; copy the file again")
    return rows


def read_dense_rows(path: Path, link_store: Path | None = None, card: DataCard = LLP) -> list[DenseRow]:
    """Read the events of one modality.

    Times are seconds. LLP's are whole; of other data an onset is rounded down to the segment in which it lies, and an
    offset up to the end of its segment: a segment holds an event that fills a part of it.

    Args:
        path: see :func:`read_weak_rows`.
        link_store: likewise.
        card: likewise.

    Raises:
        DataError: naming the file, the line, what was expected and what was found.
    """
    rows: list[DenseRow] = []
    known = {name: index for index, name in enumerate(card.classes)}
    columns = ("filename", "onset", "offset", "event_labels")
    for line, (name, onset, offset, event) in _table(path, columns, link_store, card):
        known_name = _DENSE_NAME.fullmatch(name) or name in MISNAMED if card.ids == "llp" else is_filename(name, card)
        if not known_name:
            raise _name_error(path, line, name, card)
        start = _segment(onset, "onset", path, line, card)
        end = _segment(offset, "offset", path, line, card)
        rows.append(DenseRow(name, start, end, _class(event, known, path, line)))
    return rows


def read_weak_names(path: Path) -> set[str]:
    """Return the names of the classes in a file of weak labels, whatever they are.

    Raises:
        DataError: naming the file, the line, what was expected and what was found.
    """
    rows = list(_table(path, ("filename", "event_labels"), None, _ANY))
    found = {event.strip() for _, (_, events) in rows for event in events.split(",")} - {""}
    if not found:
        raise DataError(f"{path}: expected class names in the column event_labels, found none")
    return found


def read_dense_names(path: Path) -> set[str]:
    """Return the names of the classes in a file of dense labels, whatever they are.

    Raises:
        DataError: naming the file, the line, what was expected and what was found.
    """
    columns = ("filename", "onset", "offset", "event_labels")
    return {event for _, (*_, event) in _table(path, columns, None, _ANY)} - {""}


def _table(
    path: Path, columns: Sequence[str], link_store: Path | None, card: DataCard
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the named columns of a file.

    A BOM, CRLF, more columns and cells in quotes, as a spreadsheet saves them, do no harm.
    """
    text = _text(path, link_store)
    tab = card.ids == "llp" or "\t" in text.partition("\n")[0]
    # Of tabs, quotes are taken off cell by cell: one that is never closed would swallow the rows behind it.
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter="\t" if tab else _separator(text),
        quoting=csv.QUOTE_NONE if tab else csv.QUOTE_MINIMAL,
        strict=not tab,
    )
    try:
        header = [_cell(field) for field in next(reader, [])]
        if not any(header):
            raise DataError(f"{path}: expected a header with {', '.join(columns)}, found an empty file; copy it again")
        for name in columns:
            if name not in header:
                found = f"found {_short.repr(header[0]) if len(header) == 1 else ', '.join(map(_short.repr, header))}"
                separator = "a tab" if card.ids == "llp" else "a tab, a comma or a semicolon"
                hint = f"; the separator must be {separator}" if len(header) == 1 else f"; there is no column {name}"
                raise DataError(f"{path}:1: expected the columns {', '.join(columns)}, {found}{hint}")
            if header.count(name) > 1:
                raise DataError(f"{path}:1: expected one column {name}, found {header.count(name)}; remove the others")
        places = [header.index(name) for name in columns]
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            # A field without a heading is one tab too many, or a label that would be lost.
            if len(fields) <= max(places) or any(field.strip() for field in fields[len(header) :]):
                raise DataError(
                    f"{path}:{reader.line_num}: expected {len(header)} fields separated by "
                    f"{'tabs' if tab else repr(_separator(text))}, found {len(fields)}; mend the line"
                    f"{' or copy the file again' if tab else ', or put a field with separators into quotes'}"
                )
            yield reader.line_num, [_cell(fields[place]) for place in places]
    except csv.Error as error:
        raise DataError(
            f"{path}:{reader.line_num}: expected {'tab-separated' if tab else 'separated'} text, found {error}"
        ) from error


def _separator(text: str) -> str:
    header = text.partition("\n")[0]
    return ";" if header.count(";") > header.count(",") else ","


def _cell(field: str) -> str:
    """Return what a field holds, without the quotes that a spreadsheet puts around one with a comma."""
    field = field.strip()
    inner = field[1:-1].replace('""', "")
    if len(field) > 1 and field[0] == field[-1] == '"' and '"' not in inner:
        return field[1:-1].replace('""', '"').strip()
    return field


def _text(path: Path, link_store: Path | None) -> str:
    try:
        gone = absence(path)
        if gone:
            hint = "no such file; it is one of the data set's annotation files, copy it there"
            raise DataError(f"{path}: {hint if gone == 'missing' else gone}")
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait forever
            raise DataError(f"{path}: expected tab-separated text, found a folder or a device; copy the file again")
        if path.is_symlink():
            _check_link(path, link_store)
        instead = pointer(path)
        if instead:
            raise DataError(f"{path}: {instead}")
        if status.st_size > _MOST_BYTES:
            raise DataError(f"{path}: expected at most {_MOST_BYTES:,} bytes, found {status.st_size:,}; copy it again")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected tab-separated text, cannot read it ({error}); copy it again") from error


def _check_link(path: Path, link_store: Path | None) -> None:
    """Refuse a link that leads out of the data folder, as those of features are; the folder itself may be a link."""
    folders = [path.parent, *([path.parent.parent] if path.parent.name in _SUBFOLDERS else [])]
    refusal = link_refusal(path, folders if link_store is None else [link_store, *folders])
    if refusal:
        raise DataError(f"{path}: {refusal}")


def _name_error(path: Path, line: int, name: str, card: DataCard) -> DataError:
    what = 'that can name a file, without / \\ : * ? " < > |'
    if card.ids == "llp":
        what = "<id>_<start>_<end> whose id is 11 of the characters A-Z a-z 0-9 _ -"
    return DataError(f"{path}:{line}: expected a filename {what}, found {_short.repr(name)}; mend or remove the line")


def _class(name: str, known: Mapping[str, int], path: Path, line: int) -> int:
    if name not in known:
        near = nearest(name, known, limit=1) if len(name) < 100 else []
        listed = ", ".join(itertools.islice(known, _SHOWN)) + (", ..." if len(known) > _SHOWN else "")
        hint = f"; did you mean {near[0]}?" if near else f"; the classes are {listed}"
        whose = "LLP's 25 classes" if tuple(known) == LLP.classes else f"the card's {len(known)} classes"
        raise DataError(f"{path}:{line}: expected one of {whose}, found {_short.repr(name)}{hint}")
    return known[name]


def _segment(text: str, column: str, path: Path, line: int, card: DataCard) -> int:
    """Return the segment that a time begins or ends at."""
    short = len(text) <= 20
    if card.is_llp:
        if not short or not _WHOLE_SECOND.fullmatch(text) or float(text) > card.segments:
            raise _time_error(f"a whole second from 0 to {card.segments}", text, column, path, line)
        return int(float(text))
    seconds = float(text) if short and _SECONDS.fullmatch(text) else math.nan
    # Ends are often rounded in the last digit, so a millisecond beyond the end, or into a segment, is none.
    if not -_TOLERANCE <= seconds <= card.duration + _TOLERANCE:
        raise _time_error(f"seconds from 0 to {card.duration:g}, the end of the video", text, column, path, line)
    place = seconds / card.seconds
    near = min(_TOLERANCE / card.seconds, 0.1)
    rounded = math.floor(place + near) if column == "onset" else math.ceil(place - near)
    return min(max(rounded, 0), card.segments)


def _time_error(expected: str, text: str, column: str, path: Path, line: int) -> DataError:
    found = _short.repr(text)
    return DataError(f"{path}:{line}: {column}: expected {expected}, found {found}; mend or remove the line")
