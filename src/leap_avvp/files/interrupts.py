"""Ctrl-C, SIGTERM and SIGUSR1 end a run in order: the step is finished, the state saved, the process leaves."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from leap_avvp.files.machine import STOP_SIGNALS

__all__ = ["StopSignals", "Stopped"]


class Stopped(BaseException):
    """A signal asked the run to end, and it has. Not an ``Exception``: no sweep goes on after it.

    Args:
        signum: the signal.
        where: what is kept, and how to go on.
    """

    def __init__(self, signum: int, where: str = "nothing was saved since the last checkpoint") -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}: {where}")
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """What a shell would report of a process that the signal had ended: 128 and its number."""
        return 128 + self.signum


class StopSignals:
    """Takes the signals that ask a run to end. While ``waiting`` is set the first one is only remembered.

    Whoever sets ``waiting`` looks at :attr:`asked` where the state is whole, and raises :class:`Stopped`; a second
    signal does not wait, and neither does one that comes outside.
    """

    def __init__(self) -> None:
        # A script's background jobs are started with SIGINT ignored: Ctrl-C is not meant for them.
        self._signals = [signum for signum in STOP_SIGNALS if signal.getsignal(signum) != signal.SIG_IGN]
        # Where submitit has started this job, that puts it back into the queue: after the state is saved.
        handed_on = getattr(signal, "SIGUSR2", None)
        self._handed_on = handed_on if handed_on and callable(signal.getsignal(handed_on)) else None
        if self._handed_on:
            self._signals.append(self._handed_on)
        self.asked: int | None = None
        self.waiting = False

    def take(self) -> None:
        """Become the handler; again, where another (Lightning's) has taken over."""
        if threading.current_thread() is threading.main_thread():  # signals belong to the main thread
            for signum in self._signals:
                signal.signal(signum, self._handle)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.waiting and self.asked is None:
            self.asked = signum
            name = signal.Signals(signum).name
            print(f"{name}: finishing this step and saving; again to stop at once", file=sys.stderr, flush=True)
            return
        self.waiting = False
        raise Stopped(signum)

    @contextlib.contextmanager
    def taken(self) -> Iterator[StopSignals]:
        """Take the signals while the block runs."""
        before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            before = {signum: signal.getsignal(signum) for signum in self._signals}
        self.take()
        left_by = None
        try:
            yield self
        except Stopped as stopped:
            left_by = stopped.signum
            raise
        finally:
            for signum, handler in before.items():
                signal.signal(signum, signal.SIG_DFL if handler is None else handler)
            if left_by is not None and left_by == self._handed_on:
                signal.raise_signal(left_by)
