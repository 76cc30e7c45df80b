"""A study's last step on W&B: one run with the finished table, the report and the plots, beside the cells' own runs."""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import os
from pathlib import Path
from typing import Any

from rich.console import Console

from leap_avvp.files import write_whole
from leap_avvp.studies.plan import Plan
from leap_avvp.studies.render import to_csv, to_markdown
from leap_avvp.studies.tables import Table
from leap_avvp.tracking.wandb_mode import RUN_FILE, destination, files_folder, run_id, wandb_mode

__all__ = ["STATE_FILE", "log_summary", "table_rows"]

STATE_FILE = "wandb-summary.json"
"""In the study's folder: what its summary run holds."""
_TEXT_COLUMNS = ("study", "row", "kind", "data_source", "seed", "seeds", "state", "config_hash", "note")


def table_rows(table: Table) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and rows of a study's CSV, numbers as numbers and None where a field is empty."""
    header, *rows = csv.reader(io.StringIO(to_csv(table)))
    return header, [[_value(name, text) for name, text in zip(header, row, strict=True)] for row in rows]


def _value(column: str, text: str) -> Any:
    if text == "":
        return None
    return text if column in _TEXT_COLUMNS else float(text)


def log_summary(table: Table, plan: Plan, console: Console) -> None:
    """Log the study to the W&B run ``<study>/summary`` of the cells' group; the same folder continues the same run.

    Nothing happens where no cell has left a W&B run, or the run holds this very table already. When W&B fails, one line
    says so: the study is done all the same.
    """
    if not _cells_use_wandb(plan):
        return
    logger = plan.cells[0].config["logger"]
    mode, line = wandb_mode(str(logger["mode"]))
    digest = hashlib.sha256((to_markdown(table) + to_csv(table)).encode()).hexdigest()[:16]
    state = plan.out / STATE_FILE
    if mode == "disabled" or _read(state).get("digest") == digest:
        return
    try:
        _log(table, plan, mode)
        write_whole(state, json.dumps({"digest": digest}) + "\n")
    except Exception as error:  # whatever W&B raises
        reason = (str(error).splitlines() or ["?"])[0]
        console.print(f"W&B: no summary run ({type(error).__name__}: {reason}); the table is written all the same")
    else:
        console.print(f"{line.replace('FOLDER', str(files_folder(plan.out)))}; summary run: {_name(plan)}")


def _name(plan: Plan) -> str:
    return f"{plan.study}/summary"


def _cells_use_wandb(plan: Plan) -> bool:
    first = plan.cells[0].config.get("logger") if plan.cells else None
    named = isinstance(first, dict) and bool(first.get("wandb"))
    # W&B's own folder may lie elsewhere (WANDB_DIR).
    return named and any((cell.folder / name).exists() for cell in plan.cells for name in ("wandb", RUN_FILE))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # none, or none that can be used: the summary is logged again, into the same run
    return content if isinstance(content, dict) else {}


def _log(table: Table, plan: Plan, mode: str) -> None:
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb  # brings seconds of imports, which only this needs

    config = plan.cells[0].config
    project, entity = destination(config["logger"]["project"], config["logger"].get("entity"))
    simulated = table.data_source != "llp"
    run = wandb.init(
        project=project,
        entity=entity,
        group=config.get("group"),
        name=_name(plan),
        job_type="summary",
        id=run_id(plan.out),
        resume="allow",
        dir=str(files_folder(plan.out)),
        mode=mode,  # type: ignore[arg-type]
        tags=["summary", *([table.data_source.upper()] if simulated else [])],
        notes=table.warning,
        settings=wandb.Settings(console="off"),
    )
    code = 1
    try:
        finished = len(table.records)
        facts = {"study": plan.study, "data_source": table.data_source, "overrides": list(plan.overrides)}
        cells = {str(cell): cell.config_hash for cell in plan.cells}
        run.config.update({**facts, "cells": cells}, allow_val_change=True)  # type: ignore[no-untyped-call]
        columns, rows = table_rows(table)
        title = f"{table.study.title}{f' ({table.data_source.upper()} data)' if simulated else ''}"
        report = f"<h3>{html.escape(title)}</h3><pre>{html.escape(to_markdown(table))}</pre>"
        content: dict[str, Any] = {
            "study/table": wandb.Table(columns=[*columns], data=rows),
            "study/report": wandb.Html(report, inject=False),
        }
        for path in sorted(plan.out.glob(f"{plan.study}*.png")):  # a key for each: W&B wants one size under one key
            content[f"study/plot/{path.stem}"] = wandb.Image(str(path), caption=f"{path.stem}: {title}")
        run.log(content)
        run.summary.update({"cells/finished": finished, "cells/planned": len(plan.cells), **facts})
        code = 0
    finally:
        run.finish(exit_code=code)  # left open it would swallow whatever this process logs next
