"""Run the cells of a plan: skip the finished, survive the broken, stop cleanly."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from rich.console import Console

from leap_avvp.errors import DataError
from leap_avvp.scoring.record import RunRecord
from leap_avvp.studies.cells import (
    INTERRUPTED,
    CellResult,
    cannot_run,
    inputs,
    outcome,
    prepare,
    read_state,
    write_state,
)
from leap_avvp.studies.collect import CELLS_FOLDER, collect_runs
from leap_avvp.studies.plan import Cell, Plan
from leap_avvp.studies.processes import ProcessRunner, Terminated

__all__ = ["CellResult", "Runner", "inspect_plan", "run_cells"]


Runner = Callable[[Cell], int]
"""Runs one cell in its folder and returns the exit code."""


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
    state = read_state(cell.folder)
    if state.get("config_hash") == cell.config_hash and state.get("exit_code") not in (None, *INTERRUPTED):
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
            cell = cell.reading(inputs(cell, known))
        except DataError as error:
            done[index] = cannot_run(cell, head, str(error), console)
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


def _run_cell(cell: Cell, head: str, runner: Runner, console: Console) -> CellResult:
    console.print(f"{head} {cell}: training\n  $ {cell.shown}")
    prepare(cell, console)
    started = time.monotonic()
    write_state(cell, None)
    code = runner(cell)
    if code in INTERRUPTED:
        raise KeyboardInterrupt
    done = outcome(cell, code)
    write_state(cell, code, done.error)
    if done.record is not None:
        average = done.record.test.get("average")
        score = "" if average is None else f", Avg. {average:.1f}"
        console.print(f"{head} {cell}: finished in {time.monotonic() - started:.0f} s{score}")
    else:
        console.print(f"{head} {cell}: broken (exit code {code}), going on: {done.error}")
    return done
