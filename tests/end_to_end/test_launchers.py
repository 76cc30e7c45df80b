"""Sweeps whose jobs run side by side: each in a folder of its own, with its share of the threads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.errors import MissingConfigException

from leap_avvp.config.compose import compose_job
from leap_avvp.config.explain import explain

pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs leap-avvp[launchers]")


def sweep(tmp_path: Path, small: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "leap_avvp",
        "train",
        "-m",
        *small,
        *words,
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
    ]
    environment = {"OMP_NUM_THREADS": "4", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    return subprocess.run(
        command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "threads"),
    [
        (("hydra/launcher=parallel", "hydra.launcher.n_jobs=2"), 2),
        (("hydra/launcher=slurm_local", "hydra.launcher.cpus_per_task=1"), 1),
    ],
    ids=["joblib", "submitit"],
)
def test_jobs_side_by_side(tmp_path: Path, small: list[str], launcher: tuple[str, ...], threads: int) -> None:
    done = sweep(tmp_path, small, *launcher, "seed=0,1")
    assert done.returncode == 0, done.stderr[-3000:]
    results = [json.loads(path.read_text()) for path in (tmp_path / "sweep").glob("*/metrics.json")]
    assert sorted(result["seed"] for result in results) == [0, 1]
    shares = {result["device"].split(", ")[-1] for result in results}
    assert shares == {f"{threads} threads)"}


@pytest.mark.slow
def test_a_failing_job_in_another_process_is_told(tmp_path: Path, small: list[str]) -> None:
    done = sweep(tmp_path, small, "hydra/launcher=parallel", "seed=0,-1")
    assert done.returncode == 2
    assert done.stderr.rstrip().splitlines()[-1] == "error: seed: expected a whole number of at least 0, found -1"
    assert "Traceback" not in done.stderr
    assert len(list((tmp_path / "sweep").glob("*/metrics.json"))) == 1, "the sound job is finished"


def test_slurm_composes_with_its_threads() -> None:
    words = ["hydra/launcher=slurm", "hydra.launcher.partition=gpu", "hydra.launcher.cpus_per_task=6", "seed=0"]
    settings = compose_job([*words, "hydra.sweep.dir=x"], hydra=True).hydra
    assert settings.launcher._target_.endswith("SlurmLauncher")
    assert settings.launcher.partition == "gpu"
    assert str(settings.job.env_set.OMP_NUM_THREADS) == "6"


def test_a_launcher_whose_plugin_is_missing_says_what_to_install() -> None:
    missing = MissingConfigException("missing", missing_cfg_file="hydra/launcher/joblib", options=["basic"])
    assert "pip install 'leap-avvp[launchers]'" in str(explain(missing))
