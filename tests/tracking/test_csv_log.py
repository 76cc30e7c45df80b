"""The CSV log of a run: whole over a resume, none of another run's rows, nothing lost to a kill."""

from __future__ import annotations

import csv
import signal
from pathlib import Path
from typing import Any

import pytest

from leap_avvp.cli import main
from leap_avvp.errors import DataError
from leap_avvp.tracking.csv_log import RowWriter
from leap_avvp.training.module import ParsingModule

WORDS = (
    *("encoder=han", "encoder.dim=32", "encoder.feed_forward_dim=32", "decoder=mmil", "decoder.dim=32"),
    *("data.num_train=24", "data.num_val=4", "data.num_test=4", "data.batch_size=8"),
    *("trainer=cpu", "logger=csv"),
)
FILE = Path("run/csv/metrics.csv")


def rows(path: Path = FILE) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]


def stop_after(patch: pytest.MonkeyPatch, method: str, calls: int, signals: int) -> None:
    """Send SIGTERM at the end of a method's so-many-th call; a second one does not wait for the step to be saved."""
    original, seen = getattr(ParsingModule, method), []

    def stopping(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        seen.append(method)
        if len(seen) == calls:
            for _ in range(signals):
                signal.raise_signal(signal.SIGTERM)
        return result

    patch.setattr(ParsingModule, method, stopping)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "calls", "signals"),
    [("training_step", 5, 1), ("training_step", 6, 1), ("training_step", 8, 2), ("test_step", 1, 1)],
)
def test_a_run_that_is_stopped_and_goes_on_has_every_step_once(no_wandb_key, monkeypatch, method, calls, signals):
    words = ["train", *WORDS, "data.schedule.max_epochs=4", "trainer.log_every_n_steps=1"]
    assert main([*words, "hydra.run.dir=run"]) == 0
    whole = rows()
    assert [row["step"] for row in whole if "train/loss/total" in row] == [str(step) for step in range(12)]
    assert [row["epoch"] for row in whole if "val/average" in row] == ["0", "1", "2", "3"]
    words.append("hydra.run.dir=stopped")
    with monkeypatch.context() as patch:
        stop_after(patch, method, calls, signals)
        assert main(words) == 128 + signal.SIGTERM
    assert rows(Path("stopped/csv/metrics.csv"))
    assert main(words) == 0
    assert rows(Path("stopped/csv/metrics.csv")) == whole


def test_a_training_from_the_beginning_keeps_no_row_of_the_one_before(no_wandb_key):
    words = ["train", *WORDS, "hydra.run.dir=run", "resume=false"]
    assert main([*words, "data.schedule.max_epochs=2", "trainer.log_every_n_steps=1"]) == 0
    assert max(int(row["step"]) for row in rows()) == 6
    # Its first row is of a later step than the first of those that stand there.
    assert main([*words, "data.schedule.max_epochs=2", "trainer.log_every_n_steps=3"]) == 0
    assert [row["step"] for row in rows() if "train/loss/total" in row] == ["2", "5"]
    assert len([row for row in rows() if "val/average" in row]) == 2


def writer(folder: Path, *steps: int, **values: float) -> RowWriter:
    """Log a row for each step, as another process would."""
    written = RowWriter(str(folder))
    for step in steps:
        written.log_metrics({"a": 1.0, **values}, step)
        written.save()
    return written


def test_steps_that_are_done_again_stand_there_once(tmp_path):
    writer(tmp_path, 0, 1, 2, 3)
    writer(tmp_path, 2, 3, 4, b=2.0)
    found = rows(tmp_path / "metrics.csv")
    assert [row["step"] for row in found] == ["0", "1", "2", "3", "4"]
    assert ["b" in row for row in found] == [False, False, True, True, True]


def test_a_new_column_in_the_middle_loses_no_row(tmp_path):
    written = writer(tmp_path, 0, 1)
    written.log_metrics({"late": 5.0}, 1)
    written.save()
    written.log_metrics({"a": 7.0}, 2)
    written.save()
    assert rows(tmp_path / "metrics.csv") == [
        *({"a": "1.0", "step": "0"}, {"a": "1.0", "step": "1"}, {"late": "5.0", "step": "1"}),
        {"a": "7.0", "step": "2"},
    ]


@pytest.mark.parametrize("cut", ["1.0,2", "1.", "\n", "x,y,z,1\n", "1.0,-\n"])
def test_a_row_that_a_kill_has_cut_is_left_out(cut, tmp_path):
    writer(tmp_path, 0, 1)
    path = tmp_path / "metrics.csv"
    path.write_text(path.read_text() + cut)
    writer(tmp_path, 2)
    assert [row["step"] for row in rows(path)] == ["0", "1", "2"]


def test_what_is_no_csv_file_is_begun_anew(tmp_path):
    (tmp_path / "metrics.csv").write_bytes(b"\xff\xfe\x00 not text\n")
    writer(tmp_path, 5)
    assert [row["step"] for row in rows(tmp_path / "metrics.csv")] == ["5"]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    written = writer(tmp_path, 0)
    (tmp_path / "metrics.csv").unlink()
    (tmp_path / "metrics.csv").mkdir()
    written.log_metrics({"a": 2.0}, 1)
    with pytest.raises(DataError, match=r"metrics.csv: cannot be written \(Is a directory\)"):
        written.save()
