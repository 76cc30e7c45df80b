"""What a sweeper that optimises is told: the validation score of the epoch that is kept, and every failure."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from leap_avvp.cli import main
from tests.processes import PATIENCE, environment, leap_avvp

SMALL = (
    *("encoder=han", "encoder.dim=32", "encoder.feed_forward_dim=32", "decoder=mmil", "decoder.dim=32"),
    *("data.num_train=8", "data.num_val=4", "data.num_test=4", "data.batch_size=8", "data.schedule.max_epochs=1"),
    *("trainer=cpu", "logger=none"),
)
# Runs its jobs as a grid does, and takes what they return, as Optuna's sweeper does.
CHOOSER = """
import json
from pathlib import Path
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.utils import JobStatus


class Chooser(BasicSweeper):
    def sweep(self, arguments):
        jobs = [[*arguments, f"seed={seed}"] for seed in (1, 2)]
        returned = self.launcher.launch(jobs, initial_job_idx=0)
        told = [job._return_value if job.status == JobStatus.COMPLETED else "failed" for job in returned]
        Path("told.json").write_text(json.dumps(told))
        return [job.return_value for job in returned]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def choose(here: Path, *words: str) -> tuple[int, list[Any], str]:
    """Run a sweep of two jobs by the stand-in; return the exit code, what it was told, and the errors."""
    plugin = here / "plugins" / "hydra_plugins" / "chooser.py"
    plugin.parent.mkdir(parents=True, exist_ok=True)
    plugin.write_text(CHOOSER)
    done = subprocess.run(
        leap_avvp(*words, "hydra.sweeper._target_=hydra_plugins.chooser.Chooser"),
        env=environment() | {"PYTHONPATH": str(plugin.parents[1])},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, json.loads((here / "told.json").read_text()), done.stderr


def test_a_sweeper_is_told_the_validation_score_of_the_epoch_that_is_kept(here: Path) -> None:
    code, told, _ = choose(here, "train", "-m", *SMALL, "callbacks.monitor=val/event/visual", "hydra.sweep.dir=sweep")
    assert code == 0
    records = [json.loads(path.read_text()) for path in Path("sweep").rglob("metrics.json")]
    for record, score in zip(sorted(records, key=lambda record: record["seed"]), told, strict=True):
        assert record["monitor"] == {"name": "val/event/visual", "value": score}
        assert score == pytest.approx(record["validation"]["event/visual"], abs=1e-4)
        assert score not in record["test"].values()


def test_a_job_that_fails_is_an_error_for_a_sweeper_that_chooses(here: Path) -> None:
    code, told, errors = choose(here, "train", "-m", *SMALL, "loss.avss_weight=-1")
    assert code == 2
    assert told == ["failed", "failed"]
    assert "error: loss.avss_weight: expected" in errors
    assert "Traceback" not in errors


def test_a_failing_job_of_a_grid_lets_the_others_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "-m", *SMALL, "loss.avss_weight=-1,1", "hydra.sweep.dir=sweep"]) == 2
    assert "failed: 1 jobs" in capsys.readouterr().err
    assert len(list(Path("sweep").rglob("metrics.json"))) == 1


def test_a_sweeper_over_evaluations_chooses_by_validation_alone(here: Path) -> None:
    assert main(["train", *SMALL, "hydra.run.dir=run"]) == 0
    words = ["evaluate", "-m", "checkpoint=run/checkpoints/best.ckpt", "trainer=cpu", "hydra.sweep.dir=scores"]
    code, told, errors = choose(here, *words)
    assert (code, told) == (2, ["failed", "failed"])
    assert "split: expected val under a sweeper that chooses by the score, found 'test'" in errors
    code, told, _ = choose(here, *words, "split=val")
    assert code == 0
    found = next(Path("scores").rglob("evaluation_val.json"))
    assert told == [json.loads(found.read_text())["scores"]["average"]] * 2
