"""A cell as a process of its own: its output shown and logged, its threads counted, ended cleanly."""

from __future__ import annotations

import codecs
import contextlib
import math
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from leap_avvp.files.machine import cpu_threads
from leap_avvp.studies.plan import Cell

__all__ = ["LOG_FILE", "ProcessRunner", "Terminated", "ThreadShares", "auto_jobs", "terminable"]

LOG_FILE = "reproduce.log"
# How long an interrupted training may take to write its checkpoint, seconds.
_GRACE = 60.0
_MEMORY_A_JOB = 2_500_000_000
_SHOWN = ("epoch ", "resuming ")


class Terminated(KeyboardInterrupt):
    """SIGTERM, told like Ctrl-C."""


def auto_jobs(cells: Sequence[Cell], memory: int, has_gpu: bool | None = None) -> int:
    """Return how many cells to run side by side.

    On a CPU as many as there are threads, cells and 2.5 GB of memory for: the products of one step are too small to
    share, so one thread a cell gets two to three times as many steps out of four cores as four threads a cell. One on a
    GPU.

    Args:
        cells: those that are to run.
        memory: bytes that are free.
        has_gpu: whether there is an accelerator; looked up when None.
    """
    if has_gpu is None:
        has_gpu = sys.platform == "darwin" or Path("/dev/nvidia0").exists() or Path("/dev/kfd").exists()
    on_cpu = not has_gpu or all(cell.config.get("trainer", {}).get("accelerator") == "cpu" for cell in cells)
    return max(1, min(len(cells), cpu_threads(), memory // _MEMORY_A_JOB)) if on_cpu else 1


class ThreadShares:
    """Shares the threads among the cells that run side by side, anew whenever one starts: the last get more.

    A process cannot be given more threads later on, so what counts is how many cells run beside it for the most of its
    time: those that wait, and of those that run the ones with more than half of their time before them.

    Args:
        jobs: cells that run side by side at most.
        cells: that are to run in all.
        clock: seconds.
    """

    def __init__(self, jobs: int, cells: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.jobs, self._waiting, self._clock = jobs, cells, clock
        self._running: list[float] = []
        """When each has started."""
        self._longest = math.inf
        """That a cell took, once one has come to its end."""
        self._lock = threading.Lock()

    def begin(self) -> tuple[float, int]:
        """Count one more cell as running; return when it started and how many threads it gets."""
        with self._lock:
            now = self._clock()
            self._waiting = max(0, self._waiting - 1)
            beside = self._waiting + sum(now - started < self._longest / 2 for started in self._running)
            self._running.append(now)
        return now, max(1, cpu_threads() // min(self.jobs, 1 + beside))

    def end(self, started: float, whole: bool) -> None:
        """Count a cell no longer; ``whole`` where it came to its end, so that its time says how long others take."""
        with self._lock:
            self._running.remove(started)
            took = self._clock() - started
            if whole:
                self._longest = took if math.isinf(self._longest) else max(self._longest, took)


class ProcessRunner:
    """Runs a cell and returns its exit code.

    Alone, a cell's stdout is ours, so that a progress bar shows. Side by side with others it has its share of the
    threads, its stdout goes to its log, and of it the lines of the epochs to ours. Stderr goes to ours and to the log.

    Args:
        keep_open: file descriptors that the processes shall hold too (the folder's lock; None where it has none).
        jobs: cells that run side by side.
        cells: that are to run in all, ``jobs`` by default.
    """

    def __init__(self, keep_open: Sequence[int | None] = (), jobs: int = 1, cells: int | None = None) -> None:
        self.keep_open = tuple(descriptor for descriptor in keep_open if descriptor is not None)
        self.jobs = jobs
        self._shares = ThreadShares(jobs, jobs if cells is None else cells)
        self._stopping = threading.Event()
        self._at_once = False

    def stop(self, at_once: bool) -> None:
        """End all processes; ``at_once`` where Ctrl-C has not reached them already."""
        self._at_once = at_once
        self._stopping.set()

    def __call__(self, cell: Cell) -> int:
        """Run ``cell``.

        Raises:
            KeyboardInterrupt: in the main thread, after the process has ended.
        """
        if self.jobs == 1:
            return self._run(cell, {})
        started, threads = self._shares.begin()
        code = None
        try:
            code = self._run(cell, {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)})
        finally:
            self._shares.end(started, whole=code == 0)
        return code

    def _run(self, cell: Cell, threads: dict[str, str]) -> int:
        log = cell.folder / LOG_FILE
        with log.open("a", encoding="utf-8") as file:
            file.write(f"# {time.strftime('%Y-%m-%d %H:%M:%S')} $ {shlex.join(cell.command)}\n")
        process = subprocess.Popen(
            cell.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self.jobs > 1 else None,
            stderr=subprocess.PIPE,
            pass_fds=self.keep_open,
            env=os.environ | threads,
        )
        head = f"[{cell}] " if self.jobs > 1 else ""
        tees = []
        for source, target, keep in ((process.stdout, sys.stdout, _SHOWN), (process.stderr, sys.stderr, None)):
            if source is not None:
                # A daemon: a grandchild that outlives the training may hold the pipe open.
                tees.append(threading.Thread(target=_tee, args=(source, log, target, head, keep), daemon=True))
                tees[-1].start()
        try:
            code = self._wait(process)
        except KeyboardInterrupt as interrupt:
            code = _stop(process, at_once=isinstance(interrupt, Terminated))
            raise
        finally:
            for tee in tees:
                tee.join(timeout=5)
            with log.open("a", encoding="utf-8") as file:
                file.write(f"# exit code {process.returncode}\n")
        return code

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        if self.jobs == 1:
            return process.wait()
        while not self._stopping.is_set():  # interrupts reach the main thread only, which waits for this one
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=0.2)
        return _stop(process, self._at_once)


def _tee(stream: IO[bytes], log: Path, target: IO[str], head: str, keep: tuple[str, ...] | None) -> None:
    """Copy a stream to a log, and to ``target`` with ``head`` before each line (that begins as ``keep`` says)."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    with stream, log.open("a", encoding="utf-8") as file:
        while chunk := stream.read1(65536):  # type: ignore[attr-defined]
            text = decoder.decode(chunk)
            *lines, rest = (rest + text).split("\n")
            # Whole lines only: the other stream writes to the same log.
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            if head:
                text = "".join(f"{head}{line}\n" for line in lines if keep is None or line.startswith(keep))
            target.write(text)
            target.flush()
        if rest:
            file.write(f"{rest}\n")
        if rest and head and keep is None:
            target.write(f"{head}{rest}\n")


def _stop(process: subprocess.Popen[bytes], at_once: bool) -> int:
    """End a training: Ctrl-C has reached it already when it came from the terminal; SIGTERM has not."""
    if at_once:
        process.terminate()
    for harder in (process.terminate, process.kill):
        try:
            return process.wait(timeout=_GRACE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C does not wait
            harder()
    return process.wait()


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception while the block runs, so that no training is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to the main thread
        return

    def stop(signum: int, frame: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
