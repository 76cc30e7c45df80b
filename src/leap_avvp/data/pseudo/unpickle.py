"""Follows the instructions of a pickle without unpickling it.

There is no way from them to an import, or to a call of what is imported: what a pickle may name stands in a table, with
what is called in its place. Nothing is here that would run a payload.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import IO, Any, cast

__all__ = ["Builder", "Name", "PickleReader", "RefusedError", "expect", "kind_of"]

Builder = Callable[..., Any]
# LSLD's 10,000 videos take 300,000 steps and remember 120,000 things, with a stack of 2,000: pickle writes dicts in
# batches of 1,000 pairs. One byte of a pickle may make an object of a hundred.
_MOST_STEPS = 4_000_000
_MOST_REMEMBERED = 1_500_000
_MOST_WAITING = 10_000


class RefusedError(ValueError):
    """A pickle holds something that is not taken; the text says what."""


class Name(str):
    """What a pickle calls by module and name, joined by a dot."""

    __slots__ = ()


class PickleReader:
    """The plain data that a pickle describes.

    Args:
        builders: by full name, everything that the pickle may name, and what makes plain data of its arguments where it
            is called; None for a name that only stands somewhere.
        set_state: takes an object and the state that the pickle gives it.
    """

    def __init__(
        self, builders: Mapping[str, Builder | None], set_state: Callable[[Any, Any], None] | None = None
    ) -> None:
        self._builders, self._set_state = builders, set_state
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def read(self, file: IO[bytes]) -> Any:
        """Return what the next pickle of a file describes; the file stands behind it then.

        Raises:
            RefusedError: an instruction, a name or a call that is not taken, or more of them than labels take.
            ValueError: it is damaged.
        """
        self._stack, self._marks, self._memo = [], [], {}
        # Without `tell`, which pickletools would ask before each instruction.
        source = cast(IO[bytes], SimpleNamespace(read=file.read, readline=file.readline))
        try:
            for step, (opcode, argument, _) in enumerate(pickletools.genops(source)):
                if opcode.name == "STOP":
                    return self._stack.pop()
                waiting = len(self._stack) + len(self._marks)
                if step > _MOST_STEPS or waiting > _MOST_WAITING or len(self._memo) > _MOST_REMEMBERED:
                    raise RefusedError("more than labels take")
                if opcode.name in _ARGUMENTS:
                    self._stack.append(argument)
                elif opcode.name in _INSTRUCTIONS:
                    _INSTRUCTIONS[opcode.name](self, argument)
                else:
                    raise RefusedError(f"objects, which are not loaded (instruction {opcode.name})")
        except RefusedError:
            raise
        except Exception as error:  # of a damaged pickle, whatever its last instruction does
            raise ValueError("it is damaged") from error
        raise ValueError("it is damaged")

    # Instructions: each takes the argument that stands behind it.

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _tuple(self, _: Any) -> None:
        self._push(tuple(self._since_mark()))

    def _short_tuple(self, length: int) -> None:
        values = [self._stack.pop() for _ in range(length)]
        self._push(tuple(reversed(values)))

    def _append(self, _: Any) -> None:
        value = self._stack.pop()
        expect(self._stack[-1], list).append(value)

    def _set_items(self, _: Any) -> None:
        values = self._since_mark()
        table = expect(self._stack[-1], dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            table[expect(key, str)] = value

    def _set_item(self, _: Any) -> None:
        self._marks.append(len(self._stack) - 2)
        self._set_items(None)

    def _memoize(self, place: int | None) -> None:
        self._memo[len(self._memo) if place is None else place] = self._stack[-1]

    def _recall(self, place: int) -> None:
        self._push(self._memo[place])

    def _name(self, text: str) -> None:
        name = Name(text.replace(" ", ".", 1))
        if name not in self._builders:
            raise RefusedError(f"objects, which are not loaded ({str(name)[:80]!r})")
        self._push(name)

    def _name_of_stack(self, _: Any) -> None:
        name, module = expect(self._stack.pop(), str), expect(self._stack.pop(), str)
        self._name(f"{module} {name}")

    def _call(self, _: Any) -> None:
        arguments, name = expect(self._stack.pop(), tuple), expect(self._stack.pop(), Name)
        builder = self._builders[name]
        if builder is None:
            raise RefusedError(f"objects, which are not loaded (a call of {str(name)!r})")
        self._push(builder(*arguments))

    def _build(self, _: Any) -> None:
        state = self._stack.pop()
        if self._set_state is None:
            raise RefusedError(f"{kind_of(self._stack[-1])} with a state, which is not loaded")
        self._set_state(self._stack[-1], state)

    def _stored(self, _: Any) -> None:
        """Leave what stands outside the pickle as the tuple that names it, as torch writes its storages."""
        expect(self._stack[-1], tuple)


_ARGUMENTS = frozenset(
    {
        *("BININT", "BININT1", "BININT2", "LONG1"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    }
)
_INSTRUCTIONS: Mapping[str, Callable[[PickleReader, Any], None]] = {
    "PROTO": lambda reader, _: None,
    "FRAME": lambda reader, _: None,
    "NONE": lambda reader, _: reader._push(None),
    "NEWTRUE": lambda reader, _: reader._push(True),
    "NEWFALSE": lambda reader, _: reader._push(False),
    "EMPTY_TUPLE": lambda reader, _: reader._push(()),
    "EMPTY_LIST": lambda reader, _: reader._push([]),
    "EMPTY_DICT": lambda reader, _: reader._push({}),
    "TUPLE1": lambda reader, _: reader._short_tuple(1),
    "TUPLE2": lambda reader, _: reader._short_tuple(2),
    "TUPLE3": lambda reader, _: reader._short_tuple(3),
    "MARK": PickleReader._mark,
    "TUPLE": PickleReader._tuple,
    "APPEND": PickleReader._append,
    "SETITEM": PickleReader._set_item,
    "SETITEMS": PickleReader._set_items,
    "MEMOIZE": PickleReader._memoize,
    "BINPUT": PickleReader._memoize,
    "LONG_BINPUT": PickleReader._memoize,
    "BINGET": PickleReader._recall,
    "LONG_BINGET": PickleReader._recall,
    "GLOBAL": PickleReader._name,
    "STACK_GLOBAL": PickleReader._name_of_stack,
    "REDUCE": PickleReader._call,
    "BUILD": PickleReader._build,
    "BINPERSID": PickleReader._stored,
}


def expect(value: Any, kind: type) -> Any:
    """Return a value that is of exactly this type.

    Raises:
        RefusedError: it is of another.
    """
    if type(value) is not kind:
        raise RefusedError(f"{kind_of(value)} in place of a {kind.__name__}")
    return value


def kind_of(value: Any) -> str:
    """Name the type of what a pickle describes; never its content, which may hold itself."""
    return str(value)[:80] if isinstance(value, Name) else f"a {type(value).__name__.lstrip('_')}"
