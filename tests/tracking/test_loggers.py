"""Loggers: what W&B's offline files hold, one run a job, and the mode that is chosen."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from leap_avvp.cli import main
from leap_avvp.config.compose import compose_config
from leap_avvp.config.job import training_job
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.tracking.csv_log import RunCSVLogger
from leap_avvp.tracking.loggers import RunLogger, each_logger, run_loggers, wandb_logger, wandb_mode

WORDS = (
    *("encoder=han", "encoder.dim=32", "encoder.feed_forward_dim=32", "decoder=mmil", "decoder.dim=32"),
    *("data.num_train=16", "data.num_val=4", "data.num_test=4", "data.batch_size=8", "data.schedule.max_epochs=1"),
    *("trainer=cpu", "trainer.log_every_n_steps=1"),
)


def test_no_key_means_offline_in_one_line(no_wandb_key):
    mode, line = wandb_mode("auto")
    assert mode == "offline"
    assert "no API key" in line
    assert "\n" not in line


def test_no_network_means_offline(no_wandb_key, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("socket.create_connection", lambda *_, **__: (_ for _ in ()).throw(OSError("refused")))
    mode, line = wandb_mode("auto")
    assert mode == "offline"
    assert "127.0.0.1:9 cannot be reached" in line


def test_a_mode_that_is_asked_for_is_obeyed(no_wandb_key, monkeypatch):
    assert wandb_mode("disabled")[0] == "disabled"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_mode("auto")[0] == "disabled"
    with pytest.raises(ConfigError, match="did you mean 'offline'"):
        wandb_mode("ofline")


@pytest.mark.slow
def test_a_sweep_is_one_group_of_runs_each_with_its_config_terms_and_scores(no_wandb_key, offline_runs, capsys):
    words = ["-m", *WORDS, "logger=wandb", "group=sweep", "seed=0,1", "hydra.sweep.dir=sweep"]
    assert main(["train", *words]) == 0
    assert capsys.readouterr().out.count("W&B: offline") == 2
    runs = offline_runs(Path("sweep"))
    assert sorted(run.config["seed"] for run in runs) == [0, 1]
    for run in runs:
        assert run.group == "sweep"
        assert run.config["data"]["num_train"] == 16
        logged = {name for row in run.history for name in row}
        for term in ("video_audio", "video_visual", "video_union", "segment_audio", "segment_visual", "avss", "total"):
            assert f"train/loss/{term}" in logged
        assert {"val/segment/type_av", "test/event/event_av", "test/average"} <= logged
    assert runs[0].id != runs[1].id


def test_a_folder_and_configuration_are_one_run(no_wandb_key, offline_runs):
    import wandb

    ids = []
    for config_hash in ("a", "a", "b"):
        logger = wandb_logger(save_dir=".", config_hash=config_hash)
        logger.log_metrics({"x": 1.0}, step=3)
        ids.append(logger.version)
        wandb.finish()
    assert ids[0] == ids[1] != ids[2]
    runs = offline_runs(Path())
    assert {run.id for run in runs} == set(ids)
    assert all([row["_step"] for row in run.history] == [3] for run in runs)


def test_a_disabled_run_leaves_nothing(no_wandb_key):
    import wandb

    wandb_logger(save_dir=".", mode="disabled").log_metrics({"x": 1.0}, step=0)
    wandb.finish()
    assert not list(Path().rglob("*.wandb"))
    assert not Path("wandb-run.json").exists()


def test_what_wandb_refuses_is_told_in_one_line(no_wandb_key, monkeypatch):
    import wandb

    def refuse(**_: object) -> None:
        raise wandb.errors.CommError("no such entity\nand a page of details")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(ConfigError, match=r"^W&B cannot start \(no such entity\); logger.mode=offline"):
        wandb_logger(save_dir=".")


def test_a_damaged_id_is_named(no_wandb_key):
    Path("wandb-run.json").write_text("{")
    with pytest.raises(DataError, match=r"wandb-run.json: cannot be read"):
        wandb_logger(save_dir=".")


@pytest.mark.slow
def test_several_loggers_at_once_get_the_same_numbers(no_wandb_key, offline_runs):
    assert main(["train", *WORDS, "logger=[csv,wandb]", "logger.project=mine", "hydra.run.dir=run"]) == 0
    (run,) = offline_runs(Path("run"))
    assert (run.project, run.exit_code) == ("mine", 0)
    assert "SIMULATED" in run.tags
    with Path("run/csv/metrics.csv").open(newline="") as file:
        logged = [(name, float(text)) for row in csv.DictReader(file) for name, text in row.items() if text]
    last = {name: value for name, value in logged if name.startswith(("train/", "best/", "test/"))}
    assert {"train/loss/total", "best/average", "test/average"} <= set(last)
    for name, value in last.items():
        assert run.summary[name] == pytest.approx(value, abs=1e-4)


def test_one_logger_beside_another_a_switch_or_none(no_wandb_key):
    assert run_loggers(".") is False
    assert type(run_loggers(".", csv=True)) is RunCSVLogger
    both = run_loggers(".", csv=True, wandb=True, mode="disabled")
    assert [type(each) for each in each_logger(both)] == [RunCSVLogger, RunLogger]
    assert each_logger(False) == []


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (["logger=csv"], ["RunCSVLogger"]),
        (["logger=none"], []),
        (["logger=[csv,none]"], ["RunCSVLogger"]),
        (["logger=[wandb,csv]", "logger.mode=disabled"], ["RunCSVLogger", "RunLogger"]),
        (["logger=wandb", "logger.mode=disabled", "+logger.csv=true"], ["RunCSVLogger", "RunLogger"]),
        (["logger=csv", "logger.csv=false"], []),
        (
            ["logger=csv", "+logger.also.mine={_target_: lightning.pytorch.loggers.CSVLogger, save_dir: mine}"],
            ["CSVLogger", "RunCSVLogger"],
        ),
    ],
)
def test_what_is_typed_is_what_is_built(words, kinds, no_wandb_key):
    job = training_job(compose_config([*words, "output_dir=."]), words)
    assert [type(each).__name__ for each in each_logger(job.parts.logger(".", "hash"))] == kinds


def test_an_unknown_setting_of_a_logger_is_one_line(no_wandb_key):
    job = training_job(compose_config(["logger=csv", "+logger.colour=red", "output_dir=."]))
    with pytest.raises(ConfigError, match=r"^logger\.colour: expected an argument of"):
        job.parts.logger(".", "hash")
