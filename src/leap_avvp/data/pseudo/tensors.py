"""A pickled dict of torch's tensors, as plain arrays: what its pickle may name, and what that stands for."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.pseudo.unpickle import Builder, Name, PickleReader, RefusedError, expect, kind_of

__all__ = ["StoredTensor", "read_tensor_dict"]

# Storages of torch by name. A boolean is any byte here, bfloat16 two.
_STORAGES = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "<V2",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "u1",
}
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of torch's older format, in which a tensor's storage is pickled


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """A tensor as a pickle describes it; nothing is made of its claims before :meth:`array`."""

    numbers: NDArray[Any]
    """(numel,) of its storage."""
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In numbers, not bytes."""

    def array(self) -> NDArray[Any]:
        """Return its numbers in its shape, which is to be checked before: a stride of 0 repeats a number at will."""
        size = self.numbers.itemsize
        view = np.lib.stride_tricks.as_strided(
            self.numbers[self.offset :], self.shape, [size * stride for stride in self.strides], writeable=False
        )
        values: NDArray[Any] = view.copy()
        if values.dtype.kind == "V":  # bfloat16, which numpy does not know: the upper half of a float32
            return (values.view("<u2").astype(np.uint32) << 16).view(np.float32)
        return values


class _ObjectArray:
    """A numpy array of one object."""

    item: Any = None


_OBJECTS = object()  # the type of such an array


def read_tensor_dict(file: IO[bytes]) -> dict[str, StoredTensor]:
    """Return the dict that ``np.savez(path, name=dict)`` pickled, from behind the header to the end of the file.

    Tensors of a GPU come to the CPU.

    Raises:
        RefusedError: anything else in it.
        ValueError: a pickle that is damaged.
    """
    builders = {**_BUILDERS, "torch.storage._load_from_bytes": _Storages()}
    content = PickleReader(builders, _set_state).read(file)
    if file.read(1):
        raise RefusedError("data behind its end")
    table = content.item if isinstance(content, _ObjectArray) else content
    if type(table) is not dict:
        raise RefusedError(kind_of(table))
    for value in table.values():
        if not isinstance(value, StoredTensor):
            raise RefusedError(f"{kind_of(value)} in it")
    return table


def _set_state(target: Any, state: Any) -> None:
    if isinstance(target, _ObjectArray):
        _, shape, dtype, _, items = expect(state, tuple)
        if shape != () or dtype is not _OBJECTS or len(expect(items, list)) != 1:
            raise RefusedError("an array of another kind")
        target.item = items[0]
    elif target is not _OBJECTS:  # the state of a type says nothing more
        raise RefusedError(f"{kind_of(target)} with a state, which is not loaded")


def _object_array(kind: Any, shape: Any, _: Any) -> _ObjectArray:
    if kind != "numpy.ndarray" or shape != (0,):
        raise RefusedError("an array of another kind")
    return _ObjectArray()


def _object_dtype(code: Any, *_: Any) -> object:
    if code not in ("O", "O8"):
        raise RefusedError("an array of another type")
    return _OBJECTS


def _empty_dict(*arguments: Any) -> dict[str, Any]:
    if arguments:
        raise RefusedError("an OrderedDict with a content")
    return {}


def _bytes(text: Any, encoding: Any) -> bytes:
    if encoding != "latin1":
        raise RefusedError("text of another encoding")
    return str(expect(text, str)).encode("latin-1")


def _tensor(numbers: Any, offset: Any, shape: Any, strides: Any, _: Any, hooks: Any, *more: Any) -> StoredTensor:
    sizes = [offset, *expect(shape, tuple), *expect(strides, tuple)]
    if any(type(size) is not int or size < 0 for size in sizes) or len(shape) != len(strides) or hooks or more:
        raise RefusedError("a tensor of another kind")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if last >= len(expect(numbers, np.ndarray)) and math.prod(shape):
        raise RefusedError("a tensor of more numbers than are there")
    return StoredTensor(numbers, offset, shape, strides)


class _Storages:
    """Reads the bytes of storages: five pickles, the number of their numbers, and these as they are."""

    def __init__(self) -> None:
        self._head = b""  # three pickles that are the same in every storage of a program: they take half of the time

    def __call__(self, content: Any) -> NDArray[Any]:
        file = io.BytesIO(expect(content, bytes))
        if not self._head or not content.startswith(self._head):
            magic, protocol, system = (PickleReader({}).read(file) for _ in range(3))
            if magic != _MAGIC or protocol != _PROTOCOL or expect(system, dict).get("little_endian") is not True:
                raise RefusedError("a storage of another format")
            self._head = content[: file.tell()]
        file.seek(len(self._head))
        # Which device the numbers came from stands here, too, and does not matter.
        what, kind, key, _, numel, *view = expect(PickleReader(_STORAGE_NAMES).read(file), tuple)
        keys = PickleReader({}).read(file)
        if what != "storage" or keys != [expect(key, str)] or type(numel) is not int or view not in ([], [None]):
            raise RefusedError("a storage of another format")
        dtype = np.dtype(_STORAGES[expect(kind, Name)])
        rest = file.read()
        if len(rest) != 8 + numel * dtype.itemsize or int.from_bytes(rest[:8], "little") != numel:
            raise RefusedError("a storage of another length")
        return np.frombuffer(rest, dtype, offset=8)


_STORAGE_NAMES: Mapping[str, Builder | None] = dict.fromkeys(_STORAGES)
_BUILDERS: Mapping[str, Builder | None] = {
    "numpy.core.multiarray._reconstruct": _object_array,  # numpy 1
    "numpy._core.multiarray._reconstruct": _object_array,
    "numpy.ndarray": None,
    "numpy.dtype": _object_dtype,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "collections.OrderedDict": _empty_dict,
    "_codecs.encode": _bytes,  # bytes, in the protocols of Python 2
}
