"""The study's summary run on W&B: one run for one folder, its table and report, and a study that W&B cannot break."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from leap_avvp.studies import reproduce
from leap_avvp.studies.plan import Cell
from leap_avvp.studies.summary_run import STATE_FILE
from leap_avvp.tracking.wandb_mode import RUN_FILE

OUT = Path("outputs/table6-simulated")


@pytest.fixture(autouse=True)
def _offline_and_undrawn(no_wandb_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    picture = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(picture, "PNG")
    monkeypatch.setattr("leap_avvp.studies.figures.plot_png", lambda table: picture.getvalue())


@pytest.fixture
def training(fake: Any) -> Any:
    """A training that also leaves W&B's folder, as ``logger=wandb`` does."""

    class Training(fake.Training):  # type: ignore[misc]
        def __call__(self, cell: Cell) -> int:
            code: int = super().__call__(cell)
            (cell.folder / "wandb").mkdir(exist_ok=True)
            return code

    return Training


def test_the_finished_study_is_one_run_beside_its_cells(training, offline_runs, capsys):
    assert reproduce("table6", runner=training()) == 0
    (run,) = offline_runs(OUT)
    assert (run.project, run.group, run.name) == ("leap-avvp", "table6-simulated", "table6/summary")
    assert "SIMULATED" in run.tags
    assert run.exit_code == 0
    assert run.config["data_source"] == "simulated"
    assert len(run.config["cells"]) == 3
    assert run.summary["cells/finished"] == 3
    table = json.loads((run.folder / "files" / run.summary["study/table"]["path"]).read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert {row["data_source"] for row in rows if row["kind"] == "published"} == {"llp"}
    means = [row for row in rows if row["kind"] == "mean"]
    assert [row["average"] for row in means] == [25.0, 30.0, 40.0]
    assert all(row["data_source"] == "simulated" and "not comparable" in row["note"] for row in means)
    report = (run.folder / "files" / run.summary["study/report"]["path"]).read_text()
    assert "SIMULATED DATA" in report
    assert "| λ = 0.5 | published |" in report
    plot = run.summary["study/plot/table6"]
    assert "SIMULATED" in plot["caption"]
    assert (plot["width"], plot["height"]) == (8, 6)
    printed = capsys.readouterr().out
    assert f"`leap-avvp wandb-sync {OUT.absolute()}` sends" in printed
    assert "summary run: table6/summary" in printed


def test_nothing_new_is_not_logged_again_and_a_new_seed_goes_to_the_same_run(training, offline_runs):
    reproduce("table6", runner=training())
    assert reproduce("table6", runner=training()) == 0
    assert len(offline_runs(OUT)) == 1
    assert reproduce("table6", seeds=[0, 1], runner=training()) == 0
    first, second = offline_runs(OUT)
    assert first.id == second.id
    assert second.summary["cells/finished"] == 6


def test_no_summary_where_no_cell_used_wandb(fake, training, offline_runs, monkeypatch):
    reproduce("table6", runner=fake.Training())
    reproduce("table6", overrides=["logger=csv"], runner=training(), out=Path("other"))
    reproduce("table6", runner=training(), table_only=True)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    reproduce("table6", runner=training(), out=Path("disabled"))
    assert offline_runs(Path()) == []


def test_the_summary_goes_where_wandb_dir_and_wandb_project_send_the_cells(fake, offline_runs, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_DIR", "logs")
    monkeypatch.setenv("WANDB_PROJECT", "ours")

    class Training(fake.Training):  # type: ignore[misc]
        def __call__(self, cell: Cell) -> int:
            code: int = super().__call__(cell)
            (cell.folder / RUN_FILE).write_text("{}")
            return code

    assert reproduce("table6", runner=Training()) == 0
    (run,) = offline_runs(Path("logs"))
    assert (run.project, run.name) == ("ours", "table6/summary")
    assert f"`leap-avvp wandb-sync {Path('logs').absolute()}` sends" in capsys.readouterr().out


def test_wandb_cannot_break_the_study(training, monkeypatch, capsys):
    import wandb

    def fail(**_: object) -> None:
        raise RuntimeError("no service\nat all")

    monkeypatch.setattr(wandb, "init", fail)
    assert reproduce("table6", runner=training()) == 0
    assert (
        "W&B: no summary run (RuntimeError: no service); the table is written all the same" in capsys.readouterr().out
    )
    assert (OUT / "table6.md").is_file()
    assert not (OUT / STATE_FILE).exists()


def test_a_failure_while_logging_closes_the_run_as_failed(training, monkeypatch, offline_runs, capsys):
    import wandb

    def fail(*_: object, **__: object) -> None:
        raise ValueError("bad table")

    with monkeypatch.context() as patch:
        patch.setattr(wandb, "Table", fail)
        assert reproduce("table6", runner=training()) == 0
    assert "bad table" in capsys.readouterr().out
    assert wandb.run is None
    assert [run.exit_code for run in offline_runs(OUT)] == [1]
    assert reproduce("table6", runner=training()) == 0, "the next call tries again"
    assert [run.exit_code for run in offline_runs(OUT)] == [1, 0]


def test_a_damaged_state_file_counts_as_none(training, offline_runs):
    from leap_avvp.studies.plan import make_plan
    from leap_avvp.studies.spec import load_study
    from leap_avvp.studies.summary_run import log_summary
    from leap_avvp.studies.sweep import inspect_plan
    from leap_avvp.studies.tables import build_table

    reproduce("table6", runner=training())
    (OUT / STATE_FILE).write_text("{")
    plan = make_plan("table6")
    table = build_table(load_study("table6"), inspect_plan(plan)[0], "simulated")
    log_summary(table, plan, Console())
    first, second = offline_runs(OUT)
    assert first.id == second.id
