"""`reproduce list`: what can be run and what it costs, at once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from leap_avvp.cli import main
from leap_avvp.studies import load_study, reproduce, study_names
from leap_avvp.studies.cost import estimate_seconds
from leap_avvp.studies.listing import shown_time
from leap_avvp.studies.plan import make_plan
from leap_avvp.studies.planned import planned_hashes, sweep_size


@pytest.fixture
def listed(capsys: pytest.CaptureFixture[str]):
    """Return what the command prints, and its row of a study: cells, to train, about."""

    def run(*words: str):
        capsys.readouterr()
        assert main(["reproduce", "list", *words]) == 0
        text = capsys.readouterr().out

        def row(study: str) -> list[str]:
            found = re.search(rf"^ ?{study} .*", text, flags=re.MULTILINE)
            assert found, study
            return re.split(r" {2,}", found[0].strip())[2:]

        return text, row

    return run


def train(fake, seconds: float = 600.0):
    """Return a training that takes so long."""

    def run(cell) -> int:
        fake.write_run(cell, 50.0, wall_time_s={"total": seconds})
        return 0

    return run


def test_before_any_run_it_counts_cells_and_knows_no_cost(listed) -> None:
    text, row = listed()
    for study in study_names():
        cells = str(sweep_size(study) * len(load_study(study).seeds))
        assert row(study) == [cells, cells, "unknown", "not known"]
    assert row("all")[-2:] == ["unknown", "not known"]
    assert "not known: nothing of it has run here; --cost measures this machine" in text
    assert "earlier runs" not in text
    assert not Path("outputs").exists()


@pytest.mark.parametrize("study", study_names())
def test_cells_are_counted_without_composing_them(study: str) -> None:
    assert sweep_size(study) == len(make_plan(study).cells)


def test_the_list_does_not_time_the_machine(listed, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured() -> float:
        raise AssertionError("the machine is measured")

    monkeypatch.setattr("leap_avvp.studies.cost._rate", measured)
    assert listed()[1]("table6")[2] == "unknown"


def test_the_list_waits_for_neither_hydra_nor_torch() -> None:
    script = (
        "import sys; from leap_avvp.cli import main; main(['reproduce', 'list'])\n"
        "print([name for name in ('hydra', 'lightning', 'matplotlib', 'numpy', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_earlier_runs_say_what_is_left_and_how_long_it_takes(fake, listed) -> None:
    assert reproduce("table6", runner=lambda cell: train(fake)(cell) if "=2" not in cell.label else 1) == 1
    text, row = listed()
    assert row("table6") == ["3", "1", "10 min", "earlier runs"]
    assert "earlier runs: measured by earlier runs in outputs/" in text
    assert row("table8") == ["4", "at most 4", "unknown", "not known"], (
        "one of Table 6's is among them, which it cannot know"
    )
    assert reproduce("table6", runner=train(fake)) == 0
    assert listed()[1]("table6") == ["3", "0", "nothing"]


@pytest.mark.slow
def test_what_studies_share_counts_once(fake, listed) -> None:
    hashes = set()
    for study in study_names():
        assert reproduce(study, runner=lambda cell: 1) == 1
        seeds = load_study(study).seeds
        planned = planned_hashes(Path("outputs") / f"{study}-simulated", seeds)
        assert planned is not None
        assert len(planned) == sweep_size(study) * len(seeds)
        hashes |= set(planned)
    assert listed()[1]("all") == [str(len(hashes)), "unknown", "not known"]
    assert reproduce("table6", runner=train(fake)) == 0
    _, row = listed()
    assert row("table8") == ["4", "3", "30 min", "earlier runs"], (
        "Table 6's λ = 1 is one of its cells, and tells how long they take"
    )
    assert row("all")[0] == str(len(hashes) - 3)


def test_a_plan_of_other_configs_or_seeds_or_with_overrides_is_not_believed(fake) -> None:
    folder = Path("outputs/table6-simulated")
    assert reproduce("table6", overrides=["trainer.max_epochs=1"], runner=train(fake)) == 0
    assert planned_hashes(folder, [0]) is None
    assert reproduce("table6", seeds=[1], runner=train(fake)) == 0
    assert planned_hashes(folder, [0]) is None
    assert reproduce("table6", seeds=[1, 0], runner=train(fake)) == 0
    assert planned_hashes(folder, [0]) == [cell.config_hash for cell in make_plan("table6").cells]
    path = folder / "plan.json"
    content = json.loads(path.read_text())
    for damaged in ({**content, "configs": "0"}, {"cells": content["cells"]}, {**content, "cells": 3}, [], None):
        path.write_text(json.dumps(damaged))
        assert planned_hashes(folder, [0]) is None
    path.write_text("{")
    assert planned_hashes(folder, [0]) is None


@pytest.mark.slow
def test_cost_estimates_what_never_ran(listed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leap_avvp.studies.cost._rate", lambda: 1e12)
    monkeypatch.setattr("leap_avvp.studies.listing.study_names", lambda runs_only: ["complexity", "table6"])
    text, row = listed("--cost")
    assert row("table6")[:2] == ["3", "3"]
    assert re.fullmatch(r"\d+ min|\d+\.\d h", row("table6")[2])
    assert row("all") == row("table6")[1:]
    assert row("table6")[3] == "estimate"
    assert "unknown" not in text


def test_cost_belongs_to_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "table6", "--cost"]) == 2
    assert capsys.readouterr().err.startswith("error: --cost: ")


def test_cost_counts_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leap_avvp.studies.cost._rate", lambda: 1e9)
    one, more = make_plan("table6").cells[:1], make_plan("table6", overrides=["trainer.max_epochs=40"]).cells[:1]
    ratio = estimate_seconds(more) / estimate_seconds(one)
    epochs = 40 / one[0].config["trainer"]["max_epochs"]
    assert 0.9 * epochs < ratio < epochs, "the evaluations after the last epoch come once"
    assert estimate_seconds([]) == 0


def test_durations_are_said_in_minutes_or_hours() -> None:
    assert [shown_time(seconds) for seconds in (10, 300, 7200)] == ["1 min", "5 min", "2.0 h"]
