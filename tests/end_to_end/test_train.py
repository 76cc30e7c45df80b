"""Training as a user runs it: what it writes, that it repeats to the bit, resumes, and refuses what is wrong."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from leap_avvp.card import LLP
from leap_avvp.cli import main
from leap_avvp.metrics import EXCLUSIVE_NAMES, SCORE_NAMES
from leap_avvp.training.checkpoint import read_checkpoint
from leap_avvp.training.saving import BestCheckpoint


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read_checkpoint(folder / "checkpoints" / "best.ckpt")["state_dict"]
    return state


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_writes_everything_that_its_numbers_depend_on(train, tmp_path):
    result = train("evaluate_untrained=true", "seed=0")
    assert set(result["validation"]) == {*SCORE_NAMES, "average"}
    assert set(result["test"]) == {*SCORE_NAMES, "average", *EXCLUSIVE_NAMES}
    assert result["test"]["average"] == pytest.approx(np.mean([result["test"][name] for name in SCORE_NAMES]))
    assert set(result["untrained"]) == set(result["test"])
    lift = result["attention_lift"]
    assert set(lift) == {"audio", "visual", "by_class"}
    assert 0 < lift["audio"] < 10
    assert list(lift["by_class"]) == list(LLP.classes)
    assert result["seed"] == 0
    assert result["data_source"] == "simulated"
    assert result["epochs"] == 2
    assert 1 <= result["best_epoch"] <= 2
    assert result["monitor"]["value"] == pytest.approx(result["validation"]["segment/type_av"], abs=1e-4)
    assert result["config"]["seed"] == 0
    assert result["config"]["data"]["num_train"] == 24
    assert {"torch", "lightning", "python", "leap-avvp"} <= set(result["versions"])
    assert result["device"].startswith("cpu")
    assert result["protocol"]["name"].startswith("filter=union")
    assert all(math.isfinite(value) and value >= 0 for value in result["wall_time_s"].values())
    assert (tmp_path / "run" / "predictions_test.npz").is_file()
    assert not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
    assert list((tmp_path / "run").rglob("*.part")) == []


def test_the_same_seed_gives_the_same_run_to_the_bit_and_another_seed_does_not(train, tmp_path):
    results = {name: train(f"seed={seed}", folder=name) for name, seed in (("a", 0), ("b", 0), ("c", 1))}
    assert results["a"]["test"] == results["b"]["test"]
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_looking_at_the_untrained_model_changes_nothing(train, tmp_path):
    train("evaluate_untrained=true", folder="a")
    train("evaluate_untrained=false", folder="b")
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_a_resumed_run_equals_one_never_stopped(train, tmp_path, monkeypatch):
    train("data.schedule.max_epochs=3", folder="whole")
    import leap_avvp.training.module

    original = leap_avvp.training.module.ParsingModule.on_train_epoch_start

    def stop(module: leap_avvp.training.module.ParsingModule) -> None:
        original(module)
        if module.current_epoch == 2:
            raise RuntimeError("pulled the plug")

    with monkeypatch.context() as patch:
        patch.setattr(leap_avvp.training.module.ParsingModule, "on_train_epoch_start", stop)
        with pytest.raises(RuntimeError, match="pulled the plug"):
            train("data.schedule.max_epochs=3", folder="broken")
    assert (tmp_path / "broken" / "checkpoints" / "last.ckpt").is_file()
    assert not (tmp_path / "broken" / "metrics.json").exists()
    resumed = train("data.schedule.max_epochs=3", folder="broken")
    whole = json.loads((tmp_path / "whole" / "metrics.json").read_text())
    assert resumed["test"] == whole["test"]
    assert resumed["best_epoch"] == whole["best_epoch"]
    assert same(weights(tmp_path / "broken"), weights(tmp_path / "whole"))


@pytest.mark.parametrize(
    "overrides", [("decoder=mmil",), ("label_embedding=learnable",), ("decoder.readout=block_query",)]
)
def test_other_parts_train_too(train, overrides):
    leap = "decoder=mmil" not in overrides
    assert train(*overrides, leap=leap)["test"]["average"] >= 0


@pytest.mark.slow
def test_mm_pyramid_trains(train):
    overrides = ("encoder=mm_pyramid", "encoder.num_heads=4", "data.schedule.max_epochs=1")
    assert train(*overrides)["parameters"]["total"] > 0


def test_training_learns(train):
    result = train(
        *("encoder.dim=64", "decoder.dim=64", "data.num_train=256", "data.num_val=64", "data.num_test=64"),
        *("data.batch_size=16", "data.schedule.max_epochs=6", "optimizer.lr=3e-3", "evaluate_untrained=true"),
        "decoder=mmil",
        leap=False,
    )
    assert result["test"]["average"] > result["untrained"]["average"] + 10


def test_a_sweep_runs_every_combination_in_a_folder_of_its_own(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["-m", *small, "loss.avss_weight=0.5,1", "seed=1,2", "data.schedule.max_epochs=1"]
    assert main(["train", *words, "hydra.sweep.dir=sweep"]) == 0
    found = {path.parent.name: json.loads(path.read_text()) for path in (tmp_path / "sweep").rglob("metrics.json")}
    assert len(found) == 4
    values = {(content["config"]["loss"]["avss_weight"], content["seed"]) for content in found.values()}
    assert values == {(0.5, 1), (0.5, 2), (1, 1), (1, 2)}


def test_table6_is_three_jobs(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [word for word in small if not word.startswith("encoder")]
    words += ["encoder.dim=32", "encoder.num_heads=4", "encoder.feed_forward_dim=32", "data.schedule.max_epochs=1"]
    assert main(["train", "-m", "experiment=table6", *words, "hydra.sweep.dir=sweep"]) == 0
    found = [json.loads(path.read_text()) for path in (tmp_path / "sweep").rglob("metrics.json")]
    assert sorted(content["config"]["loss"]["avss_weight"] for content in found) == [0.5, 1, 2]


def test_a_broken_job_does_not_stop_a_sweep_and_is_named(small, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["-m", *small, "decoder.read_block=lst,last", "data.schedule.max_epochs=1", "hydra.sweep.dir=sweep"]
    assert main(["train", *words]) == 2
    assert len(list((tmp_path / "sweep").rglob("metrics.json"))) == 1
    errors = capsys.readouterr().err
    assert "did you mean 'last'" in errors
    assert "failed: 1 jobs" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (("encoder=hann",), "nearest: han"),
        (("loss.avs_weight=1",), r"loss.avss_weight"),
        (("optimizer.lr=abc",), "optimizer.lr: expected a number"),
        (("seed=-1",), "seed"),
        (("data=llp", "data.root=/nowhere/at/all", "label_embedding=learnable"), "/nowhere/at/all"),
        (("data=llp",), "label_embedding=glove needs a file"),
        (("hydra.run.dir=/proc/leap",), "/proc/leap"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(small, overrides, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [word for word in small if "data=llp" not in overrides or not word.startswith("data.num")]
    assert main(["train", *words, *overrides]) == 2
    errors = capsys.readouterr().err
    assert text in errors
    assert len(errors.strip().splitlines()) == 1
    assert list(tmp_path.rglob("metrics.json")) == []


def test_a_loss_that_is_not_finite_stops_with_step_term_and_videos(small, tmp_path, capsys, monkeypatch):
    import leap_avvp.training.module

    original = leap_avvp.training.module.ParsingLoss.__call__

    def explode(loss, out, batch, parser=None):
        terms = original(loss, out, batch)
        return terms | {"avss": terms["avss"] * float("nan"), "total": terms["total"] * float("nan")}

    monkeypatch.setattr(leap_avvp.training.module.ParsingLoss, "__call__", explode)
    assert main(["train", *small, f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    errors = capsys.readouterr().err
    assert "not finite at step 0" in errors
    assert "avss = nan" in errors
    assert "sim0" in errors
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_of_equal_scores_the_last_epoch_is_kept(tmp_path):
    callback = BestCheckpoint(str(tmp_path))
    callback.best_model_score = torch.tensor(50.0)
    callback.best_k_models = {"a": torch.tensor(50.0)}
    callback.kth_best_model_path = "a"
    trainer = type("T", (), {"strategy": type("S", (), {"reduce_boolean_decision": staticmethod(lambda x: x)})()})()
    assert callback.check_monitor_top_k(trainer, torch.tensor(50.0))
    assert callback.check_monitor_top_k(trainer, torch.tensor(50.1))
    assert not callback.check_monitor_top_k(trainer, torch.tensor(49.9))
