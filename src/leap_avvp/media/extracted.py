"""What a folder of files made of videos says of itself: a record, and notes that a killed run leaves."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.files import unwritable, write_json
from leap_avvp.media.weights import Hub, find, weight_named

__all__ = ["NOTES", "Notebook", "Record", "by_kind", "versions", "weight_hashes"]

NOTES = ".notes.jsonl"
"""Notes of videos that are not in the record yet."""
_CHANGING = ("streams", "versions", "rules", "notes")  # of a record; they may differ, or are compared apart
_PACKAGES = ("leap-avvp", "av", "numpy", "pillow", "soxr", "torch", "torchvision", "transformers")
_MOST_BYTES = 2**28
_HOW = "use another --out, or --overwrite to make the files of these videos again"


class Record:
    """What ``extracted.json`` holds, or another file of that form: how the files beside it are made."""

    def __init__(self, path: Path, content: dict[str, Any] | None = None) -> None:
        self.path = path
        self.content: dict[str, Any] = content or {}

    @classmethod
    def read(cls, path: Path) -> Record:
        """Return that of a file; an empty one where there is none.

        Raises:
            DataError: it is damaged.
        """
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise ValueError("too large")
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{path}: expected what leap-avvp wrote, cannot read it ({error}); remove it") from error
        streams = content.get("streams") if isinstance(content, dict) else None
        if not isinstance(streams, dict) or not all(isinstance(one, dict) for one in streams.values()):
            raise DataError(f"{path}: expected what leap-avvp wrote, found {str(content)[:60]!r}; remove it")
        return cls(path, content)

    @property
    def ids(self) -> str | None:
        """How the files of this folder are named, if it has a record: ``filename`` or ``llp``."""
        found = self.content.get("ids")
        return found if found in ("filename", "llp") else None

    def _files(self, folder: str) -> Iterator[Path]:
        files = (self.path.parent / folder).glob("*.npy")
        return (path for path in files if not path.name.startswith("."))

    def _streams(self) -> dict[str, dict[str, Any]]:
        """Return the streams of which there are files: networks that did not load have made none."""
        listed = self.content.get("streams", {})
        return {folder: stream for folder, stream in listed.items() if next(self._files(folder), None) is not None}

    def difference(self, made: Mapping[str, Any]) -> str | None:
        """Say in what files that are there differ from what is to be made: their segments, or how a stream is made."""
        streams = self._streams()
        for key in made if streams else ():
            if key in _CHANGING or key not in self.content:
                continue
            if self.content[key] != made[key]:
                return f"{key} {str(self.content[key])[:100]}, here {str(made[key])[:100]}"
        for folder, stream in made["streams"].items():
            there = streams.get(folder, stream)
            for key in stream:
                if there.get(key) != stream[key]:
                    return f"{folder}: {key} {str(there.get(key))[:100]}, here {str(stream[key])[:100]}"
        return None

    def check(self, made: Mapping[str, Any]) -> None:
        """Refuse to mix what is made in two ways.

        Raises:
            ConfigError: naming the difference.
        """
        if found := self.difference(made):
            raise ConfigError(f"{self.path}: what is there was made in another way: {found}; {_HOW}")

    def take(self, made: Mapping[str, Any]) -> None:
        """Make the record say what is made now, besides the other streams that it names."""
        streams = {**self._streams(), **made["streams"]}
        used = self.content.get("versions", [])
        used = [*used, *(one for one in made["versions"] if one not in used)]
        notes = self.content.get("notes", {})
        self.content = {**self.content, **made, "streams": dict(sorted(streams.items())), "versions": used}
        self.content["notes"] = notes

    def finish(self, notes: Mapping[str, Mapping[str, float]]) -> None:
        """Put in the notes of videos, and how many there are, and write."""
        for folder, stream in self.content["streams"].items():
            stream["videos"] = sum(1 for _ in self._files(folder))
        self.content["notes"] = by_kind(notes)
        self.write()

    def write(self) -> None:
        """Write the file.

        Raises:
            DataError: it cannot be written.
        """
        write_json(self.content, self.path)

    def notes(self) -> dict[str, dict[str, float]]:
        """Return the notes by video."""
        found: dict[str, dict[str, float]] = {}
        listed = self.content.get("notes")
        for kind, videos in listed.items() if isinstance(listed, dict) else ():
            for video, seconds in videos.items() if isinstance(videos, dict) else ():
                found.setdefault(video, {})[kind] = seconds
        return found


def by_kind(notes: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return notes by kind and video, in order."""
    kinds = sorted({kind for one in notes.values() for kind in one})
    return {kind: {video: notes[video][kind] for video in sorted(notes) if kind in notes[video]} for kind in kinds}


class Notebook:
    """Notes of videos: those of the record, and those of runs that did not come to their end.

    A note is written before the files of its video, so no file is without its note, whenever a run is killed.
    """

    def __init__(self, path: Path, notes: dict[str, dict[str, float]]) -> None:
        self._path, self.notes = path, notes
        for line in self._lines():
            with contextlib.suppress(ValueError, AttributeError, TypeError):  # the last line of a killed run
                for video, found in json.loads(line).items():
                    self.notes.setdefault(video, {}).update(found)

    def _lines(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []

    def add(self, video: str, found: Mapping[str, float]) -> None:
        """Note something of a video, unless it is known.

        Raises:
            DataError: it cannot be written.
        """
        known = self.notes.get(video, {})
        if all(known.get(kind) == value for kind, value in found.items()):
            return
        self.notes.setdefault(video, {}).update(found)
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"\n{json.dumps({video: dict(found)})}")  # the line before may be half a one
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self._path, error) from error

    def forget(self, videos: Iterable[str]) -> None:
        """Drop the notes of videos whose files are removed."""
        for video in videos:
            self.notes.pop(video, None)

    def close(self) -> None:
        """Remove what the record holds by now."""
        self._path.unlink(missing_ok=True)


def weight_hashes(name: str) -> dict[str, str]:
    """Return the sha256 of each file of some weights in the cache.

    Raises:
        DataError: they are not there, with the command that gets them.
    """
    weight = weight_named(name)
    path = find(name)
    files = [path]
    if isinstance(weight.source, Hub):
        files = [path / part for part in weight.source.weights if (path / part).is_file()][:1]
    elif path.is_dir():
        files = [path.parent / part for part in weight.parts]
    found = {}
    for file in files:
        with file.open("rb") as content:
            found[file.name] = hashlib.file_digest(content, "sha256").hexdigest()
    return found


def versions() -> dict[str, str]:
    """Return the versions of the packages that features come of, as far as they are installed."""
    found = {}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
