"""Trained cells evaluated once more under other settings: what a study's ``evaluate`` asks for."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from leap_avvp.config.hashing import cell_name
from leap_avvp.config.words import quote
from leap_avvp.errors import DataError
from leap_avvp.scoring.record import RunRecord
from leap_avvp.studies.plan import evaluated
from leap_avvp.studies.spec import Study
from leap_avvp.studies.sweep import CellResult

__all__ = ["evaluate_cells"]

_FILE = "evaluation_test.json"


def evaluate_cells(study: Study, results: Sequence[CellResult], console: Console, run: bool = True) -> list[CellResult]:
    """Return a result for each cell and each of the study's evaluations; those that are there are not run again.

    Args:
        study: whose ``evaluate`` names the overrides; without any the results come back as they are.
        results: of the trained cells.
        console: for a line an evaluation.
        run: evaluate what is missing; else leave it "not run".
    """
    if not study.evaluate:
        return list(results)
    found = []
    for override in study.evaluate:
        for result in results:
            cell = evaluated(result.cell, override)
            if result.record is None:
                found.append(dataclasses.replace(result, cell=cell))
                continue
            folder = result.record.path.parent / "evaluations" / cell_name([override])
            record = _read(folder, result.record)
            error = ""
            if record is None and run:
                console.print(f"{study.name}: evaluating {result.cell} with {override}")
                error = _evaluate(result.record.path.parent, override, folder)
                record = _read(folder, result.record)
            status = "finished" if record else ("failed" if error else "not run")
            found.append(CellResult(cell, status, record, error))  # type: ignore[arg-type]
    return found


def _evaluate(run: Path, override: str, folder: Path) -> str:
    """Run ``leap-avvp evaluate``; return its last line where it failed."""
    words = [f"checkpoint={quote(run / 'checkpoints' / 'best.ckpt')}", override, f"hydra.run.dir={quote(folder)}"]
    command = [sys.executable, "-m", "leap_avvp", "evaluate", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def _read(folder: Path, trained: RunRecord) -> RunRecord | None:
    """Return the trained run's record with the evaluation's scores; None where there is no sound one of that run."""
    try:
        content: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        if content["config_hash"] != trained.config_hash:
            return None
        scores = {str(key): float(value) for key, value in content["scores"].items()}
        return dataclasses.replace(trained, test=scores, protocol=dict(content["protocol"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError):
        return None
