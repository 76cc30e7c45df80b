"""Runs that are asked to end, or that crash, and go on: they leave what a run never stopped does, to the bit."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from leap_avvp.cli import main
from leap_avvp.data.datamodule import SeededBatches
from leap_avvp.errors import ConfigError
from leap_avvp.files import folder_lock
from leap_avvp.files.interrupts import Stopped, StopSignals
from leap_avvp.training.checkpoint import read_checkpoint
from leap_avvp.training.history import EpochLosses
from leap_avvp.training.module import ParsingModule
from leap_avvp.training.saving import LastCheckpoint

MORE = ("data.schedule.max_epochs=3", "callbacks.progress=line")  # 3 epochs of 3 steps


def left_by(folder: Path) -> dict[str, Any]:
    """Return all results of a run but the time it took."""
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["wall_time_s"], metrics["config"]["output_dir"]
    return {
        "metrics": metrics,
        "weights": read_checkpoint(folder / "checkpoints" / "best.ckpt")["state_dict"],
        "history": (folder / "history.csv").read_text(),
        "files": sorted(str(path.relative_to(folder)) for path in folder.rglob("*")),
    }


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for part in ("metrics", "history", "files"):
        assert one[part] == other[part]
    assert one["weights"].keys() == other["weights"].keys()
    for name, tensor in one["weights"].items():
        assert torch.equal(tensor, other["weights"][name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run leaves that was never stopped."""
    from tests.end_to_end.conftest import LEAP, SMALL

    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main(["train", *SMALL, *LEAP, *MORE, f"hydra.run.dir={folder}"]) == 0
    return left_by(folder)


