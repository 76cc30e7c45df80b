"""Write ONNX files by hand: the few messages of onnx.proto that a network of convolutions needs."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

_TYPES = {np.dtype("float32"): 1, np.dtype("uint8"): 2, np.dtype("int8"): 3, np.dtype("int64"): 7}


def varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes | str | float) -> bytes:
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name: str, values: np.ndarray, place: tuple[int, int] | None = None, packed: bool = False) -> bytes:
    """Return a tensor, its numbers inside or, with ``place``, at an offset and of a length in ``model.data``."""
    shape = [field(1, b"".join(map(varint, values.shape)))] if packed else [field(1, n) for n in values.shape]
    head = b"".join(shape) + field(2, _TYPES[values.dtype]) + field(8, name)
    if place is None:
        return head + field(9, values.tobytes())
    entries = {"location": "model.data", "offset": str(place[0]), "length": str(place[1])}
    external = b"".join(field(13, field(1, key) + field(2, value)) for key, value in entries.items())
    return head + external + field(14, 1)


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: int | Sequence[int] | float) -> bytes:
    content = b"".join([field(1, name) for name in inputs] + [field(2, name) for name in outputs])
    content += field(3, outputs[0]) + field(4, op)
    for name, value in attributes.items():
        if isinstance(value, float):
            one = field(2, value) + field(20, 1)
        elif isinstance(value, int):
            one = field(3, value) + field(20, 2)
        else:
            one = b"".join(field(8, number) for number in value) + field(20, 7)
        content += field(5, field(1, name) + one)
    return content


def _value(name: str, kind: int, shape: Sequence[int]) -> bytes:
    dims = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def write_model(
    path: Path,
    nodes: Iterable[bytes],
    tensors: dict[str, np.ndarray],
    inputs: dict[str, Sequence[int]],
    outputs: dict[str, Sequence[int]],
) -> None:
    """Write a model of float32 inputs and outputs; tensors of more than 1,000 bytes go into ``model.data`` beside."""
    graph, data = b"".join(field(1, one) for one in nodes) + field(2, "graph"), bytearray()
    for place, (name, values) in enumerate(tensors.items()):
        large = values.nbytes > 1000
        graph += field(5, tensor(name, values, (len(data), values.nbytes) if large else None, packed=place % 2 == 0))
        data += values.tobytes() if large else b""
    for number, values_of in ((11, inputs), (12, outputs)):
        graph += b"".join(field(number, _value(name, 1, shape)) for name, shape in values_of.items())
    path.write_bytes(field(1, 8) + field(2, "a test") + field(7, graph) + field(8, field(2, 17)))
    path.with_name("model.data").write_bytes(bytes(data))
