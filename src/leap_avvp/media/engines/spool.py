"""A folder through which one process and workers on other machines pass tickets: an item each, and its outcome.

``todo/`` holds what nobody is at, ``taken/WORKER/`` what a worker is at, ``done/`` outcomes. A ticket is a file that is
renamed, which only one can do; its name says which item it is and how many workers have ended over it. Files are
pickles in a folder that is the user's alone: both ends are one command.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leap_avvp.errors import LeapError
from leap_avvp.files import unwritable, write_whole
from leap_avvp.media.pool import TRIES, Outcome, aside

__all__ = ["Spool", "Ticket"]

_TODO, _TAKEN, _DONE, _REFUSED = "todo", "taken", "done", "refused"
_BEAT, _ORDER = "beat", "order"
_FORSAKEN = 300.0  # seconds without a sign of the process that asked
_LOST = "its Slurm job or node was ended"


@dataclasses.dataclass(frozen=True)
class Ticket:
    """An item that a worker has taken."""

    path: Path
    index: int
    deaths: int
    item: Any


class Spool:
    """One end or the other.

    Args:
        folder: of the tickets.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._beats, self._seen, self._when = 0, b"", time.monotonic()

    @classmethod
    def make(cls, folder: Path, order: Any) -> Spool:
        """Make the folder, and put in what workers are to do.

        Raises:
            DataError: it cannot be written.
        """
        try:
            for name in (_TODO, _TAKEN, _DONE, _REFUSED):
                (folder / name).mkdir(parents=True, mode=0o700)
            folder.chmod(0o700)
        except OSError as error:
            raise unwritable(folder, error) from error
        write_whole(folder / _ORDER, pickle.dumps(order))
        spool = cls(folder)
        spool.beat()
        return spool

    # The one who asks

    def beat(self) -> None:
        """Say that somebody still asks."""
        self._beats += 1
        write_whole(self.folder / _BEAT, str(self._beats))

    def put(self, index: int, item: Any) -> None:
        """Add an item.

        Raises:
            DataError: it cannot be written.
        """
        write_whole(self.folder / _TODO / _named(index, 0), pickle.dumps(item))

    def collect(self) -> Iterator[Outcome]:
        """Yield outcomes that have come, once each.

        Raises:
            LeapError: a worker cannot load the networks.
        """
        for path in _files(self.folder / _REFUSED):
            error: LeapError = pickle.loads(path.read_bytes())
            raise error
        for path in _files(self.folder / _DONE):
            outcome: Outcome = pickle.loads(path.read_bytes())
            path.unlink()
            yield outcome

    def busy(self) -> list[str]:
        """Return the workers that have taken something."""
        return [path.name for path in (self.folder / _TAKEN).iterdir() if any(_files(path))]

    # A worker

    @property
    def order(self) -> Any:
        """What workers are to do."""
        return pickle.loads((self.folder / _ORDER).read_bytes())

    def is_open(self) -> bool:
        """Say whether somebody still asks: the folder is there, and so are the signs."""
        try:
            seen = (self.folder / _BEAT).read_bytes()
        except OSError:
            return False
        now = time.monotonic()
        if seen != self._seen:
            self._seen, self._when = seen, now
        return now - self._when < _FORSAKEN

    def take(self, worker: str) -> Ticket | None:
        """Return an item that nobody is at; None where there is none."""
        own = self.folder / _TAKEN / worker
        with contextlib.suppress(OSError):
            own.mkdir(exist_ok=True)
            for path in _files(self.folder / _TODO):
                with contextlib.suppress(FileNotFoundError):  # another was quicker
                    path.rename(own / path.name)
                    index, deaths = _numbers(path.name)
                    return Ticket(own / path.name, index, deaths, pickle.loads((own / path.name).read_bytes()))
        return None

    def finish(self, ticket: Ticket, outcome: Outcome) -> None:
        """Hand in an outcome; nothing where nobody asks any more."""
        done = dataclasses.replace(outcome, deaths=outcome.deaths + ticket.deaths)
        self._hand_in(_DONE, str(ticket.index), done)
        with contextlib.suppress(OSError):
            ticket.path.unlink()

    def refuse(self, worker: str, error: LeapError) -> None:
        """Say why a worker cannot work."""
        self._hand_in(_REFUSED, worker, error)

    def _hand_in(self, kind: str, name: str, what: Any) -> None:
        part = self.folder / kind / f".{name}.{os.getpid()}.part"
        with contextlib.suppress(FileNotFoundError):  # `write_whole` would make the folders anew
            part.write_bytes(pickle.dumps(what))
            part.replace(self.folder / kind / name)

    # Both

    def give_back(self, worker: str, died: bool) -> None:
        """Put back what a worker is at, that has ended or is about to.

        Args:
            worker: its name.
            died: whether that counts against the item.
        """
        for path in _files(self.folder / _TAKEN / worker):
            index, deaths = _numbers(path.name)
            deaths += died
            with contextlib.suppress(FileNotFoundError):
                if deaths < TRIES:
                    path.rename(self.folder / _TODO / _named(index, deaths))
                else:
                    self._hand_in(_DONE, str(index), aside(index, _LOST, deaths))
                    path.unlink()


def _named(index: int, deaths: int) -> str:
    """Return a ticket's name: those that have ended workers come last."""
    return f"{deaths}-{index:09d}"


def _numbers(name: str) -> tuple[int, int]:
    deaths, index = name.split("-")
    return int(index), int(deaths)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the whole files of a folder, in order; none where it is not there."""
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return
    yield from (folder / name for name in names)
