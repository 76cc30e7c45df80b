"""Trainings as jobs of a real Slurm: sweeps, pre-emption, cells out of time, studies, several tasks of one training."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from leap_avvp.cli import main
from tests.end_to_end.conftest import LEAP, SMALL
from tests.processes import PATIENCE, environment, kill
from tests.slurm.cluster import SlurmCluster

pytestmark = pytest.mark.slow
EPOCHS = ("data.schedule.max_epochs=12", "callbacks.checkpoint_every_n_steps=1", "callbacks.progress=line")
PARTS = ("trainer=cpu", "logger=none", *SMALL[:4], *LEAP, *SMALL[6:9])


def process_of(folder: Path) -> int | None:
    """Return the training that writes into a folder."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = place.read_bytes().split(b"\0")
            if f'hydra.run.dir="{folder}"'.encode() in words:
                return int(place.parent.name)
    return None


def saved(folder: Path) -> Path | None:
    """Return the first checkpoint below a folder."""
    return next(iter(folder.rglob("last.ckpt")), None)


def hurry(cluster: SlurmCluster) -> None:
    """Let jobs that were put back start soon: Slurm has them wait two minutes, till nothing of the old one is valid."""
    for line in cluster.slurm("squeue", "--noheader", "--array", "--states=PENDING", "--format=%i %S").splitlines():
        number, start = line.split()
        if "T" in start and (datetime.fromisoformat(start) - datetime.now()).total_seconds() > 20:
            words = ["scontrol", "update", f"JobId={number}", "StartTime=now+3", "TimeLimit=240"]
            subprocess.run(words, check=False, capture_output=True)


def ended(cluster: SlurmCluster, process: subprocess.Popen[bytes]) -> bool:
    """Say whether a process has ended, and let no job wait."""
    hurry(cluster)
    return process.poll() is not None


def test_a_sweep_of_jobs_goes_on_where_it_was_pre_empted(slurm_cluster: SlurmCluster, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    words = [
        *(sys.executable, "-m", "leap_avvp", "train", "-m", "hydra/launcher=slurm", *SMALL, *LEAP, *EPOCHS),
        *("hydra.launcher.cpus_per_task=1", "hydra.launcher.gpus_per_node=null", "hydra.launcher.mem_gb=null"),
        *("hydra.launcher.partition=main", "seed=0,1", f"hydra.sweep.dir={sweep}"),
    ]
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            words, cwd=tmp_path, env=environment(), stdout=file, stderr=file, start_new_session=True
        )
    try:
        slurm_cluster.wait(lambda: saved(sweep) is not None or process.poll() is not None, PATIENCE)
        assert process.poll() is None, log.read_text()
        slurm_cluster.slurm("scancel", "--signal=STOP", "--user=root")  # none comes to its end before it is pre-empted
        slurm_cluster.slurm("sbatch", "--partition=urgent", "--cpus-per-task=2", "--output=/dev/null", "--wrap=true")
        slurm_cluster.wait(lambda: ended(slurm_cluster, process), PATIENCE)
        said = log.read_text()
    finally:
        kill(process)
    texts = {path.name: path.read_text() for path in sweep.rglob("*.out")} | {
        path.name: path.read_text() for path in sweep.rglob("*.err")
    }
    assert process.returncode == 0, f"{said}\n{texts}"
    results = [json.loads(path.read_text()) for path in sweep.glob("*/metrics.json")]
    assert sorted(result["seed"] for result in results) == [0, 1]
    assert {result["epochs"] for result in results} == {12}
    told = "".join(texts.values())
    assert "SIGTERM: finishing this step and saving" in told
    assert "resuming from" in told


def test_a_study_of_jobs_is_submitted_once_outlives_its_time_and_is_collected(
    slurm_cluster: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    study = ["reproduce", "table6", *PARTS, *EPOCHS, "loss.avss_weight=0.5,1", "--engine", "slurm"]
    late = ["--slurm", "signal=B:USR1@300"]
    assert main([*study, *late, "--no-wait"]) == 0
    first = capsys.readouterr().out
    assert first.count("submitted as job") == 2
    assert "2 jobs queued or running; the same command collects" in first
    jobs = set(slurm_cluster.jobs())
    assert len(jobs) == 2
    cells = tmp_path / "outputs" / "table6-simulated" / "cells"
    slurm_cluster.wait(lambda: saved(cells) is not None or not slurm_cluster.jobs(), PATIENCE)
    path = saved(cells)
    assert path is not None, [log.read_text() for log in cells.rglob("reproduce.log")]
    folder = path.parents[1]
    pid = process_of(folder)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # it takes all its time
    assert main([*study, *late, "--no-wait"]) == 0
    again = capsys.readouterr().out
    assert "submitted" not in again
    assert "RUNNING" in again
    assert set(slurm_cluster.jobs()) <= jobs
    number = (folder / "slurm-job").read_text().strip()
    # Less than 300 s are left then.
    minutes = slurm_cluster.slurm("squeue", "--noheader", f"--jobs={number}", "--format=%M").strip().split(":")[-2]
    slurm_cluster.slurm("scontrol", "update", f"JobId={number}", f"TimeLimit={int(minutes) + 3}")
    told = 1 << signal.SIGUSR1 - 1
    slurm_cluster.wait(lambda: int(_status(pid)["ShdPnd"], 16) & told != 0, PATIENCE)
    os.kill(pid, signal.SIGCONT)
    slurm_cluster.wait(lambda: _at_rest(slurm_cluster), PATIENCE)
    log = (folder / "reproduce.log").read_text()
    assert "SIGUSR1: finishing this step and saving" in log
    assert "resuming from" in log
    assert main(study) == 0
    collected = capsys.readouterr().out
    assert "2 cells, 2 finished" in collected
    assert "submitted" not in collected
    assert (cells.parent / "table6.md").is_file()


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _at_rest(cluster: SlurmCluster) -> bool:
    hurry(cluster)
    return not cluster.jobs()


def test_tasks_of_a_job_train_as_one(slurm_cluster: SlurmCluster, tmp_path: Path) -> None:
    from tests.end_to_end.test_distributed import EXACT, TOGETHER, VIDEOS, assert_agree

    words = ["train", *SMALL, *LEAP, *EXACT, *VIDEOS, "callbacks.keep_last=true"]
    run = f"hydra.run.dir={tmp_path / 'run'}"
    command = ["srun", "--ntasks=2", sys.executable, "-m", "leap_avvp", *words, *TOGETHER, run]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("written:") == 1
    assert main([*words, f"hydra.run.dir={tmp_path / 'alone'}"]) == 0
    assert_agree(tmp_path / "run", tmp_path / "alone")


def test_a_job_that_breaks_is_told_and_what_sbatch_refuses_too(
    slurm_cluster: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    study = ["reproduce", "table6", *PARTS, "loss.avss_weight=1", "--engine", "slurm"]
    assert main([*study, "--slurm", "partition=nowhere"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --slurm: sbatch takes no such job: ")
    assert error.count("\n") == 1
    assert slurm_cluster.jobs() == {}
