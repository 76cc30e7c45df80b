"""What is known of a cell and kept in its folder: its state, how it ended, and what it reads of others."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from rich.console import Console

from leap_avvp.errors import DataError
from leap_avvp.files import write_whole
from leap_avvp.files.machine import STOP_SIGNALS
from leap_avvp.scoring.record import METRICS_FILE, RunRecord, read_record
from leap_avvp.studies.plan import Cell
from leap_avvp.studies.processes import LOG_FILE

__all__ = [
    "INTERRUPTED",
    "CellResult",
    "cannot_run",
    "inputs",
    "outcome",
    "prepare",
    "read_state",
    "write_state",
]

_STATE_FILE = "cell.json"
INTERRUPTED = (*(128 + signum for signum in STOP_SIGNALS), *(-signum for signum in STOP_SIGNALS))
"""Exit codes of a training that a signal has asked to end: it is not broken."""

Status = Literal["finished", "failed", "not run"]


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


def inputs(cell: Cell, known: Mapping[str, CellResult]) -> dict[str, Path]:
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


def cannot_run(cell: Cell, head: str, reason: str, console: Console) -> CellResult:
    """Note that what a cell needs is not there."""
    prepare(cell, console)
    write_state(cell, 1, reason)
    console.print(f"{head} {cell}: not started, going on: {reason}".lstrip())
    return CellResult(cell, "failed", error=reason)


def outcome(cell: Cell, code: int) -> CellResult:
    """Say what a cell has come to whose command has ended with ``code``."""
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


def prepare(cell: Cell, console: Console) -> None:
    """Make the cell's folder; what another configuration left there is moved aside, never mixed or lost."""
    state = read_state(cell.folder)
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


def read_state(folder: Path) -> dict[str, object]:
    """Return what :func:`write_state` has left in a cell's folder; nothing where it cannot be used."""
    try:
        content = json.loads((folder / _STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # no state, or none that can be used: the cell counts as not run
    return content if isinstance(content, dict) else {}


def write_state(cell: Cell, exit_code: int | None, error: str = "") -> None:
    """Note how a cell has ended; with None that it has begun."""
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
