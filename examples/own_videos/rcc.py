"""Read Qt's resource files (``.rcc``), in which Debian's ``gcompris-qt-data`` keeps its sounds and pictures.

The format is that of Qt's own writer, ``rcc --binary`` (qtbase, ``src/tools/rcc/rcc.cpp``), formats 1 to 3; all
numbers are big-endian. Nothing of a file is executed. Files that are compressed with Zstandard are named as such.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ResourceError", "Resources"]

_HEADER = struct.Struct(">4s4I")  # magic, format, and where tree, data and names begin
_ZLIB, _FOLDER, _ZSTD = 1, 2, 4
_MOST_BYTES = 2**28  # of a single file, unpacked


class ResourceError(ValueError):
    """A file that is not such a resource file, or has not what is asked for."""


class Resources:
    """The files in a resource file, by their path in it: ``resources["/gcompris/src/.../dog.ogg"]`` are its bytes."""

    def __init__(self, path: Path) -> None:
        """Read the directory.

        Raises:
            OSError: the file cannot be opened.
            ResourceError: it is no resource file, or cut short.
        """
        self.path = path
        self._content = path.read_bytes()
        try:
            magic, version, self._tree, self._data, self._names = _HEADER.unpack_from(self._content)
            if magic != b"qres" or not 1 <= version <= 3:
                raise ResourceError(f"{path}: expected Qt's `qres` of format 1 to 3, found {magic!r}, {version}")
            self._node = 14 if version == 1 else 22  # from format 2 on with a time
            self._files = dict(self._walk(0, "", set()))
        except struct.error as error:
            raise ResourceError(f"{path}: cut short, or no resource file ({error})") from error

    def __iter__(self) -> Iterator[str]:
        """Yield the paths, in the order of the tree."""
        return iter(self._files)

    def __getitem__(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            ResourceError: there is no such file, or it is packed in another way or damaged.
        """
        if name not in self._files:
            raise ResourceError(f"{self.path}: has no {name}")
        flags, offset = self._files[name]
        start = self._data + offset + 4
        stored = self._content[start : start + self._number(start - 4)]
        if flags & _ZSTD:
            raise ResourceError(f"{self.path}: {name} is packed with Zstandard, which is not read here")
        if not flags & _ZLIB:
            return stored
        try:  # four bytes of length, then what zlib wrote
            return zlib.decompressobj().decompress(stored[4:], _MOST_BYTES)
        except zlib.error as error:
            raise ResourceError(f"{self.path}: {name} is damaged ({error})") from error

    def _number(self, offset: int) -> int:
        return int(struct.unpack_from(">I", self._content, offset)[0])

    def _walk(self, node: int, folder: str, met: set[int]) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield path, flags and place of every file at or below a node of the tree."""
        if node in met:
            raise ResourceError(f"{self.path}: its tree has a loop")
        met.add(node)
        start = self._tree + node * self._node
        name, flags = struct.unpack_from(">IH", self._content, start)
        path = f"{folder}/{self._name(name)}" if node else ""  # the root has no name
        if not flags & _FOLDER:  # country and language, then where its bytes are
            yield path, (flags, self._number(start + 10))
            return
        children, first = struct.unpack_from(">II", self._content, start + 6)
        for child in range(first, first + children):
            yield from self._walk(child, path, met)

    def _name(self, offset: int) -> str:
        start = self._names + offset  # length in letters, a hash, UTF-16
        (length,) = struct.unpack_from(">H", self._content, start)
        return self._content[start + 6 : start + 6 + 2 * length].decode("utf-16-be")
