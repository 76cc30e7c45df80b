"""The rows of LLP's annotation files, as they stand there, each one checked."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import reprlib
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from leap_avvp.errors import DataError, nearest
from leap_avvp.files.links import absence, link_refusal, pointer
from leap_avvp.llp import CLASSES, NUM_SEGMENTS, video_id

__all__ = ["DenseRow", "WeakRow", "is_filename", "read_dense_rows", "read_weak_rows"]

_CLASS_ID = {name: index for index, name in enumerate(CLASSES)}
# The id becomes a file name, so nothing but YouTube's own alphabet may stand in it.
_FILENAME = re.compile(r"[A-Za-z0-9_-]{11}_[0-9]+(\.[0-9]+)?_[0-9]+(\.[0-9]+)?")
# Five names of the real dense files have a shortened id. They are in no split, so no file is ever named after them.
_DENSE_NAME = re.compile(r"[A-Za-z0-9_-]{1,11}_[0-9]+(\.[0-9]+)?_[0-9]+(\.[0-9]+)?")
_WHOLE_SECOND = re.compile(r"[0-9]+(\.0+)?")

_SUBFOLDERS = ("annotations", "data")  # of the data folder, where the files may lie
_MOST_BYTES = 2**26  # the largest of the real files has half a million

_short = reprlib.Repr()
_short.maxstring = 60  # a damaged file may hold one "name" of a hundred thousand characters


@dataclasses.dataclass(frozen=True)
class WeakRow:
    """Which events occur somewhere in a video."""

    name: str
    """``<11-character id>_<start>_<end>``."""
    events: tuple[int, ...]
    """Class ids in the order of the file; one may stand there twice."""


@dataclasses.dataclass(frozen=True)
class DenseRow:
    """An event from second ``onset`` up to, not including, ``offset``; it marks nothing if they are not in order."""

    name: str
    onset: int
    offset: int
    event: int
    """Class id."""


def is_filename(name: str) -> bool:
    """Say whether ``name`` is ``<11-character YouTube id>_<start>_<end>``, hence safe as the start of a file name."""
    return _FILENAME.fullmatch(name) is not None


def read_weak_rows(path: Path, link_store: Path | None = None) -> list[WeakRow]:
    """Read the videos of a split.

    Args:
        path: the file. A link that leads out of the data folder is refused.
        link_store: a trusted folder that it may lead into all the same.

    Raises:
        DataError: naming the file, the line, what was expected and what was found.
    """
    rows: list[WeakRow] = []
    seen: dict[str, int] = {}
    for line, (name, events) in _table(path, ("filename", "event_labels"), link_store):
        if not is_filename(name):
            raise _name_error(path, line, name)
        first = seen.setdefault(video_id(name), line)
        if first != line:
            raise DataError(
                f"{path}:{line}: expected each video once, found {video_id(name)} in line {first} too; remove one"
            )
        rows.append(WeakRow(name, tuple(_class(event.strip(), path, line) for event in events.split(","))))
    if not rows:
        raise DataError(f"{path}: expected at least one video, found only a header; copy the file again")
    return rows


def read_dense_rows(path: Path, link_store: Path | None = None) -> list[DenseRow]:
    """Read the events of one modality.

    Args:
        path: see :func:`read_weak_rows`.
        link_store: likewise.

    Raises:
        DataError: naming the file, the line, what was expected and what was found.
    """
    rows: list[DenseRow] = []
    for line, (name, onset, offset, event) in _table(path, ("filename", "onset", "offset", "event_labels"), link_store):
        if not _DENSE_NAME.fullmatch(name):
            raise _name_error(path, line, name)
        start, end = _second(onset, "onset", path, line), _second(offset, "offset", path, line)
        rows.append(DenseRow(name, start, end, _class(event, path, line)))
    return rows


def _table(path: Path, columns: Sequence[str], link_store: Path | None) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the named columns of a tab-separated file.

    A BOM, CRLF, more columns and cells in quotes, as a spreadsheet saves them, do no harm.
    """
    text = _text(path, link_store)
    # Quotes are taken off cell by cell: a quote that is never closed would otherwise swallow the rows behind it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    try:
        header = [_cell(field) for field in next(reader, [])]
        if not any(header):
            raise DataError(f"{path}: expected a header with {', '.join(columns)}, found an empty file; copy it again")
        for name in columns:
            if name not in header:
                found = f"found {_short.repr(header[0]) if len(header) == 1 else ', '.join(map(_short.repr, header))}"
                hint = "; the separator must be a tab" if len(header) == 1 else f"; there is no column {name}"
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
                    f"{path}:{reader.line_num}: expected {len(header)} fields separated by tabs, found {len(fields)}; "
                    "mend the line or copy the file again"
                )
            yield reader.line_num, [_cell(fields[place]) for place in places]
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: expected tab-separated text, found {error}") from error


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
            hint = "no such file; it is one of LLP's annotation files, copy it there"
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


def _name_error(path: Path, line: int, name: str) -> DataError:
    return DataError(
        f"{path}:{line}: expected a filename <id>_<start>_<end> whose id is 11 of the characters A-Z a-z 0-9 _ -, "
        f"found {_short.repr(name)}; mend or remove the line"
    )


def _class(name: str, path: Path, line: int) -> int:
    if name not in _CLASS_ID:
        near = nearest(name, CLASSES, limit=1) if len(name) < 100 else []
        hint = f"; did you mean {near[0]}?" if near else f"; the classes are {', '.join(CLASSES)}"
        raise DataError(f"{path}:{line}: expected one of LLP's 25 classes, found {_short.repr(name)}{hint}")
    return _CLASS_ID[name]


def _second(text: str, column: str, path: Path, line: int) -> int:
    if not _WHOLE_SECOND.fullmatch(text) or len(text) > 20 or float(text) > NUM_SEGMENTS:
        raise DataError(
            f"{path}:{line}: {column}: expected a whole second from 0 to {NUM_SEGMENTS}, found {_short.repr(text)}; "
            "mend or remove the line"
        )
    return int(float(text))
