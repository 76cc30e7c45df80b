"""The packed set: one folder with a plain ``.npy`` file an array, and ``header.json``, which vouches for every byte.

The header holds versions, names, shapes, the SHA-256 of each block of videos, sizes and times of the source files (in
``<split>.sources.npy``) and the SHA-256 of itself. Arrays are memory-mapped as they lie.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import LLP, DataCard, FeatureSet
from leap_avvp.card.read import card_from
from leap_avvp.errors import DataError
from leap_avvp.files import write_whole
from leap_avvp.files.npz import NpyHeader, read_npy_header

__all__ = [
    "BLOCK",
    "HEADER",
    "PACK_FORMAT",
    "PackHeader",
    "PackedArray",
    "blocks",
    "damaged",
    "digest",
    "file_digest",
    "read_header",
    "set_folder",
    "source_status",
    "write_header",
]

PACK_FORMAT = "leap-avvp/packed/2"
HEADER = "header.json"
BLOCK = 256
"""Videos whose bytes share one checksum; also the unit of resuming."""


@dataclasses.dataclass(frozen=True)
class PackedArray:
    """One array of a split, (N, ...), in a file of its own."""

    file: str
    dtype: str
    shape: tuple[int, ...]
    sha256: tuple[str, ...]
    """One for each block of videos."""
    head_sha256: str
    """Of the bytes before the data."""

    @classmethod
    def of(cls, path: Path, sha256: Iterable[str]) -> PackedArray:
        """Describe a ``.npy`` file that has just been written, with the checksums of its blocks."""
        header, head = _read_head(path)
        return cls(path.name, header.dtype.str, header.shape, tuple(sha256), hashlib.sha256(head).hexdigest())

    def open(self, folder: Path) -> NDArray[Any]:
        """Map the file into memory; its pages are read when they are used.

        Raises:
            DataError: missing, or not of the size, type and shape that the header states.
        """
        path = folder / self.file
        try:
            header, head = _read_head(path)
            size = path.stat().st_size
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise damaged(folder, f"{self.file} cannot be read ({reason})") from error
        if header.shape != self.shape or header.dtype != np.dtype(self.dtype):
            expected, found = (self.dtype, self.shape), (header.dtype.str, header.shape)
            raise damaged(folder, f"{self.file}: expected {expected}, found {found}")
        if size != header.data_offset + header.data_bytes:
            raise damaged(
                folder, f"{self.file}: expected {header.data_offset + header.data_bytes:,} bytes, found {size:,}"
            )
        if hashlib.sha256(head).hexdigest() != self.head_sha256:
            raise damaged(folder, f"{self.file}: the checksum of its header does not fit")
        # "c": torch wants arrays that could be written; nothing is, and no page is copied until it would be.
        return np.memmap(path, dtype=header.dtype, mode="c", offset=header.data_offset, shape=header.shape)


@dataclasses.dataclass(frozen=True)
class PackHeader:
    """What a packed set says of itself."""

    dtype: str
    """Of the features: ``float32`` or ``float16``."""
    simulated: bool
    """Made from a folder of simulated videos: its numbers must not pass as LLP's."""
    filenames: Mapping[str, list[str]]
    """By split, in the order of the arrays."""
    arrays: Mapping[str, Mapping[str, PackedArray]]
    """By split and name; ``sources`` (N, files, 2) int64 holds size and modification time of the source files."""
    source_names: Mapping[str, list[str]]
    """By split: the arrays whose files ``sources`` lists, in its order."""
    annotations: Mapping[str, str]
    """SHA-256 of the annotation files, by name."""
    missing: Mapping[str, int]
    """By split: videos left out because files of theirs were missing."""
    facts: Mapping[str, Any]
    """What the check of the source folder found."""
    rounding: Mapping[str, Mapping[str, float]]
    """float16 only: largest error and relative root mean square error of each feature."""
    version: str
    """Of the package that wrote it."""
    card: Mapping[str, Any] | None = None
    """Of the data card, with its features; None for LLP with LLP's features, as older sets have it."""

    def data_card(self) -> DataCard:
        """Return the card, with the features that are packed."""
        if self.card is None:
            return LLP
        return card_from(self.card, f"{HEADER}: card")


def _read_head(path: Path) -> tuple[NpyHeader, bytes]:
    """Return what a ``.npy`` file says of itself, and the bytes that say it."""
    with path.open("rb") as file:
        header = read_npy_header(file)
        file.seek(0)
        return header, file.read(header.data_offset)


def damaged(folder: Path, what: str) -> DataError:
    """Return the error for a set that cannot be trusted, with the way out."""
    return DataError(
        f"{folder}: damaged packed set: {what}; delete it and run `leap-avvp data pack` again, or read the source "
        "files with data.packed=off"
    )


def set_folder(root: Path, dtype: str, features: FeatureSet = LLP.features) -> Path:
    """Return where the packed set of a data folder lies: of each feature set its own."""
    which = "" if features == LLP.features else f"-{features.name}"
    return root / f"packed{which}-{dtype}"


def blocks(number: int) -> Iterator[slice]:
    """Yield the blocks of ``number`` videos."""
    for start in range(0, number, BLOCK):
        yield slice(start, min(start + BLOCK, number))


def digest(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).view(np.uint8).data).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def source_status(folder: Path) -> dict[str, tuple[int, int]]:
    """Return by name size in bytes and modification time in ns of the files of a folder.

    Those of a link are its target's, and its own time if it is later: files of a store may share size and time. Links
    that lead nowhere are left out.

    Raises:
        DataError: the folder cannot be read.
    """
    status = {}
    try:
        for entry in os.scandir(folder):
            link_time = entry.stat(follow_symlinks=False).st_mtime_ns if entry.is_symlink() else 0
            with contextlib.suppress(FileNotFoundError):
                found = entry.stat()
                status[entry.name] = found.st_size, max(found.st_mtime_ns, link_time)
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be read ({error.strerror})") from error
    return status


def _seal(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_header(folder: Path, header: PackHeader) -> None:
    """Write ``header.json``, sealed with its own SHA-256."""
    content = json.loads(json.dumps({"format": PACK_FORMAT, **dataclasses.asdict(header)}))
    if header.card is None:  # LLP's sets stay as older versions read them
        del content["card"]
    write_whole(folder / HEADER, json.dumps({**content, "sha256": _seal(content)}) + "\n")


def read_header(folder: Path) -> PackHeader:
    """Read and check ``header.json``.

    Raises:
        DataError: missing, damaged, or of another version of the format.
    """
    path = folder / HEADER
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}): no packed set; `leap-avvp data pack DIR` makes one"
        ) from error
    except ValueError as error:
        raise damaged(folder, f"{HEADER} is not JSON") from error
    if not isinstance(content, dict) or "format" not in content:
        raise damaged(folder, f"{HEADER} states no format")
    seal = content.pop("sha256", None)
    if content["format"] != PACK_FORMAT and str(content["format"]).startswith("leap-avvp/packed/"):
        raise DataError(
            f"{folder}: expected a packed set of the format {PACK_FORMAT}, found {content['format']}, which another "
            "version of leap-avvp wrote; run `leap-avvp data pack` again, or read the source files with data.packed=off"
        )
    if seal != _seal(content):
        raise damaged(folder, f"the checksum of {HEADER} does not fit what it says")
    del content["format"]
    arrays = {
        split: {
            name: PackedArray(str(a["file"]), str(a["dtype"]), tuple(a["shape"]), tuple(a["sha256"]), a["head_sha256"])
            for name, a in named.items()
        }
        for split, named in content.pop("arrays").items()
    }
    return PackHeader(**content, arrays=arrays)
