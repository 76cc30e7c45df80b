"""Weights that become NaN end a run in one line, wherever the NaN is seen: in a step, a validation or a test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from leap_avvp.cli import main
from leap_avvp.training.module import ParsingModule


def one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line in which a command says what is wrong."""
    capsys.readouterr()
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("decoder", ["leap", "mmil"])
def test_a_rate_that_makes_the_weights_nan_is_one_line_with_step_and_epoch(decoder, small, tmp_path, capsys):
    own = [word for word in small if decoder == "leap" or not word.startswith(("decoder.num", "decoder.feed"))]
    words = ["train", *own, f"decoder={decoder}", "optimizer.lr=1e30", "scheduler=none"]
    line = one_line([*words, f"hydra.run.dir={tmp_path / 'run'}"], capsys)
    assert "the loss is not finite at step 1 (epoch 0, batch 1): " in line
    assert "total = nan" in line
    assert "Lower optimizer.lr" in line
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_weights_that_the_last_step_of_an_epoch_spoils_are_named_in_its_validation(
    small, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "run"

    def spoil(module: ParsingModule) -> None:
        if module.current_epoch == 1:
            with torch.no_grad():
                next(module.parser.parameters()).fill_(float("nan"))

    monkeypatch.setattr(ParsingModule, "on_validation_epoch_start", spoil)
    words = ["train", *small, "data.schedule.max_epochs=3"]
    line = one_line([*words, f"hydra.run.dir={folder}"], capsys)
    assert "the probabilities are not finite at step 6 (epoch 1, validation): NaN or Inf for 8 of 8 videos" in line
    monkeypatch.undo()
    assert "init_from=FOLDER" in line
    again = ["train", *small, "optimizer.lr=1e-4", f"init_from={folder}", f"hydra.run.dir={tmp_path / 'again'}"]
    assert main(again) == 0, "the way on that the line names"


def test_weights_that_are_nan_before_the_first_step_are_one_line_of_the_test(small, tmp_path, monkeypatch, capsys):
    def spoil(module: ParsingModule) -> None:
        with torch.no_grad():
            next(module.parser.parameters()).fill_(float("nan"))

    monkeypatch.setattr(ParsingModule, "on_test_epoch_start", spoil)
    words = ["train", *small, "evaluate_untrained=true", f"hydra.run.dir={tmp_path / 'run'}"]
    assert "found NaN or Inf for 8 of 8 videos" in one_line(words, capsys)


def test_a_resumed_run_after_nan_is_whole(small, tmp_path, monkeypatch, capsys):
    """What the line leaves behind is a state from which the same command goes on."""
    words = ["train", *small, f"hydra.run.dir={tmp_path / 'run'}"]
    original = ParsingModule.training_step

    def spoiled(module: ParsingModule, batch, batch_idx: int):
        if module.current_epoch == 1 and not Path("mended").exists():
            batch = {**batch, "audio": batch["audio"] * float("nan")}
        return original(module, batch, batch_idx)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ParsingModule, "training_step", spoiled)
    assert "at step 3 (epoch 1, batch 0)" in one_line(words, capsys)
    Path("mended").touch()
    assert main(words) == 0
    broken = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert main([*words[:-1], f"hydra.run.dir={tmp_path / 'whole'}"]) == 0
    assert broken["test"] == json.loads((tmp_path / "whole" / "metrics.json").read_text())["test"]