def at_call(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, number: int, do: Callable[[], object]) -> None:
    """Do something at the end of the ``number``-th call of a method."""
    original, calls = getattr(owner, name), []

    def method(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        calls.append(name)
        if len(calls) == number:
            do()
        return result

    monkeypatch.setattr(owner, name, method)


@pytest.mark.parametrize(
    ("method", "number", "saved", "sent"),
    [
        ("training_step", 1, "step 1", signal.SIGTERM),
        ("training_step", 5, "step 5", signal.SIGTERM),
        ("training_step", 5, "step 5", signal.SIGINT),
        ("training_step", 5, "step 5", signal.SIGUSR1),
        ("training_step", 6, "epoch 2", signal.SIGTERM),  # the last of its epoch: validation comes first
        ("validation_step", 2, "epoch 2", signal.SIGTERM),
        ("training_step", 9, "epoch 3", signal.SIGTERM),
    ],
)
def test_a_signal_saves_and_the_same_command_goes_on(
    small, tmp_path, monkeypatch, capsys, whole, method, number, saved, sent
) -> None:
    words = ["train", *small, *MORE, f"hydra.run.dir={tmp_path / 'run'}"]
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    with monkeypatch.context() as patch:
        at_call(patch, ParsingModule, method, number, lambda: signal.raise_signal(sent))
        assert main(words) == 128 + sent
    told = capsys.readouterr()
    assert f"stopped by {sent.name}: saved after {saved}" in told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == handlers
    assert main(words) == 0
    assert "resuming from" in capsys.readouterr().out
    assert_same(left_by(tmp_path / "run"), whole)


def test_a_second_signal_does_not_wait(small, tmp_path, monkeypatch, whole) -> None:
    words = ["train", *small, *MORE, f"hydra.run.dir={tmp_path / 'run'}"]

    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        at_call(patch, ParsingModule, "training_step", 5, twice)
        assert main(words) == 130
    assert read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["global_step"] == 3
    assert main(words) == 0
    assert_same(left_by(tmp_path / "run"), whole)


def test_a_signal_during_the_test_leaves_at_once_and_nothing_is_trained_again(
    small, tmp_path, monkeypatch, whole
) -> None:
    words = ["train", *small, *MORE, f"hydra.run.dir={tmp_path / 'run'}"]
    with monkeypatch.context() as patch:
        at_call(patch, ParsingModule, "test_step", 1, lambda: signal.raise_signal(signal.SIGTERM))
        assert main(words) == 143
    steps: list[int] = []
    at_call(monkeypatch, ParsingModule, "training_step", 1, lambda: steps.append(1))
    assert main(words) == 0
    assert steps == []
    assert_same(left_by(tmp_path / "run"), whole)


def test_a_sweep_ends_with_the_job_that_was_stopped(small, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    at_call(monkeypatch, ParsingModule, "training_step", 2, lambda: signal.raise_signal(signal.SIGTERM))
    assert main(["train", "-m", *small, "seed=0,1", "hydra.sweep.dir=sweep"]) == 143
    assert list(Path("sweep").rglob("metrics.json")) == []
    assert main(["train", "-m", *small, "seed=0,1", "hydra.sweep.dir=sweep"]) == 0
    assert len(list(Path("sweep").rglob("metrics.json"))) == 2


def test_a_crash_costs_no_more_than_the_steps_since_the_last_save(small, tmp_path, monkeypatch, whole) -> None:
    words = ["train", *small, *MORE, "callbacks.checkpoint_every_n_steps=2", f"hydra.run.dir={tmp_path / 'run'}"]

    def crash() -> None:
        raise RuntimeError("pulled the plug")

    with monkeypatch.context() as patch:
        at_call(patch, ParsingModule, "training_step", 6, crash)
        with pytest.raises(RuntimeError, match="pulled the plug"):
            main(words)
    last = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert last["global_step"] == 5
    assert main(words) == 0
    resumed = left_by(tmp_path / "run")
    assert resumed["metrics"].pop("config") != whole["metrics"]["config"]  # it names the new key
    assert_same(resumed, whole | {"metrics": {k: v for k, v in whole["metrics"].items() if k != "config"}})


def test_an_epoch_that_was_not_saved_does_not_leave_its_weights(small, tmp_path, monkeypatch) -> None:
    """Killed between ``best.ckpt`` and ``last.ckpt``, and not repeating the same epoch (as on a GPU)."""
    words = ["train", *small, *MORE, f"hydra.run.dir={tmp_path / 'run'}"]
    with monkeypatch.context() as patch:

        def crash(*_: Any) -> None:
            raise RuntimeError("killed")

        # The second epoch is called better than the first, then the run dies before its state is saved.
        scores = iter([10.0, 20.0])
        patch.setattr(
            ParsingModule,
            "on_validation_epoch_end",
            lambda self: self.log("val/segment/type_av", next(scores) if not self.trainer.sanity_checking else 0.0),
        )
        patch.setattr(ParsingModule, "on_test_epoch_end", lambda self: None)
        original = LastCheckpoint.on_validation_end

        def save(self: LastCheckpoint, trainer: Any, module: Any) -> None:
            if trainer.current_epoch == 1:
                crash()
            original(self, trainer, module)

        patch.setattr(LastCheckpoint, "on_validation_end", save)
        with pytest.raises(RuntimeError, match="killed"):
            main(words)
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    assert read_checkpoint(best)["epoch"] == 1
    first = read_checkpoint(best.with_name(".best-before.ckpt"))["state_dict"]
    with monkeypatch.context() as patch:  # and now nothing comes up to the first epoch
        patch.setattr(
            ParsingModule, "on_validation_epoch_end", lambda self: self.log_dict({"val/segment/type_av": 1.0})
        )
        patch.setattr(ParsingModule, "scores", {"average": 1.0}, raising=False)
        assert main(words) == 0
    content = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert content["best_epoch"] == 1
    kept = read_checkpoint(best)["state_dict"]
    assert all(torch.equal(kept[name], first[name]) for name in first)
    assert not best.with_name(".best-before.ckpt").exists()


def test_what_is_finished_is_not_trained_again(small, tmp_path, monkeypatch, capsys) -> None:
    words = ["train", *small, f"hydra.run.dir={tmp_path / 'run'}"]
    assert main(words) == 0
    before = (tmp_path / "run" / "metrics.json").read_bytes()
    steps: list[int] = []
    at_call(monkeypatch, ParsingModule, "training_step", 1, lambda: steps.append(1))
    assert main(words) == 0
    assert "has been trained here; resume=false trains it again" in capsys.readouterr().out
    assert steps == []
    assert (tmp_path / "run" / "metrics.json").read_bytes() == before
    assert main([*words, "resume=false"]) == 0
    assert steps == [1]


def test_two_processes_do_not_train_in_one_folder(small, tmp_path, capsys) -> None:
    with folder_lock(tmp_path / "run"):
        assert main(["train", *small, f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    errors = capsys.readouterr().err
    assert f"another process writes here (number {os.getpid()})" in errors
    assert len(errors.splitlines()) == 1


def test_a_full_disk_keeps_the_last_good_checkpoint(small, tmp_path, monkeypatch, capsys, whole) -> None:
    words = ["train", *small, *MORE, f"hydra.run.dir={tmp_path / 'run'}"]
    with monkeypatch.context() as patch:

        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        original, calls = torch.save, []

        def save(content: Any, file: Any) -> None:
            calls.append(1)
            original(content, file)
            if len(calls) > 2:  # after the two files of the first epoch
                full()

        patch.setattr(torch, "save", save)
        assert main(words) == 2
    errors = capsys.readouterr().err
    assert "best.ckpt: cannot be written (No space left on device; " in errors or "last.ckpt: cannot" in errors
    assert "GB free there" in errors
    assert list((tmp_path / "run").rglob("*.part")) == []
    assert read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["epoch"] == 0
    assert main(words) == 0
    assert_same(left_by(tmp_path / "run"), whole)


def test_a_resumed_epoch_leaves_out_what_it_has_had() -> None:
    batches = SeededBatches(20, 3, seed=4)
    batches.set_epoch(2)
    whole = list(batches)
    again = SeededBatches(20, 3, seed=4)
    again.go_on(2, 3)
    again.set_epoch(2)
    assert list(again) == whole[3:]
    assert list(again) == whole  # once
    again.go_on(1, 7)  # saved at the end of the epoch before
    assert list(again) == whole


def test_signals_outside_a_training_end_it_at_once() -> None:
    with pytest.raises(Stopped, match="SIGTERM: nothing was saved") as stopped, StopSignals().taken():
        signal.raise_signal(signal.SIGTERM)
    assert stopped.value.exit_code == 143


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopSignals().taken():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_signal_of_whoever_puts_jobs_back_is_handed_on_once_the_state_is_saved() -> None:
    """As submitit's SIGUSR2, two minutes before a job's time is up."""
    handed = []
    before = signal.signal(signal.SIGUSR2, lambda signum, frame: handed.append(signum))
    try:
        with contextlib.suppress(Stopped), StopSignals().taken() as signals:
            signals.waiting = True
            signal.raise_signal(signal.SIGUSR2)
            assert (signals.asked, handed) == (signal.SIGUSR2, [])
            raise Stopped(signal.SIGUSR2, "saved after step 3")
        assert handed == [signal.SIGUSR2]
        with pytest.raises(Stopped), StopSignals().taken():
            signal.raise_signal(signal.SIGTERM)
        assert handed == [signal.SIGUSR2]
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_slurm_is_not_left_to_lightning(tmp_path, monkeypatch) -> None:
    """Its handler would save in the middle of a step, and load that file whatever it is told."""
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

    from leap_avvp.config.compose import compose_config
    from leap_avvp.config.job import training_job
    from leap_avvp.training.trainer import make_trainer

    for name, value in {"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "x", "SLURM_JOB_ID": "1"}.items():
        monkeypatch.setenv(name, value)
    job = training_job(compose_config(["output_dir=.", "trainer=cpu"]))
    trainer = make_trainer(job.parts, tmp_path)
    environment = trainer._accelerator_connector.cluster_environment
    assert isinstance(environment, SLURMEnvironment)
    assert not environment.auto_requeue


def test_a_wrong_number_of_steps_is_named() -> None:
    with pytest.raises(ConfigError, match=r"callbacks\.checkpoint_every_n_steps: expected .* at least 1, found 0"):
        LastCheckpoint(".", 0)


def test_losses_of_an_epoch_outlive_a_resume() -> None:
    one, other = EpochLosses(), EpochLosses()
    one._losses = [1.0, 2.0]
    other.load_state_dict(one.state_dict())
    assert other._losses == [1.0, 2.0]
