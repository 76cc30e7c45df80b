"""A training on shards by the program: stopped in the middle of an epoch, it ends with the same weights."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch

from leap_avvp.cli import main
from leap_avvp.config import compose_job
from leap_avvp.losses import SumOfTerms
from leap_avvp.training.checkpoint import read_checkpoint
from leap_avvp.training.saving import LastCheckpoint

SMALL = (
    *("data=shards", "encoder=han", "encoder.dim=16", "encoder.feed_forward_dim=16", "decoder=mmil", "decoder.dim=16"),
    *("data.batch_size=3", "data.window=16", "data.schedule.max_epochs=2", "label_embedding=simulated"),
    *("trainer=cpu", "logger=none"),
)


def test_a_stopped_training_ends_with_the_same_weights(
    folder: Callable[..., Path],
    pack: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = pack(folder(train=20, val=4, test=4))

    def train(name: str) -> int:
        return main(["train", *SMALL, f"data.root={target}", f"hydra.run.dir={tmp_path / name}"])

    assert train("whole") == 0
    asked = LastCheckpoint._asked

    def stop(self: LastCheckpoint, trainer: lightning.Trainer) -> Any:
        return signal.SIGTERM if trainer.global_step == 10 else asked(self, trainer)

    with monkeypatch.context() as patch:
        patch.setattr(LastCheckpoint, "_asked", stop)
        assert train("stopped") == train("added") == 128 + signal.SIGTERM
    assert train("stopped") == 0
    results = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "stopped")]
    for key in ("validation", "test", "data_fingerprint", "best_epoch"):
        assert results[0][key] == results[1][key], key
    assert results[0]["data"]["videos"] == {"train": 20, "val": 4, "test": 4}
    one, other = (read_checkpoint(tmp_path / name / "checkpoints" / "best.ckpt") for name in ("whole", "stopped"))
    for name, weight in one["state_dict"].items():
        assert torch.equal(weight, other["state_dict"][name]), name
    checkpoint = tmp_path / "whole" / "checkpoints" / "best.ckpt"
    assert main(["evaluate", f"checkpoint={checkpoint}", "trainer=cpu", f"hydra.run.dir={tmp_path / 'scored'}"]) == 0
    scores = json.loads((tmp_path / "scored" / "evaluation_test.json").read_text())["scores"]
    assert scores == pytest.approx(results[0]["test"], abs=1e-9)
    pack(folder(train=22, val=4, test=4), add=True)
    capsys.readouterr()
    assert train("added") == 2
    assert "expected the same videos and labels, found others" in capsys.readouterr().err


def test_a_loss_that_counts_labels_counts_those_of_all_shards(
    folder: Callable[..., Path], pack: Callable[..., Path]
) -> None:
    root = folder(train=20, val=4, test=4)
    parts = compose_job([*SMALL, f"data.root={pack(root)}", "loss=uwav"], root / "run").parts
    whole = compose_job(["data=llp", f"data.root={root}", "loss=uwav"], root / "run").parts
    shards, files = parts.data().dataset("train"), whole.data().dataset("train")
    assert len(list(shards.targets())) > len(list(files.targets())) == 1
    weights = []
    for dataset in (shards, files):
        loss = parts.loss()
        assert isinstance(loss, SumOfTerms)
        loss.prepare(dataset.targets())
        weights.append([loss.terms[f"segment_{modality}"].balance.pair() for modality in ("audio", "visual")])
    assert weights[0] == weights[1]
