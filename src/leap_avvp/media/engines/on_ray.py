"""Ray: a pool of actors, each with one load of the networks. Results come back to whoever asked, and are written there.

Only this machine writes, so that no folder need be shared; the videos and the weights must be found under the same
paths on each node. Nothing is sent to anyone: no statistics of use, no dashboard.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from leap_avvp.errors import ConfigError, LeapError
from leap_avvp.files.machine import STOP_SIGNALS
from leap_avvp.media.engines.host import Host, Order
from leap_avvp.media.extras import need
from leap_avvp.media.pool import TRIES, Outcome, Work, aside, auto_jobs

__all__ = ["OnRay"]

_SILENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # GPUs that a worker without one may see are not our affair
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # twenty lines of a raylet's log for each node that is lost
}
_STORE = 512 * 2**20  # bytes for results on their way: of a video a few megabytes
_LOOK = 1.0  # seconds
_WORRY = 60.0  # seconds without any worker before that is told
_LOST = "its Ray worker or node was ended"


@dataclasses.dataclass(frozen=True)
class OnRay:
    """See :class:`~leap_avvp.media.engines.Engine`."""

    address: str | None = None
    """Of a cluster that runs; None: ``$RAY_ADDRESS``, or one that is started on this machine, and ends with the work.
    A session that the process is part of already is used as it is."""
    gpus: float = 0.0
    """Of a worker."""

    def outcomes(self, opener: Callable[[], Work], items: Sequence[Any], jobs: int | None = None) -> Generator[Outcome]:
        """Yield what comes of each item; see :class:`~leap_avvp.media.engines.Engine`."""
        if not items:
            return
        order = Order.of(opener)
        with self._session(jobs or auto_jobs(len(items))) as ray:
            count = min(jobs or _room(ray, self.gpus), len(items))
            crew = _Crew(ray, ray.put(order), self.gpus, count)
            try:
                yield from _all_of(items, crew)
            finally:
                crew.close()

    @contextlib.contextmanager
    def _session(self, cores: int) -> Iterator[Any]:
        """Be part of a cluster while the block runs, and yield ``ray``.

        Raises:
            ConfigError: Ray is not installed, or there is no cluster at the address.
        """
        for name, value in _SILENT.items():
            os.environ.setdefault(name, value)
        with _own_signals():
            ray = need("ray", "ray")
            own = not ray.is_initialized()
            if own:
                address = self.address or os.environ.get("RAY_ADDRESS") or "local"
                options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
                if address == "local":
                    options |= {"num_cpus": cores, "include_dashboard": False, "object_store_memory": _STORE}
                try:
                    ray.init(**options)
                except Exception as error:  # of several libraries
                    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
                    what = f"expected a Ray cluster at {address}, found none ({reason})"
                    raise ConfigError(f"--address: {what}") from None
        try:
            yield ray
        finally:
            if own:
                with _own_signals():
                    ray.shutdown()


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our own handlers, by which a run ends in order: Ray puts one of its own in place of SIGTERM's."""
    before = {signum: signal.getsignal(signum) for signum in STOP_SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            if signal.getsignal(signum) is not handler and handler is not None:
                signal.signal(signum, handler)


def _room(ray: Any, gpus: float) -> int:
    """Return for how many workers a cluster has CPUs, and GPUs if they want some."""
    there = ray.cluster_resources()
    rooms = [int(there.get("CPU", 0)), *([int(there.get("GPU", 0) / gpus)] if gpus else [])]
    return max(1, min(rooms))


@dataclasses.dataclass(eq=False)
class _Member:
    """An actor, and the item that it is at."""

    handle: Any
    ready: bool = False
    index: int | None = None


class _Crew:
    """As many actors as are wanted, as far as the cluster has room for them."""

    def __init__(self, ray: Any, order: Any, gpus: float, count: int) -> None:
        self._ray, self._order, self._count, self._gpus = ray, order, count, gpus
        self._coming: queue.SimpleQueue[tuple[_Member, Any]] = queue.SimpleQueue()
        self._class = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0)(Host)
        self.members: list[_Member] = []
        self._idle_since = time.monotonic()

    def fill(self, most: int) -> None:
        """Ask for actors up to their number, or ``most`` where fewer have something to do."""
        while len(self.members) < min(self._count, most):
            member = _Member(self._class.remote(self._order))
            self.members.append(member)
            self._listen(member, member.handle.ready.remote())

    def give(self, member: _Member, index: int, item: Any) -> None:
        """Send an item."""
        member.index = index
        self._listen(member, member.handle.work.remote(index, item))

    def _listen(self, member: _Member, reference: Any) -> None:
        # Ray's own waiting would swallow an exception of a signal's handler: its callbacks fill a queue of Python's.
        reference.future().add_done_callback(lambda future: self._coming.put((member, future)))

    def next(self) -> tuple[_Member, Any]:
        """Wait for a member's answer; return both. A member that has ended is dropped."""
        while True:
            try:
                member, future = self._coming.get(timeout=_LOOK)
            except queue.Empty:
                self._worry()
                continue
            if member not in self.members:  # its other answers
                continue
            self._idle_since = time.monotonic()
            error = future.exception()
            if error is None:
                return member, future.result()
            if isinstance(error, self._ray.exceptions.RayTaskError):  # ours, so that each worker would say so
                return member, LeapError(f"Ray: {_first_line(error.cause or error)}")
            self.members.remove(member)
            with contextlib.suppress(Exception):
                self._ray.kill(member.handle)
            return member, error

    def _worry(self) -> None:
        """Say that nobody works, now and then."""
        if any(member.ready for member in self.members):
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > _WORRY:
            self._idle_since = time.monotonic()
            wanted = f"1 CPU and {self._gpus:g} GPUs" if self._gpus else "1 CPU"
            print(f"no node of the Ray cluster gives a worker its {wanted}: waiting", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End all."""
        for member in self.members:
            with contextlib.suppress(Exception):  # it has ended
                self._ray.kill(member.handle)
        self.members.clear()


def _all_of(items: Sequence[Any], crew: _Crew) -> Generator[Outcome]:
    """Give the items to the crew, and again those whose worker has ended."""
    waiting = collections.deque(range(len(items)))
    deaths: collections.Counter[int] = collections.Counter()
    left, fruitless = len(items), 0
    crew.fill(left)
    while left:
        member, answer = crew.next()
        lost = isinstance(answer, BaseException) and not isinstance(answer, LeapError)
        index, member.index = member.index, None
        if isinstance(answer, LeapError):
            raise answer
        if lost:
            if index is None:
                fruitless += 1
                if fruitless > TRIES * len(crew.members) + TRIES:
                    raise LeapError(f"Ray workers end before they have begun: {_first_line(answer)}")
            else:
                deaths[index] += 1
                waiting.append(index)
                answer = aside(index, _LOST, TRIES) if deaths[index] == TRIES else None
                if answer is not None:
                    waiting.pop()
            crew.fill(len(waiting) + sum(one.index is not None for one in crew.members))
        else:
            member.ready, fruitless = True, 0
        for free in crew.members:
            if free.ready and free.index is None and waiting:
                place = waiting.popleft()
                crew.give(free, place, items[place])
        if isinstance(answer, Outcome):
            left -= 1
            yield dataclasses.replace(answer, deaths=answer.deaths + deaths[answer.index])


def _first_line(error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:300]
