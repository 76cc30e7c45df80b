"""Run the cells of a plan: skip the finished, survive the broken, stop cleanly."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Literal

from rich.console import Console

from leap_avvp.errors import DataError
from leap_avvp.files import write_whole
from leap_avvp.files.machine import STOP_SIGNALS
from leap_avvp.scoring.record import METRICS_FILE, RunRecord, read_record
from leap_avvp.studies.collect import CELLS_FOLDER, collect_runs
from leap_avvp.studies.plan import Cell, Plan
from leap_avvp.studies.processes import LOG_FILE, ProcessRunner, Terminated

__all__ = ["CellResult", "Runner", "inspect_plan", "run_cells"]

_STATE_FILE = "cell.json"
_INTERRUPTED = (*(128 + signum for signum in STOP_SIGNALS), *(-signum for signum in STOP_SIGNALS))

Status = Literal["finished", "failed", "not run"]
Runner = Callable[[Cell], int]
"""Runs one cell in its folder and returns the exit code."""


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

    A cell is finished when any run of this study, or of another in a folder beside it, has its config hash (which
    holds the seed): what two studies have in common is trained once.

    Returns:
        One result for each cell, and the folders whose ``metrics.json`` could not be used.
    """
    beside = sorted(plan.out.parent.glob(f"*/{CELLS_FOLDER}"))
    records, problems = collect_runs(dict.fromkeys([plan.out / CELLS_FOLDER, *beside]))
    return [_inspect_cell(cell, records.get(cell.config_hash)) for cell in plan.cells], problems


def _inspect_cell(cell: Cell, record: RunRecord | None) -> CellResult:
    if record is not None:
        return CellResult(cell, "finished", record)
    state = _read_state(cell.folder)
    if state.get("config_hash") == cell.config_hash and state.get("exit_code") not in (None, *_INTERRUPTED):
        return CellResult(cell, "failed", error=str(state.get("error", "")))
    return CellResult(cell, "not run")


def run_cells(results: Sequence[CellResult], runner: Runner, console: Console, jobs: int = 1) -> list[CellResult]:
    """Run every cell that is not finished; return what became of each cell, in order.

    Args:
        results: of :func:`inspect_plan`; what a cell needs stands before it, and it starts once that is finished.
        runner: runs one cell; in threads of its own where several run side by side.
        console: for a line when a cell begins and when it ends.
        jobs: cells side by side.

    Raises:
        KeyboardInterrupt: Ctrl-C, here or in a cell; the cell's folder says "not run", and its checkpoint stays.
    """
    done = list(results)
    todo = [index for index, result in enumerate(results) if result.status != "finished"]

    def run(index: int) -> None:
        cell, head = results[index].cell, f"[{index + 1}/{len(results)}]"
        known = {result.cell.config_hash: result for result in done} if cell.needs else {}
        try:
            cell = cell.reading(_inputs(cell, known))
        except DataError as error:
            done[index] = _cannot_run(cell, head, str(error), console)
        else:
            done[index] = _run_cell(cell, head, runner, console)

    if jobs == 1 or len(todo) < 2:
        for index in todo:
            run(index)
        return done
    with ThreadPoolExecutor(jobs) as pool:
        running: dict[Future[None], int] = {}
        try:
            while todo or running:
                open_ends = {results[index].cell.config_hash for index in (*todo, *running.values())}
                free = [i for i in todo if open_ends.isdisjoint(need.config_hash for need in results[i].cell.needs)]
                for index in free[: jobs - len(running)]:
                    todo.remove(index)
                    running[pool.submit(run, index)] = index
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    future.result()
                    del running[future]
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(runner, ProcessRunner):
                runner.stop(at_once=isinstance(error, Terminated) or not isinstance(error, KeyboardInterrupt))
            raise
    return done


def _inputs(cell: Cell, known: Mapping[str, CellResult]) -> dict[str, Path]:
    """Return where the files lie that a cell needs, by the config keys that name them.

    Args:
        cell: that is to run.
        known: of the other cells, by their config hashes.

    Raises:
        DataError: the run that makes a file is not finished, or has left none.
    """
    paths = {}
    for need in cell.needs:
        made = known.get(need.config_hash)
        if made is None or made.record is None:
            why = "failed" if made else "is not in the plan"
            raise DataError(f"needs {need.path.name} of {need.name}, which {why}")
        paths[need.key] = made.record.path.parent / need.path.name
        if not paths[need.key].is_file():
            raise DataError(
                f"needs {paths[need.key]} of {need.name}, whose finished run has left none; remove that folder to run "
                "it again"
            )
    return paths


def _cannot_run(cell: Cell, head: str, reason: str, console: Console) -> CellResult:
    """Note that what a cell needs is not there."""
    _prepare(cell, console)
    _write_state(cell, 1, reason)
    console.print(f"{head} {cell}: not started, going on: {reason}")
    return CellResult(cell, "failed", error=reason)


def _run_cell(cell: Cell, head: str, runner: Runner, console: Console) -> CellResult:
    console.print(f"{head} {cell}: training\n  $ {cell.shown}")
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
        console.print(f"{head} {cell}: finished in {time.monotonic() - started:.0f} s{score}")
    else:
        console.print(f"{head} {cell}: broken (exit code {code}), going on: {done.error}")
    return done


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
