"""Which clips are meant: by a file, a folder, or a list of names with or without the seconds to cut out."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from leap_avvp.errors import DataError, nearest
from leap_avvp.files.links import absence
from leap_avvp.media.decode import Clip, stated_duration

__all__ = ["LISTS", "SUFFIXES", "Listing", "find_clips", "read_clips"]

_PICTURES = "3gp asf avi f4v flv gif m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv"
_SOUNDS = "aac ac3 aif aiff amr au caf flac m4a mka mp2 mp3 oga ogg opus wav weba wma"
SUFFIXES = frozenset(f".{ending}" for ending in f"{_PICTURES} {_SOUNDS}".split())
"""Endings of files, in small letters, that are taken from a folder; a single file may have any."""
LISTS = (".csv", ".tsv", ".txt")
"""Endings of lists of names."""
_MOST_BYTES = 2**26
_SHOWN = 5
_ALREADY_CUT = 0.5  # seconds that a file may be longer than the stretch named, and still be that stretch
_STRETCH = re.compile(r"(?P<id>.+)_(?P<start>[0-9]+(\.[0-9]+)?)_(?P<end>[0-9]+(\.[0-9]+)?)")
# Names of videos become names of feature files, on any system.
_SAFE_NAME = re.compile(r"(?![. ])[^/\\:*?\"<>|\0-\x1f\x7f]{1,200}(?<![. ])")


@dataclasses.dataclass(frozen=True)
class Listing:
    """The clips that were found, in order, and the names for which there is none."""

    clips: tuple[Clip, ...]
    missing: Mapping[str, str]
    """By name: why."""


def read_clips(source: Path, folder: Path | None = None) -> list[Clip]:
    """Return the clips of a file, a folder or a list, all of them there: see :func:`find_clips`.

    Raises:
        DataError: as :func:`find_clips`, and where a clip of the list has no file.
    """
    listing = find_clips(source, folder)
    if listing.missing:
        shown = "; ".join(f"{name}: {why}" for name, why in list(listing.missing.items())[:_SHOWN])
        more = len(listing.missing) - _SHOWN
        raise DataError(
            f"{source}: {len(listing.missing)} of {len(listing.missing) + len(listing.clips)} clips have no file in "
            f"{source.parent if folder is None else folder}: {shown}" + (f"; and {more} more" if more > 0 else "")
        )
    return list(listing.clips)


def find_clips(source: Path, folder: Path | None = None) -> Listing:
    """Find the clips that ``source`` names.

    Args:
        source: a media file: that file, named without its ending. A folder: every file in it, not in folders below,
            that ends like a medium (:data:`SUFFIXES`), by name. A list (:data:`LISTS`), separated by tabs or commas: a
            row a clip, with the columns ``filename`` and, for a stretch of a file, ``onset`` and ``offset`` in seconds
            (both empty: the whole file); other columns are not looked at.
        folder: where the files of a list lie; None: beside it.

    A row with ``onset`` and ``offset`` is named ``<filename>_<onset>_<offset>``. A ``filename`` is looked for as
    FOLDER/<filename>, then FOLDER/<filename>.* with one of :data:`SUFFIXES`, which is taken whole; a name of LLP's form
    ``<id>_<start>_<end>`` for which there is none as FOLDER/<id>.*, out of which these seconds are cut, unless the file
    is no longer than they are and they do not begin at 0: then it was cut before, as those of LLP's authors are.

    Raises:
        DataError: nothing is there; a list without such columns, of single events (``onset``, ``offset`` and
            ``event_labels``), with a name twice, or with one that cannot be a file name.
    """
    source = Path(source)
    missing = _absence(source)
    if missing is not None:
        raise DataError(f"{source}: {missing}")
    if source.is_dir():
        return Listing(tuple(_of_folder(source)), {})
    if source.suffix.lower() not in LISTS:
        return Listing((Clip(source, name=source.stem),), {})
    folder = source.parent if folder is None else Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: expected the folder with the files of {source}, found none")
    return _of_list(source, folder)


def _absence(path: Path) -> str | None:
    try:
        return absence(path)
    except OSError as error:
        return f"cannot be opened: {error.strerror}"


def _of_folder(folder: Path) -> list[Clip]:
    paths = sorted(
        (path for path in _files(folder) if path.suffix.lower() in SUFFIXES), key=lambda path: (path.stem, path.suffix)
    )
    if not paths:
        raise DataError(
            f"{folder}: expected media files in it, found none that ends like one ({', '.join(sorted(SUFFIXES)[:6])}, "
            "...); folders in it are not entered"
        )
    for before, path in itertools.pairwise(paths):
        if before.stem == path.stem:
            raise DataError(f"{folder}: expected each name once, found {before.name} and {path.name}; move one away")
    return [Clip(path, name=path.stem) for path in paths]


def _files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [folder / entry.name for entry in entries if not entry.name.startswith(".") and not entry.is_dir()]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error


@dataclasses.dataclass(frozen=True)
class _Row:
    line: int
    name: str
    filename: str
    stretch: tuple[float, float] | None


class _NoFileError(Exception):
    """Why there is no file for a row."""


def _of_list(source: Path, folder: Path) -> Listing:
    names: dict[str, Path] = {}
    stems: dict[str, list[Path]] = {}
    rows = _rows(source)
    for path in sorted(_files(folder)):
        names[path.name] = path
        if path.suffix.lower() in SUFFIXES:  # what else lies there, such as subtitles, is another's
            stems.setdefault(path.stem, []).append(path)
    clips: list[Clip] = []
    missing: dict[str, str] = {}
    for row in rows:
        try:
            clips.append(_find(row, names, stems))
        except _NoFileError as error:
            missing[row.name] = str(error)
    return Listing(tuple(clips), missing)


def _find(row: _Row, names: Mapping[str, Path], stems: Mapping[str, Sequence[Path]]) -> Clip:
    whole = names.get(row.filename) or _one(stems.get(row.filename, []))
    if whole is not None:
        start, end = row.stretch or (0.0, None)
        return Clip(whole, start, end, row.name)
    parts = None if row.stretch is not None else _STRETCH.fullmatch(row.filename)
    cut = None if parts is None else _one(stems.get(parts["id"], []))
    if parts is None or cut is None:
        other = "" if parts is None else f" or {parts['id']}.*"
        raise _NoFileError(f"no file {row.filename}.*{other}")
    start, end = float(parts["start"]), float(parts["end"])
    if start >= end:
        raise _NoFileError(f"expected start < end in its name, found {parts['start']} and {parts['end']}")
    if start > 0 and _length(cut) <= end - start + _ALREADY_CUT:
        return Clip(cut, name=row.name)
    return Clip(cut, start, end, row.name)


def _one(paths: Sequence[Path]) -> Path | None:
    if len(paths) > 1:
        found = ", ".join(path.name for path in paths)
        raise _NoFileError(f"expected one file, found {found}; move all but one away")
    return paths[0] if paths else None


def _length(path: Path) -> float:
    try:
        return stated_duration(path)
    except DataError:  # told when the file is to be decoded
        return float("inf")


def _rows(source: Path) -> list[_Row]:
    try:
        if source.stat().st_size > _MOST_BYTES:
            raise DataError(f"{source}: expected a list of clips of at most {_MOST_BYTES:,} bytes, found more")
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{source}: expected a list of clips as text (UTF-8), found none: {error}") from error
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in head else ",", restkey="")
    columns = [column.strip() for column in reader.fieldnames or []]
    reader.fieldnames = columns
    if "filename" not in columns:
        near = nearest("filename", columns, limit=1)
        hint = f"; is {near[0]!r} meant?" if near else ""
        raise DataError(f"{source}: expected a column `filename` in its first line, found {head.strip()[:80]!r}{hint}")
    if ("onset" in columns) != ("offset" in columns):
        raise DataError(f"{source}: expected both columns `onset` and `offset`, or neither, found one")
    if {"onset", "event_labels"} <= set(columns):
        raise DataError(
            f"{source}: expected a row for each clip, found one for each event (`onset`, `offset` and `event_labels`, "
            "dense labels); give the file of weak labels, or leave `event_labels` out to cut clips"
        )
    rows: list[_Row] = []
    seen: dict[str, int] = {}
    try:
        for fields in reader:
            row = _row(source, reader.line_num, fields)
            if row.name in seen:
                raise DataError(
                    f"{source}: line {row.line}: expected each clip once, found {row.name!r} again after line "
                    f"{seen[row.name]}"
                )
            seen[row.name] = row.line
            rows.append(row)
    except csv.Error as error:
        raise DataError(f"{source}: line {reader.line_num}: {error}") from error
    if not rows:
        raise DataError(f"{source}: expected a row for each clip, found none")
    return rows


def _row(source: Path, line: int, fields: Mapping[str, str | None]) -> _Row:
    filename = (fields.get("filename") or "").strip()
    bare, suffix = os.path.splitext(filename)
    name = bare if suffix.lower() in SUFFIXES else filename
    if not _SAFE_NAME.fullmatch(filename) or len(filename.encode()) > 200:
        raise DataError(f"{source}: line {line}: expected a file name without folders, found {filename[:60]!r}")
    texts = [(fields.get(column) or "").strip() for column in ("onset", "offset")]
    if not any(texts):
        return _Row(line, name, filename, None)
    try:
        onset, offset = map(float, texts)
    except ValueError:
        onset, offset = 0.0, 0.0
    if not 0 <= onset < offset < float("inf"):
        raise DataError(
            f"{source}: line {line}: expected 0 <= onset < offset in seconds, found {texts[0]!r}, {texts[1]!r}"
        )
    return _Row(line, f"{name}_{onset:.12g}_{offset:.12g}", filename, (onset, offset))
