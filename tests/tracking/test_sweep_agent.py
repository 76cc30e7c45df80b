"""``leap-avvp train`` under an agent of a W&B sweep: a stand-in sets what the real one sets and starts its command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

SWEEP = "abcd1234"
PAGE = Path(__file__).parents[2] / "docs" / "dashboards.md"
SMALL = (
    *("encoder=han", "encoder.dim=32", "encoder.feed_forward_dim=32", "decoder=mmil", "decoder.dim=32"),
    *("data.num_train=16", "data.num_val=4", "data.num_test=4", "data.batch_size=8", "data.schedule.max_epochs=2"),
    *("trainer=cpu", "trainer.log_every_n_steps=1"),
)


def documented_sweep() -> dict[str, Any]:
    """Return the ``sweep.yaml`` of the page on dashboards."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    sweep: dict[str, Any] = yaml.safe_load(text)
    return sweep


def agent(run: str, values: dict[str, object], sweep: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Start one run of a sweep as ``wandb agent ME/TEAMS/abcd1234`` does, and wait for it."""
    here = Path.cwd()
    parameters = here / "wandb" / f"sweep-{SWEEP}" / f"config-{run}.yaml"
    parameters.parent.mkdir(parents=True, exist_ok=True)
    parameters.write_text(yaml.safe_dump({"wandb_version": 1} | {name: {"value": v} for name, v in values.items()}))
    variables = {
        "WANDB_ENTITY": "me",
        "WANDB_PROJECT": "teams",
        "WANDB_SWEEP_ID": SWEEP,
        "WANDB_DIR": str(here),
        "WANDB_RUN_ID": run,
        "WANDB_SWEEP_PARAM_PATH": str(parameters),
        "WANDB_MODE": "offline",  # the one thing that a real agent does not set: it has a network
    }
    macros = {
        "${env}": ["/usr/bin/env"],
        "${interpreter}": ["python"],
        "${program}": [sweep["program"]],
        "${args_no_hyphens}": [f"{name}={value}" for name, value in values.items()],
    }
    command = [part for word in sweep["command"] for part in macros.get(word, [word])]
    # What a shell would find on the PATH.
    command[:1] = [sys.executable, "-m", "leap_avvp"] if command[0] == "leap-avvp" else command[:1]
    return subprocess.run(
        command,
        env={**os.environ, **variables, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_documented_sweep_tunes_on_validation_and_names_keys_that_exist():
    from leap_avvp.config.compose import compose_config

    sweep = documented_sweep()
    assert sweep["metric"]["name"].startswith("best/"), "the validation scores of the epoch that is kept"
    assert sweep["command"][0] == "${program}"
    assert "${args_no_hyphens}" in sweep["command"]
    words = [word for word in sweep["command"][2:] if not word.startswith("${") and "oc.env" not in word]
    config = compose_config([*words, *(f"{name}=1" for name in sweep["parameters"]), "output_dir=."])
    assert config.logger.wandb


@pytest.mark.slow
def test_an_agents_runs_are_its_own_not_those_of_a_folder(no_wandb_key, offline_runs):
    sweep = documented_sweep()
    sweep["command"] += SMALL
    tried = {"q1w2e3": {"optimizer.lr": 0.001, "seed": 1}, "r4t5y6": {"optimizer.lr": 1e-05, "seed": 2}}
    for run, values in tried.items():
        done = agent(run, values, sweep)
        assert done.returncode == 0, done.stderr
        assert f"W&B: offline (WANDB_MODE); the sweep agent's run {run}" in done.stdout
    runs = offline_runs(Path("wandb"))
    assert [run.id for run in runs] == list(tried)
    for run in runs:
        assert run.exit_code == 0
        assert (run.project, run.entity, run.sweep) == ("teams", "me", SWEEP)
        for name, value in tried[run.id].items():
            assert run.config[name] == value
        assert run.config["optimizer"]["lr"] == tried[run.id]["optimizer.lr"]
        assert isinstance(run.summary[sweep["metric"]["name"]], float)
    assert not list(Path().rglob("wandb-run.json")), "the agent's id is in no folder"


@pytest.mark.slow
def test_a_run_that_the_agent_starts_again_goes_on_in_its_folder_and_run(no_wandb_key, offline_runs):
    sweep = documented_sweep()
    sweep["command"] += SMALL
    for _ in range(2):
        done = agent("q1w2e3", {"seed": 1}, sweep)
        assert done.returncode == 0, done.stderr
    assert "has been trained here" in done.stdout
    assert {run.id for run in offline_runs(Path("wandb"))} == {"q1w2e3"}
    assert len(list(Path("outputs").rglob("metrics.json"))) == 1


@pytest.mark.slow
def test_a_value_that_the_sweep_gets_wrong_fails_the_run_in_one_line(no_wandb_key):
    sweep = documented_sweep()
    sweep["command"] += SMALL
    done = agent("q1w2e3", {"optimizer.rate": 0.1}, sweep)
    assert done.returncode == 2
    assert done.stderr.startswith("error: optimizer.rate: no such key")
    assert done.stderr.count("\n") == 1
