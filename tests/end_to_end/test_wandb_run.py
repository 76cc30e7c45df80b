"""A training's W&B run, read back from its offline file: names, config, summary, table, pictures, one run a folder."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from PIL import Image

import leap_avvp.training.module
from leap_avvp.cli import main
from leap_avvp.errors import ConfigError
from leap_avvp.llp import CLASSES

WORDS = (
    *("encoder=han", "encoder.dim=32", "encoder.feed_forward_dim=32", "decoder=mmil", "decoder.dim=32"),
    *("data.num_train=16", "data.num_val=4", "data.num_test=6", "data.batch_size=8", "data.schedule.max_epochs=2"),
    *("trainer=cpu", "trainer.log_every_n_steps=1", "logger=wandb", "optimizer.lr=3e-3"),
)
RUN = ("group=study-simulated", "name='study/row/seed=0'", "hydra.run.dir=run")


def test_a_run_carries_its_origin_best_and_test_scores_classes_and_videos(no_wandb_key, offline_runs, capfd):
    assert main(["train", *WORDS, *RUN, "logger.tags=[mine]"]) == 0
    streams = capfd.readouterr()
    assert "anonymous" not in streams.out + streams.err
    assert "wandb-sync" in streams.out
    (run,) = offline_runs(Path("run"))
    result = json.loads(Path("run/metrics.json").read_text())
    assert (run.project, run.group, run.name) == ("leap-avvp", "study-simulated", "study/row/seed=0")
    assert run.tags == ["mine", "SIMULATED"]
    assert run.exit_code == 0
    assert run.resume
    assert run.config["encoder"]["dim"] == 32
    assert run.config["data_source"] == run.summary["data_source"] == "simulated"
    assert run.config["config_hash"] == run.summary["config_hash"] == result["config_hash"]
    assert run.summary["protocol"] == result["protocol"]["name"]

    curve = [row["val/segment/type_av"] for row in run.history if "val/segment/type_av" in row]
    assert len(curve) == 2
    assert run.summary["val/segment/type_av"] == {"max": max(curve)}
    assert run.summary["best/epoch"] == result["best_epoch"]
    for name, value in result["test"].items():
        assert run.summary[f"test/{name}"] == pytest.approx(value, abs=1e-4)
    for name, value in result["validation"].items():
        assert run.summary[f"best/{name}"] == pytest.approx(value, abs=1e-4)
    assert all(f"train/loss/{term}" in run.summary for term in ("total", "avss", "segment_audio", "video_union"))
    steps = [row["_step"] for row in run.history]
    assert steps == sorted(set(steps))
    assert steps[-1] == 4, "W&B's step is the training step: two epochs of two batches"

    table = json.loads((run.folder / "files" / run.summary["test/per_class"]["path"]).read_text())
    assert [row[0] for row in table["data"]] == list(CLASSES)
    assert {row[1] for row in table["data"]} == {"SIMULATED"}
    assert table["columns"][4:] == [
        f"{level}/{n}" for level in ("segment", "event") for n in ("audio", "visual", "audio_visual")
    ]
    pictures = run.summary["test/parsed_videos"]
    assert pictures["count"] == 4
    assert all("SIMULATED" in caption for caption in pictures["captions"])
    sizes = set()
    for name in pictures["filenames"]:
        with Image.open(run.folder / "files" / name) as picture:
            assert picture.width > 600
            sizes.add(picture.size)
            assert len(picture.getcolors(1 << 20) or []) > 10, "not a blank page"
    assert len(sizes) == 1, "W&B shows pictures of several sizes wrongly"


def test_a_run_that_fails_before_its_training_is_closed_as_failed(no_wandb_key, offline_runs, small, monkeypatch):
    """Left open, it would swallow the next job of a sweep."""

    def fails(*_: object) -> None:
        raise ConfigError("trainer: cannot be had on this machine")

    monkeypatch.setattr(importlib.import_module("leap_avvp.training.run"), "make_trainer", fails)
    assert main(["train", *small, "logger=wandb", "hydra.run.dir=run"]) == 2
    (run,) = offline_runs(Path("run"))
    assert run.exit_code == 1


def test_a_resumed_run_goes_on_in_its_own_run_and_keeps_its_highest_scores(no_wandb_key, offline_runs, monkeypatch):
    original = leap_avvp.training.module.ParsingModule.on_train_epoch_start
    words = ["train", *WORDS, *RUN, "data.schedule.max_epochs=3"]

    def stop(module: leap_avvp.training.module.ParsingModule) -> None:
        original(module)
        if module.current_epoch == 2:
            raise RuntimeError("pulled the plug")

    with monkeypatch.context() as patch:
        patch.setattr(leap_avvp.training.module.ParsingModule, "on_train_epoch_start", stop)
        # The first session's scores are made the higher ones: only a resume that remembers them gets the summary right.
        log = leap_avvp.training.module.ParsingModule.log_dict
        patch.setattr(
            leap_avvp.training.module.ParsingModule,
            "log_dict",
            lambda self, values, **options: log(
                self, {name: 99.0 if name == "val/event/audio" else value for name, value in values.items()}, **options
            ),
        )
        with pytest.raises(RuntimeError, match="pulled the plug"):
            main(words)
    assert main(words) == 0
    first, second = offline_runs(Path("run"))
    assert first.id == second.id
    assert (first.exit_code, second.exit_code) == (1, 0)
    assert "test/average" not in first.summary
    assert first.summary["val/event/audio"] == second.summary["val/event/audio"] == {"max": 99.0}
    assert min(row["_step"] for row in second.history) > 3, "the second part goes on behind the first"
