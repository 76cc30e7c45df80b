"""Work on many videos in processes of their own: a video that ends its process, or fails, costs that video alone.

A process may end for another's sake, as where memory ran out: what it was at is done again, after all others, and set
aside when it has ended :data:`TRIES` processes.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from leap_avvp.errors import LeapError
from leap_avvp.files.machine import available_memory, cpu_threads

__all__ = ["TRIES", "Outcome", "Solo", "Work", "aside", "auto_jobs", "outcomes"]

TRIES = 3
"""Processes that an item may end."""
Work = Callable[[Any], Any]
_MEMORY_A_JOB = 2_500_000_000  # of the largest set of networks
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_PATIENCE = 5.0  # seconds for a process to leave that was asked to


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of an item."""

    index: int
    """Its place."""
    value: Any = None
    problem: str | None = None
    """Why there is no value, in a line."""
    deaths: int = 0
    """How many that were at it have ended."""


def aside(index: int, what: str, deaths: int) -> Outcome:
    """Return the outcome of an item that is not tried again: ``aside(3, "its process was ended by SIGSEGV", 3)``."""
    return Outcome(index, problem=f"{what}, {deaths} times", deaths=deaths)


def auto_jobs(items: int, device: str = "cpu") -> int:
    """Return how many processes to use: as many as there are threads, items and 2.5 GB of memory for; one a GPU."""
    if not device.startswith("cpu"):
        return 1
    return max(1, min(items, cpu_threads(), available_memory() // _MEMORY_A_JOB))


def outcomes(opener: Callable[[], Work], items: Sequence[Any], jobs: int) -> Generator[Outcome]:
    """Yield what comes of each item, in the order in which they are done.

    Each process has one thread, so that the same item gives the same bytes whatever ``jobs`` is, and ends when this one
    does, however that ends. Leave the generator by ``close`` (``contextlib.closing``) to end them.

    Args:
        opener: called once in each process; returns what is then called with items. It is sent there: a function of a
            module, or an object of a class of one.
        items: are sent there too.
        jobs: processes, also where it is 1.

    Raises:
        LeapError: that of the opener, or a process that ends in it.
    """
    context = multiprocessing.get_context("spawn")
    waiting = collections.deque(range(len(items)))
    deaths: collections.Counter[int] = collections.Counter()
    workers: list[_Worker] = []
    left = len(items)
    try:
        workers += [_Worker(context, opener) for _ in range(min(jobs, left))]
        while left:
            for connection in wait([worker.connection for worker in workers]):
                worker = next(one for one in workers if one.connection is connection)
                found = worker.answer()
                if worker.ended:
                    workers.remove(worker)
                    found = _again(found, deaths, waiting)
                    if waiting:
                        workers.append(_Worker(context, opener))
                elif waiting:  # before the answer is looked at: nobody waits for that
                    index = waiting.popleft()
                    worker.give(index, items[index])
                if found is not None:
                    left -= 1
                    yield dataclasses.replace(found, deaths=deaths[found.index])
    finally:
        for worker in workers:
            worker.close()
        for worker in workers:
            worker.join()


def _again(found: Outcome | None, deaths: collections.Counter[int], waiting: collections.deque[int]) -> Outcome | None:
    """Put back what a process was at that has ended; return its outcome where it has ended too many."""
    if found is None or found.problem is None:
        return None
    deaths[found.index] += 1
    if deaths[found.index] == TRIES:
        return aside(found.index, found.problem, TRIES)
    waiting.append(found.index)
    return None


class Solo:
    """A process as those of :func:`outcomes`, for items that come one by one; another one where it has ended.

    Args:
        opener: see there.
    """

    def __init__(self, opener: Callable[[], Work]) -> None:
        self._opener = opener
        self._worker: _Worker | None = None

    def open(self) -> None:
        """Start it, unless it runs, and wait until all is loaded.

        Raises:
            LeapError: that of the opener, or the process has ended in it.
        """
        if self._worker is None:
            self._worker = _Worker(multiprocessing.get_context("spawn"), self._opener)
            try:
                self._worker.answer()
            except LeapError:
                self.close()
                raise

    def __call__(self, index: int, item: Any) -> Outcome:
        """Return what comes of an item.

        Raises:
            LeapError: see :meth:`open`.
        """
        deaths = 0
        while True:
            self.open()
            assert self._worker is not None
            self._worker.give(index, item)
            found = self._worker.answer()
            assert found is not None
            if not self._worker.ended:
                return dataclasses.replace(found, deaths=deaths)
            self.close()
            deaths += 1
            if deaths == TRIES:
                return aside(index, str(found.problem), deaths)

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
            self._worker.join()
            self._worker = None


class _Worker:
    """A process, and the item that it is at."""

    def __init__(self, context: Any, opener: Callable[[], Work]) -> None:
        self.connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, opener), daemon=True)
        self._ready, self.ended = False, False
        self._index: int | None = None
        with _one_thread(), _no_interrupt():
            self._process.start()
        other.close()  # its end is then the process's alone, and closes with it

    def give(self, index: int, item: Any) -> None:
        """Send an item."""
        self._index = index
        with contextlib.suppress(OSError):  # it has ended: reading says so
            self.connection.send((index, item))

    def answer(self) -> Outcome | None:
        """Return the next outcome; None of the word that all is loaded.

        Raises:
            LeapError: that of the opener, or the process has ended in it.
        """
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            return self._end()
        if isinstance(message, LeapError):
            raise message
        if isinstance(message, Outcome):
            self._index = None
            return message
        self._ready = True
        return None

    def _end(self) -> Outcome | None:
        self.ended = True
        self.join()
        code = self._process.exitcode
        how = f"with exit code {code}"
        if code is not None and code < 0:
            how = f"by {signal.Signals(-code).name}{', maybe for lack of memory' if code == -signal.SIGKILL else ''}"
        if not self._ready:
            raise LeapError(f"a process that loads the networks was ended {how}; fewer --jobs need less memory")
        return None if self._index is None else Outcome(self._index, problem=f"its process was ended {how}")

    def close(self) -> None:
        """Ask the process to end, whatever it is at: it holds nothing that would be lost."""
        self.connection.close()
        self._process.terminate()

    def join(self) -> None:
        """Wait for its end."""
        self._process.join(_PATIENCE)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Give processes that are started in the block one thread each: libraries read these when they are loaded."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Keep Ctrl-C, which reaches all processes of a terminal, from those that are started in the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, opener: Callable[[], Work]) -> None:
    """Do the work of a process until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process ends it
    try:
        try:
            work = opener()
        except LeapError as error:
            connection.send(error)
            return
        except Exception as error:
            connection.send(LeapError(f"the networks cannot be loaded: {_reason(error)}"))
            return
        connection.send(None)
        while True:
            index, item = connection.recv()
            connection.send(_outcome(work, index, item))
    except (EOFError, OSError):  # whoever asked has ended
        return


def _outcome(work: Work, index: int, item: Any) -> Outcome:
    try:
        return Outcome(index, work(item))
    except LeapError as error:
        return Outcome(index, problem=str(error))
    except Exception as error:  # a decoder's or a network's; it must not cost the videos behind it
        return Outcome(index, problem=_reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory"
    text = (str(error).splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
