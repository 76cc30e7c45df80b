"""`reproduce all`: what studies share is trained once, and the report needs nothing beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leap_avvp.studies import launch, load_study, reproduce_all, study_names
from leap_avvp.studies.evaluations import CellResult
from leap_avvp.studies.plan import make_plan


@pytest.fixture
def train(fake, monkeypatch: pytest.MonkeyPatch):
    """Return a runner that leaves a result, and the cells it ran; evaluations are left out."""
    ran = []

    def run(cell) -> int:
        ran.append(cell)
        fake.write_run(cell, 40.0 + len(ran))
        (cell.folder / "noise_ratios.npz").touch()  # JoMoLD's first run leaves one, which the second reads
        return 0

    run.ran = ran
    finished = lambda study, results, console, run=True: [  # noqa: E731
        CellResult(result.cell, result.status, result.record) for result in results
    ]
    monkeypatch.setattr(launch, "evaluate_cells", finished)
    return run


@pytest.mark.slow
def test_shared_cells_are_trained_once_and_all_is_reported(
    train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["blocks", "complexity", "table6", "table7", "table8"]  # of each kind, with cells in common
    assert set(names) < set(study_names(runs_only=False))
    runs = [name for name in names if name != "complexity"]
    monkeypatch.setattr(launch, "study_names", lambda runs_only=True: runs if runs_only else names)
    assert reproduce_all(runner=train) == 0
    hashes = [cell.config_hash for cell in train.ran]
    assert len(hashes) == len(set(hashes))
    planned = [cell.config_hash for name in runs for cell in make_plan(name, seeds=load_study(name).seeds).cells]
    assert set(hashes) == set(planned)
    assert len(planned) > len(hashes), "some are shared"
    folder = Path("outputs/report-simulated")
    html, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    for name in ("Table 6", "Table 7", "Table 8", "Number of LEAP blocks"):
        assert name in html
        assert name in text
    assert "SIMULATED DATA" in html
    assert "SIMULATED DATA" in text
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", html), "nothing is fetched"
    assert html.count("data:image/png;base64,") >= 3
    # A second call trains nothing.
    assert reproduce_all(runner=train) == 0
    assert len(train.ran) == len(hashes)


@pytest.mark.slow
def test_a_stopped_call_goes_on(train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "study_names", lambda **_: ["blocks", "table6", "table8"])

    def stopping(cell) -> int:
        if len(train.ran) == 5:
            raise KeyboardInterrupt
        return train(cell)

    assert reproduce_all(runner=stopping) == 130
    done = len(train.ran)
    assert reproduce_all(runner=train) == 0
    hashes = [cell.config_hash for cell in train.ran]
    assert done == 5
    assert len(hashes) == len(set(hashes)), "no finished cell is trained again"


def test_dry_run_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert reproduce_all(dry_run=True) == 0
    assert "table8: 4 cells" in capsys.readouterr().out
    assert not Path("outputs").exists()
