"""Slurm: an array of jobs by submitit, each with one load of the networks, that take videos from a folder all share.

Only the process that asked writes results. It looks at ``squeue``, so that no accounting is needed, and puts new jobs
in the place of those that ended: at their time's end, cancelled, or with their node.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import logging
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from leap_avvp.errors import ConfigError, LeapError
from leap_avvp.media.engines.host import Host, Order
from leap_avvp.media.engines.spool import Spool
from leap_avvp.media.extras import need
from leap_avvp.media.pool import Outcome, Work

__all__ = ["OnSlurm", "job_options", "serve"]

_MOST_JOBS = 16  # unless it is said
_AHEAD = 16  # items in the folder for each job: so many are done while nobody looks
_LOOK = 0.5  # seconds between looks into the folder
_ASK = 5.0  # between questions to Slurm
_PATIENCE = 600.0  # without an answer of it
_ENDING = 30.0  # for cancelled jobs to leave
_OURS = ("command", "folder", "job_name", "map_count", "additional_parameters", "srun_args", "use_srun", "setup")
_DEFAULTS: Mapping[str, Any] = {"time": 240, "cpus_per_task": 1}
_NAME = "name"


def job_options(words: Sequence[str]) -> dict[str, Any]:
    """Return options of jobs: ``["partition=gpu", "time=4:00:00", "gpus=1"]``; any of sbatch's, with - or _ in names.

    Raises:
        ConfigError: no ``KEY=VALUE``, or one that is set here.
    """
    found: dict[str, Any] = {}
    for word in words:
        key, sign, value = word.partition("=")
        key = key.lstrip("-").replace("-", "_")
        if not sign or not key.isidentifier() or key in _OURS:
            raise ConfigError(f"--slurm: expected options of sbatch as KEY=VALUE (partition=gpu), found {word[:80]!r}")
        found[key] = int(value) if value.isdecimal() else value
    return found


@dataclasses.dataclass(frozen=True)
class OnSlurm:
    """See :class:`~leap_avvp.media.engines.Engine`."""

    folder: Path
    """For tickets and logs; all nodes must see it, and the videos."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Of :func:`job_options`."""

    def outcomes(self, opener: Callable[[], Work], items: Sequence[Any], jobs: int | None = None) -> Generator[Outcome]:
        """Yield what comes of each item; see :class:`~leap_avvp.media.engines.Engine`."""
        if not items:
            return
        for program in ("sbatch", "srun", "squeue", "scancel"):
            if shutil.which(program) is None:
                raise ConfigError(f"--engine slurm: expected Slurm's {program} on this machine, found none")
        order = Order.of(opener)
        _clear(self.folder)
        place = self.folder / secrets.token_hex(4)
        spool = Spool.make(place, order)
        crew = _Crew(spool, place / "logs", dict(_DEFAULTS) | dict(self.options))
        keep = False
        try:
            yield from _all_of(items, spool, crew, min(jobs or _MOST_JOBS, len(items)))
        except LeapError:
            keep = True  # the logs say more; the next run removes them
            raise
        finally:
            crew.end()
            if not keep:
                shutil.rmtree(self.folder, ignore_errors=True)


def _all_of(items: Sequence[Any], spool: Spool, crew: _Crew, count: int) -> Generator[Outcome]:
    """Put the items into the folder, a few at a time, and take out what comes of them."""
    waiting = collections.deque(range(len(items)))
    left = set(waiting)
    while left:
        outside = len(left) - len(waiting)
        for _ in range(min(len(waiting), _AHEAD * count - outside)):
            index = waiting.popleft()
            spool.put(index, items[index])
        crew.keep(min(count, len(left)))
        found = False
        for outcome in spool.collect():
            if outcome.index in left:  # else two have done it
                left.remove(outcome.index)
                crew.fruitless, found = 0, True
                yield outcome
        if not found:
            time.sleep(_LOOK)


