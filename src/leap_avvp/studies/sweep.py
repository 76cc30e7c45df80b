"""Run the cells of a plan one after another: skip the finished, survive the broken, stop cleanly."""

from __future__ import annotations

import codecs
import contextlib
import dataclasses
import json
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Literal

from rich.console import Console

from leap_avvp.errors import DataError
from leap_avvp.files import write_whole
from leap_avvp.studies.collect import METRICS_FILE, RunRecord, collect_runs, read_record
from leap_avvp.studies.plan import CELLS_FOLDER, Cell, Plan

__all__ = [
    "LOG_FILE",
    "CellResult",
    "Runner",
    "Terminated",
    "inspect_plan",
    "run_cells",
    "run_process",
    "terminable",
]

LOG_FILE = "reproduce.log"
_STATE_FILE = "cell.json"
_INTERRUPTED = (130, 143, -signal.SIGINT, -signal.SIGTERM)
# How long an interrupted training may take to write its checkpoint, seconds.
_GRACE = 20.0

Status = Literal["finished", "failed", "not run"]
Runner = Callable[[Cell], int]
"""Runs one cell in its folder and returns the exit code."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, told like Ctrl-C."""


@dataclasses.dataclass(frozen=True)
class CellResult:
    """What is known of a cell."""

    cell: Cell
    status: Status
    record: RunRecord | None = None
    """Of a finished cell."""
    error: str = ""
    """Of a failed one: its last error line."""

    @property
    def log(self) -> Path:
        """Where the cell's command, its errors and its exit code are written."""
        return self.cell.folder / LOG_FILE


def inspect_plan(plan: Plan) -> tuple[list[CellResult], dict[Path, DataError]]:
    """Say of every cell whether it is finished, without running anything.

    A cell is finished when any run under the study's folder has its config hash (which holds the seed).

    Returns:
        One result for each cell, and the folders whose ``metrics.json`` could not be used.
    """
    records, problems = collect_runs([plan.out / CELLS_FOLDER])
    return [_inspect_cell(cell, records.get(cell.config_hash)) for cell in plan.cells], problems


def _inspect_cell(cell: Cell, record: RunRecord | None) -> CellResult:
    if record is not None:
        return CellResult(cell, "finished", record)
    state = _read_state(cell.folder)
    if state.get("config_hash") == cell.config_hash and state.get("exit_code") not in (None, *_INTERRUPTED):
        return CellResult(cell, "failed", error=str(state.get("error", "")))
    return CellResult(cell, "not run")


def run_cells(results: Sequence[CellResult], runner: Runner, console: Console) -> Iterator[CellResult]:
    """Run every cell that is not finished, in order, and yield what became of each cell.

    Raises:
        KeyboardInterrupt: Ctrl-C, here or in a cell; the cell's folder says "not run", and its checkpoint stays.
    """
    for number, result in enumerate(results, start=1):
        cell, head = result.cell, f"[{number}/{len(results)}] {result.cell}:"
        if result.status == "finished":
            yield result
            continue
        console.print(f"{head} training\n  $ {cell.shown}")
        _prepare(cell, console)
        started = time.monotonic()
        _write_state(cell, None)
        code = runner(cell)
        if code in _INTERRUPTED:
            raise KeyboardInterrupt
        done = _outcome(cell, code)
        _write_state(cell, code, done.error)
        if done.record is not None:
            average = done.record.test.get("average")
            score = "" if average is None else f", Avg. {average:.1f}"
            console.print(f"{head} finished in {time.monotonic() - started:.0f} s{score}")
        else:
            console.print(f"{head} broken (exit code {code}), going on: {done.error}")
        yield done


def _outcome(cell: Cell, code: int) -> CellResult:
    if code != 0:
        return CellResult(cell, "failed", error=_last_error(cell.folder / LOG_FILE) or f"exit code {code}")
    try:
        record = read_record(cell.folder / METRICS_FILE)
    except DataError as error:
        return CellResult(cell, "failed", error=f"ended well but left no result: {error}")
    if record.config_hash != cell.config_hash:
        return CellResult(
            cell,
            "failed",
            error=f"{record.path}: expected a run of the configuration {cell.config_hash}, found {record.config_hash}",
        )
    return CellResult(cell, "finished", record)


def _prepare(cell: Cell, console: Console) -> None:
    """Make the cell's folder; what another configuration left there is moved aside, never mixed or lost."""
    state = _read_state(cell.folder)
    left_by_other = (cell.folder / METRICS_FILE).exists() or state.get(
        "config_hash", cell.config_hash
    ) != cell.config_hash
    if left_by_other:
        aside = cell.folder.with_name(f"{cell.folder.name}.old-1")
        while aside.exists():
            stem, _, number = aside.name.rpartition("-")
            aside = aside.with_name(f"{stem}-{int(number) + 1}")
        cell.folder.rename(aside)
        console.print(f"  {cell.folder.name} held a run of another configuration, or a damaged one: now {aside.name}")
    cell.folder.mkdir(parents=True, exist_ok=True)


def _read_state(folder: Path) -> dict[str, object]:
    try:
        content = json.loads((folder / _STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # no state, or none that can be used: the cell counts as not run
    return content if isinstance(content, dict) else {}


def _write_state(cell: Cell, exit_code: int | None, error: str = "") -> None:
    state = {"config_hash": cell.config_hash, "exit_code": exit_code, "error": error, "overrides": cell.overrides}
    write_whole(cell.folder / _STATE_FILE, json.dumps(state, indent=1) + "\n")


def _last_error(log: Path) -> str:
    """Return the last line of a log that looks like an error, else its last line."""
    try:
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return ""
    lines = [line for line in lines if line and not line.startswith(("wandb:", "#"))]
    errors = [
        line for line in lines if re.match(r"(leap-avvp: |error: |[\w.]*(Error|Exception|Interrupt|Exit)\b)", line)
    ]
    return (errors or lines or [""])[-1]


def run_process(cell: Cell, keep_open: Sequence[int] = ()) -> int:
    """Run a cell as a process of its own and return its exit code.

    Its stdout is ours, so that a progress bar shows; its stderr goes to ours and to the cell's log.

    Args:
        cell: what to run.
        keep_open: file descriptors that the process shall hold too (the folder's lock).

    Raises:
        KeyboardInterrupt: after the process has ended.
    """
    log = cell.folder / LOG_FILE
    with log.open("a", encoding="utf-8") as file:
        file.write(f"# {time.strftime('%Y-%m-%d %H:%M:%S')} $ {shlex.join(cell.command)}\n")
    process = subprocess.Popen(
        cell.command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=tuple(keep_open)
    )
    assert process.stderr is not None
    # A daemon: a grandchild that outlives the training may hold the pipe open.
    tee = threading.Thread(target=_tee, args=(process.stderr, log), daemon=True)
    tee.start()
    try:
        code = process.wait()
    except KeyboardInterrupt as interrupt:
        code = _stop(process, at_once=isinstance(interrupt, Terminated))
        raise
    finally:
        tee.join(timeout=5)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"# exit code {process.returncode}\n")
    return code


def _tee(stream: IO[bytes], log: Path) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    with stream, log.open("a", encoding="utf-8") as file:
        while chunk := stream.read1(65536):  # type: ignore[attr-defined]
            text = decoder.decode(chunk)
            sys.stderr.write(text)
            sys.stderr.flush()
            file.write(text)
            file.flush()


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
