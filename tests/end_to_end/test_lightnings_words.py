"""Trainings with Lightning's own words: they end with a best epoch, its scores and the numbers that are meant."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leap_avvp.cli import main
from leap_avvp.metrics import EXCLUSIVE_NAMES
from leap_avvp.training.checkpoint import read_checkpoint
from leap_avvp.training.module import ParsingModule

PLATEAU = "scheduler={_target_:torch.optim.lr_scheduler.ReduceLROnPlateau,patience:0,factor:0.5,threshold:1000}"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], float]]:
    """Return the list into which each training step puts its videos and the rate at which it is made."""
    seen: list[tuple[list[str], float]] = []
    original = ParsingModule.training_step

    def step(self: ParsingModule, batch: Any, batch_idx: int) -> Any:
        seen.append((batch["video_id"], self.trainer.optimizers[0].param_groups[0]["lr"]))
        return original(self, batch, batch_idx)

    monkeypatch.setattr(ParsingModule, "training_step", step)
    return seen


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("number", "epochs", "last"), [(1, 1, 0), (3, 1, 2), (4, 2, 3)])
def test_a_training_of_so_many_steps_has_the_scores_of_its_last(train, tmp_path, steps, number, epochs, last) -> None:
    result = train(f"trainer.max_steps={number}")
    assert len(steps) == number
    assert result["epochs"] == epochs
    rows = history(tmp_path / "run")
    assert [int(row["step"]) for row in rows][-1] == last
    best = max(float(row["val/segment/type_av"]) for row in rows)
    assert result["monitor"]["value"] == pytest.approx(best)


def test_the_schedule_ends_with_the_steps(train, steps) -> None:
    train(
        *("trainer.max_epochs=-1", "trainer.max_steps=5", "optimizer.lr=1e-3"),
        *("scheduler=warmup_cosine", "scheduler.warmup_steps=0"),
    )
    rates = [rate for _, rate in steps]
    assert len(rates) == 5
    assert rates[0] == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(1e-3 * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * 4 / 5)).item()))


def test_a_training_of_so_much_time_has_scores(train, capsys) -> None:
    result = train("trainer.max_epochs=-1", "+trainer.max_time=00:00:00:02", "scheduler=none")
    assert result["epochs"] >= 1
    assert 1 <= result["best_epoch"] <= result["epochs"]
    said = capsys.readouterr().out
    assert "epoch  1: train loss" in said
    assert "/-1" not in said


def test_accumulated_batches_are_one_step(train, tmp_path, steps) -> None:
    result = train("trainer.accumulate_grad_batches=2")
    assert len(steps) == 6
    assert int(history(tmp_path / "run")[-1]["step"]) == 3, "two steps an epoch of three batches"
    assert result["config"]["trainer"]["accumulate_grad_batches"] == 2


def test_overfitting_trains_on_the_same_batches_in_every_epoch(train, steps) -> None:
    train("+trainer.overfit_batches=2", "data.schedule.max_epochs=3")
    videos = [names for names, _ in steps]
    assert len(videos) == 6
    assert videos[:2] == videos[2:4] == videos[4:]
    assert videos[0] != videos[1]


def test_limits_train_and_score_on_so_many_batches(train, tmp_path, steps) -> None:
    result = train(
        *("trainer.limit_train_batches=2", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1"),
        *("data.eval_batch_size=3", "logger=csv"),
    )
    assert len(steps) == 4
    with np.load(tmp_path / "run" / "predictions_test.npz") as predictions:
        assert len(predictions["video_id"]) == 3
    assert set(result["test"]) == {*result["validation"], *EXCLUSIVE_NAMES}


def test_the_short_run_of_this_program_is_debug(train, small, tmp_path, capsys) -> None:
    assert main(["train", *small, "+trainer.fast_dev_run=true", f"hydra.run.dir={tmp_path / 'a'}"]) == 2
    assert "trainer=debug is the short run" in capsys.readouterr().err
    assert not (tmp_path / "a" / "metrics.json").exists()
    result = train("trainer=debug", "trainer.accelerator=cpu")
    assert result["epochs"] == 1


def test_one_batch_an_epoch_is_not_taken_for_a_finished_run_of_all(train, small, tmp_path, capsys) -> None:
    train()
    assert main(["train", *small, "trainer.limit_train_batches=1", f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    assert "trainer.limit_train_batches is 1 there and '1 batch' here" in capsys.readouterr().err


def test_the_rate_falls_where_the_score_stands_still_and_over_a_resume(small, tmp_path, monkeypatch, steps) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["train", *small, PLATEAU, "optimizer.lr=1e-3", "data.schedule.max_epochs=4"]
    assert main([*words, "hydra.run.dir=whole"]) == 0
    whole = list(steps)
    assert [rate for _, rate in whole][::3] == pytest.approx([1e-3, 1e-3, 5e-4, 2.5e-4])
    steps.clear()
    original = ParsingModule.training_step

    def stop(self: ParsingModule, batch: Any, batch_idx: int) -> Any:
        if self.global_step == 7:
            signal.raise_signal(signal.SIGTERM)
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(ParsingModule, "training_step", stop)
        assert main([*words, "hydra.run.dir=parts"]) == 128 + signal.SIGTERM
    assert main([*words, "hydra.run.dir=parts"]) == 0
    assert steps == whole
    one, other = (json.loads(Path(name, "metrics.json").read_text())["test"] for name in ("whole", "parts"))
    assert one == other


def test_a_schedule_written_inline_is_that_schedule(train, steps) -> None:
    result = train("scheduler={_target_:torch.optim.lr_scheduler.ExponentialLR,gamma:0.5}", "optimizer.lr=1e-3")
    assert [rate for _, rate in steps] == pytest.approx([1e-3] * 3 + [5e-4] * 3)
    assert result["config"]["scheduler"] == {"_target_": "torch.optim.lr_scheduler.ExponentialLR", "gamma": 0.5}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["+callbacks.lr._target_=lightning.pytorch.callbacks.LearningRateMonitor"],
            "Cannot use `LearningRateMonitor`",
        ),
        (["trainer.val_check_interval=9"], "trainer.val_check_interval: expected at most the 3 batches of an epoch"),
        (["trainer.limit_train_batches=0.01"], "Try at least `limit_train_batches="),
        (["optimizer={_target_:torch.optim.Muon}"], "optimizer: torch.optim.Muon(): Muon only supports 2D parameters"),
    ],
)
def test_what_shows_with_the_data_alone_is_one_line_too(small, words, text, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *small, *words, "hydra.run.dir=run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line


def test_a_callback_that_needs_a_logger_works_with_one(train, tmp_path) -> None:
    train(
        "+callbacks.lr._target_=lightning.pytorch.callbacks.LearningRateMonitor",
        "logger=csv",
        "trainer.log_every_n_steps=1",
    )
    assert "lr-Adam" in (tmp_path / "run" / "csv" / "metrics.csv").read_text().splitlines()[0]


def test_an_evaluation_takes_the_same_words(train, tmp_path, capsys) -> None:
    train("data.num_test=6")
    words = ["evaluate", "run", "trainer=cpu", "data.eval_batch_size=4", "hydra.run.dir=scored"]
    assert main([*words, "trainer.limit_test_batches=0"]) == 2
    assert "trainer.limit_test_batches: expected at least one batch" in capsys.readouterr().err
    assert main([*words, "trainer.devices=2"]) == 2
    assert "torchrun" in capsys.readouterr().err
    assert main([*words, "trainer.limit_test_batches=1", "trainer.devices=[0]"]) == 0
    assert json.loads(Path("scored/evaluation_test.json").read_text())["videos"] == 4


def test_best_weights_of_a_stop_in_the_middle_are_those_that_were_scored(train, tmp_path) -> None:
    train("trainer.max_steps=1", folder="short")
    train("trainer.limit_train_batches=1", "trainer.max_epochs=1", folder="epoch")
    states = [
        read_checkpoint(tmp_path / name / "checkpoints" / "best.ckpt")["state_dict"] for name in ("short", "epoch")
    ]
    assert all(torch.allclose(states[0][name], states[1][name]) for name in states[0])
