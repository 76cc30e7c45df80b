"""Read the nodes and numbers of an ONNX file, as data: a plain reading of its protocol buffers (onnx.proto, IR 11).

The package ``onnx`` would do it too; one small network of a fixed form is no reason to need it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import DataError

__all__ = ["Graph", "Node", "read_graph"]

_DTYPES: dict[int, str] = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8"}
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # kinds of fields


@dataclasses.dataclass(frozen=True)
class Node:
    """One operation."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: dict[str, tuple[int, ...]]
    """Attributes that are whole numbers."""


@dataclasses.dataclass(frozen=True)
class Graph:
    """The operations, in order, and the numbers they work with, by name."""

    nodes: tuple[Node, ...]
    tensors: dict[str, NDArray[Any]]


def read_graph(path: Path, data: Path) -> Graph:
    """Return the graph of an ONNX file.

    Args:
        path: the file.
        data: the file beside it that holds its large tensors; no other is opened, whatever the graph names.

    Raises:
        DataError: either is damaged, or of another form.
    """
    try:
        content, outside = path.read_bytes(), data.read_bytes()
        graph = next(bytes(value) for number, value in _fields(content) if number == 7 and isinstance(value, bytes))
        nodes, tensors = [], {}
        for number, value in _fields(graph):
            if number == 1 and isinstance(value, bytes):
                nodes.append(_node(value))
            elif number == 5 and isinstance(value, bytes):
                name, tensor = _tensor(value, outside)
                tensors[name] = tensor
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error
    except (StopIteration, IndexError, KeyError, ValueError) as error:
        raise DataError(f"{path}: expected a graph in ONNX's form, cannot read it ({type(error).__name__})") from error
    return Graph(tuple(nodes), tensors)


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
        if shift > 63:
            raise ValueError(place)


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield a message's fields: number and value."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(content, place)
            yield key >> 3, value
            continue
        if kind not in (_EIGHT, _BYTES, _FOUR):
            raise ValueError(kind)
        size, place = _varint(content, place) if kind == _BYTES else (8 if kind == _EIGHT else 4, place)
        if place + size > len(content):
            raise ValueError(size)
        yield key >> 3, content[place : place + size]
        place += size


def _whole(value: int | bytes) -> list[int]:
    """Return the numbers of a field, one of them or packed."""
    if isinstance(value, int):
        return [value]
    numbers, place = [], 0
    while place < len(value):
        number, place = _varint(value, place)
        numbers.append(number)
    return numbers


def _text(value: int | bytes) -> str:
    if isinstance(value, int):
        raise ValueError(value)
    return value.decode()


def _node(content: bytes) -> Node:
    inputs, outputs, op, numbers = [], [], "", {}
    for number, value in _fields(content):
        if number == 1:
            inputs.append(_text(value))
        elif number == 2:
            outputs.append(_text(value))
        elif number == 4:
            op = _text(value)
        elif number == 5 and isinstance(value, bytes):
            fields = list(_fields(value))
            name = next(_text(one) for field, one in fields if field == 1)
            numbers[name] = tuple(part for field, one in fields if field in (3, 8) for part in _whole(one))
    return Node(op, tuple(inputs), tuple(outputs), numbers)


def _tensor(content: bytes, outside: bytes) -> tuple[str, NDArray[Any]]:
    shape: list[int] = []
    name, kind, raw, place = "", 0, b"", {}
    for number, value in _fields(content):
        if number == 1:
            shape += _whole(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8:
            name = _text(value)
        elif number == 9 and isinstance(value, bytes):
            raw = value
        elif number == 13 and isinstance(value, bytes):
            entry = {field: _text(one) for field, one in _fields(value)}
            place[entry[1]] = entry[2]
    if place:
        first, size = int(place.get("offset", "0")), int(place["length"])
        if first < 0 or size < 0 or first + size > len(outside):
            raise ValueError(name)
        raw = outside[first : first + size]
    return name, np.frombuffer(raw, np.dtype(_DTYPES[kind])).reshape(shape)