class _Crew:
    """As many jobs, in the queue or at work, as are wanted."""

    def __init__(self, spool: Spool, logs: Path, options: Mapping[str, Any]) -> None:
        self._spool, self._logs, self._options = spool, logs, options
        self._name = f"leap-avvp-{spool.folder.name}"
        (spool.folder / _NAME).write_text(self._name, encoding="utf-8")
        self._jobs: dict[str, Any] = {}
        self._asked = self._answered = -_ASK
        self.fruitless = 0
        """Jobs that ended since the last outcome."""

    def keep(self, count: int) -> None:
        """Put jobs into the place of those that have ended.

        Raises:
            LeapError: Slurm takes none, or they end one after another without an outcome.
        """
        now = time.monotonic()
        if now - self._asked < _ASK and self._jobs:
            return
        self._asked = now
        self._spool.beat()
        if self._jobs:
            there = self._there(now)
            if there is None:
                return
            ended = [number for number in self._jobs if number not in there]
            last = [self._jobs.pop(number) for number in ended]
            for worker in self._spool.busy():
                if worker not in there:
                    self._spool.give_back(worker, died=True)
            self.fruitless += len(ended)
            if last and self.fruitless > 3 + 2 * count:
                said = f"{_said(last[-1])} (logs: {self._logs})"
                raise LeapError(f"Slurm jobs end one after another without an outcome; the last one says: {said}")
        if len(self._jobs) < count:
            self._submit(count - len(self._jobs))

    def _there(self, now: float) -> set[str] | None:
        """Return the jobs that are waiting or at work; None where Slurm does not answer.

        Raises:
            LeapError: it has not for a long time.
        """
        done = _slurm("squeue", "--noheader", "--array", f"--name={self._name}", "--format=%i")
        if done.returncode == 0:
            self._answered = now
            return set(done.stdout.split())
        if now - self._answered > _PATIENCE:
            raise LeapError(f"Slurm does not answer: {_last_line(done.stderr)}; the same command goes on")
        return None

    def _submit(self, count: int) -> None:
        submitit = need("submitit", "launchers")
        logging.getLogger("submitit").setLevel(logging.ERROR)
        executor = submitit.SlurmExecutor(folder=self._logs)
        known = {key: value for key, value in self._options.items() if key in executor._valid_parameters()}
        more = {key: value for key, value in self._options.items() if key not in known}
        executor.update_parameters(job_name=self._name, additional_parameters=more, **known)
        try:
            with executor.batch():
                jobs = [executor.submit(serve, str(self._spool.folder)) for _ in range(count)]
        except Exception as error:  # submitit's, with what sbatch says
            raise ConfigError(f"--slurm: sbatch takes no such job: {_last_line(str(error))}") from None
        self._jobs |= {str(job.job_id): job for job in jobs}
        self._answered = time.monotonic()

    def end(self) -> None:
        """Cancel all, and tell those that are at work that nobody asks any more."""
        with contextlib.suppress(OSError):
            (self._spool.folder / "beat").unlink()
        if self._jobs:
            _slurm("scancel", f"--name={self._name}")
            patience = time.monotonic() + _ENDING
            while self._there(time.monotonic()) and time.monotonic() < patience:
                time.sleep(_LOOK)


def _clear(folder: Path) -> None:
    """Remove what a killed process has left, its jobs too; only who holds the results' lock may do so."""
    for name in folder.glob(f"*/{_NAME}"):
        with contextlib.suppress(OSError):
            _slurm("scancel", f"--name={name.read_text(encoding='utf-8')}")
    shutil.rmtree(folder, ignore_errors=True)


def _slurm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def _said(job: Any) -> str:
    """Return the last line that a job has written."""
    for path in (job.paths.stderr, job.paths.stdout):
        with contextlib.suppress(OSError):
            if text := path.read_text(encoding="utf-8", errors="replace").strip():
                return _last_line(text)
    return "nothing"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["?"])[-1][:300]


class _Leave(BaseException):
    """Slurm asks the job to end."""


def _leave(signum: int, frame: FrameType | None) -> None:
    raise _Leave


def serve(folder: str) -> None:
    """Do the work of a job until nobody asks any more, or Slurm wants the node back.

    Args:
        folder: of the tickets.
    """
    spool = Spool(Path(folder))
    array, task = (os.environ.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    worker = f"{array}_{task}" if array and task else os.environ["SLURM_JOB_ID"]
    spool.give_back(worker, died=True)  # it was put back into the queue, and does not know how it ended
    for signum in (signal.SIGTERM, signal.SIGUSR2):  # cancelled or pre-empted; the time is up soon
        signal.signal(signum, _leave)
    host = None
    try:
        host = Host(spool.order)
        problem = host.ready()
        if problem is not None:
            spool.refuse(worker, problem)
            return
        while spool.is_open():
            ticket = spool.take(worker)
            if ticket is None:
                time.sleep(_LOOK)
                continue
            answer = host.work(ticket.index, ticket.item)
            if not isinstance(answer, Outcome):
                spool.refuse(worker, answer)
                return
            spool.finish(ticket, answer)
    except _Leave:
        for signum in (signal.SIGTERM, signal.SIGUSR2):
            signal.signal(signum, signal.SIG_IGN)
        spool.give_back(worker, died=False)
    finally:
        if host is not None:
            host.close()
