"""What an engine starts on another machine: a process with the networks, and one that outlives its end.

The inner process is the one of :mod:`leap_avvp.media.pool`: one thread, the same bytes, the same words for its end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from leap_avvp.errors import ConfigError, DataError, LeapError
from leap_avvp.media.extracted import versions, weight_hashes
from leap_avvp.media.pool import Outcome, Solo, Work
from leap_avvp.media.weights import CACHE, cache_folder, find

__all__ = ["Host", "Order"]


@dataclasses.dataclass(frozen=True)
class Order:
    """What a worker is to do, and what it must have to do it as this machine would."""

    opener: Callable[[], Work]
    versions: Mapping[str, str]
    """Of the packages that results come of."""
    weights: Mapping[str, str]
    """sha256 by file, as it lies in the cache."""
    environment: Mapping[str, str]
    """Variables that are set in the worker."""

    @classmethod
    def of(cls, opener: Callable[[], Work]) -> Order:
        """Return that of this machine.

        Raises:
            DataError: weights are missing.
        """
        recipes = getattr(opener, "recipes", {})
        names = dict.fromkeys(recipe.weights for recipe in recipes.values())
        kept = {name: os.environ[name] for name in (CACHE,) if name in os.environ}
        hashes = {str(path): sha256 for name in names for path, sha256 in _files(name)}
        return cls(opener, versions(), hashes, kept)

    def check(self) -> None:
        """Refuse to work with other packages or weights: the files would not be the same.

        Raises:
            ConfigError: other versions.
            DataError: other weights, or none.
        """
        for package, here in versions().items():
            there = self.versions.get(package, here)
            if here.partition("+")[0] != there.partition("+")[0]:  # builds for CPUs and GPUs may differ
                raise ConfigError(f"expected {package} {there}, as where the command runs, found {here}")
        for name, sha256 in self.weights.items():
            path = cache_folder() / name
            try:
                with path.open("rb") as content:
                    found = hashlib.file_digest(content, "sha256").hexdigest()
            except OSError as error:
                reason = f"cannot be read ({error.strerror}); put there what the machine has where the command runs"
                raise DataError(f"{path}: weights: {reason}") from error
            if found != sha256:
                raise DataError(f"{path}: weights: expected those of the machine where the command runs, found others")


def _files(name: str) -> Iterator[tuple[Path, str]]:
    """Yield the files of some weights, as they lie in the cache, and their sha256."""
    place = find(name)
    for file, sha256 in weight_hashes(name).items():
        there = next(path for path in (place, place / file, place.parent / file) if path.is_file())
        yield there.relative_to(cache_folder()), sha256


class Host:
    """Works on one item after another.

    Args:
        order: what is to be done.
    """

    def __init__(self, order: Order) -> None:
        os.environ.update(order.environment)
        self._order, self._solo = order, Solo(order.opener)

    def ready(self) -> LeapError | None:
        """Wait until the networks are loaded; return why they are not."""
        try:
            self._order.check()
            with _no_program():
                self._solo.open()
        except LeapError as error:
            return _placed(error)
        return None

    def work(self, index: int, item: Any) -> Outcome | LeapError:
        """Return what comes of an item, or why the networks, whose process ended, cannot be loaded again."""
        try:
            with _no_program():
                return self._solo(index, item)
        except LeapError as error:
            return _placed(error)

    def close(self) -> None:
        """End the process."""
        self._solo.close()


@contextlib.contextmanager
def _no_program() -> Iterator[None]:
    """Let a process that is started not run the engine's own program first, whose imports cost a second and 100 MB."""
    program = sys.modules["__main__"]
    before = {name: getattr(program, name, None) for name in ("__file__", "__spec__")}
    for name in before:
        setattr(program, name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(program, name, value)


def _placed(error: LeapError) -> LeapError:
    """Return the error with the name of this machine."""
    return type(error)(f"{socket.gethostname()}: {error}")
