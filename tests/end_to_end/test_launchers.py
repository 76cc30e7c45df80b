"""Sweeps whose jobs run side by side: each in a folder of its own, with its share of the threads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.errors import MissingConfigException

from leap_avvp.config.compose import compose_config
from leap_avvp.config.explain import explain
from tests.processes import PATIENCE

pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs leap-avvp[launchers]")


def sweep(tmp_path: Path, small: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a sweep for which there are four threads, however many cores the machine has."""
    command = [sys.executable, "-m", "leap_avvp", "train", "-m", *small, *words]
    environment = {"OMP_NUM_THREADS": "4", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    # Else MKL, whose number torch takes, gives no more threads than there are cores.
    environment |= {"MKL_DYNAMIC": "FALSE", "OMP_DYNAMIC": "FALSE", "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run(
        [*command, f"hydra.sweep.dir={tmp_path / 'sweep'}"],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def finished(tmp_path: Path) -> dict[int, str]:
    """Return the threads of the jobs that have finished, by seed."""
    results = [json.loads(path.read_text()) for path in (tmp_path / "sweep").glob("*/metrics.json")]
    return {result["seed"]: result["device"].split(", ")[-1] for result in results}


@pytest.mark.slow
def test_jobs_side_by_side_share_the_threads_and_a_failing_one_is_told(tmp_path: Path, small: list[str]) -> None:
    done = sweep(tmp_path, small, "hydra/launcher=parallel", "hydra.launcher.n_jobs=2", "seed=0,-1,1")
    assert done.returncode == 2, done.stderr[-3000:]
    assert done.stderr.rstrip().splitlines()[-1] == "error: seed: expected a whole number of at least 0, found -1"
    assert "Traceback" not in done.stderr
    assert finished(tmp_path) == {0: "2 threads)", 1: "2 threads)"}, "the sound jobs are finished"


@pytest.mark.slow
def test_jobs_as_slurm_runs_them_have_the_threads_that_were_asked_for(tmp_path: Path, small: list[str]) -> None:
    done = sweep(tmp_path, small, "hydra/launcher=slurm_local", "hydra.launcher.cpus_per_task=3", "seed=0,1")
    assert done.returncode == 0, done.stderr[-3000:]
    assert finished(tmp_path) == {0: "3 threads)", 1: "3 threads)"}


def test_a_job_of_a_sweep_is_told_its_share_of_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """On any machine, and to both libraries: torch asks MKL, which looks for its own number first."""
    monkeypatch.setenv("OMP_NUM_THREADS", "12")
    slurm = ["hydra/launcher=slurm", "hydra.launcher.partition=gpu", "hydra.launcher.cpus_per_task=6"]
    for words, threads in ((["hydra/launcher=parallel", "hydra.launcher.n_jobs=3"], "4"), (slurm, "6")):
        settings = compose_config([*words, "seed=0", "hydra.sweep.dir=x"], hydra=True).hydra
        told = {name: str(value) for name, value in settings.job.env_set.items()}
        assert told == {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    assert settings.launcher._target_.endswith("SlurmLauncher")
    assert settings.launcher.partition == "gpu"


def test_a_launcher_whose_plugin_is_missing_says_what_to_install() -> None:
    missing = MissingConfigException("missing", missing_cfg_file="hydra/launcher/joblib", options=["basic"])
    assert "pip install 'leap-avvp[launchers]'" in str(explain(missing))
