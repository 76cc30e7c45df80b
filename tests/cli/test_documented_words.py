"""The page on what can be typed: every command of it is taken."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from leap_avvp.config.compose import compose_config, plain
from leap_avvp.config.job import training_job
from leap_avvp.config.lightning import check_trainer
from leap_avvp.config.words import checkpoint_word

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
COMMANDS = [line for block in re.findall(r"```\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("leap-avvp train")])
def test_a_documented_training_composes_and_its_parts_are_known(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    words = [*shlex.split(line)[2:], "output_dir=x"]
    config = compose_config(words)
    job = training_job(config, words)
    check_trainer(job.content["trainer"])
    assert job.parts.optimizer().func.__module__.startswith("torch.optim")
    assert job.parts.scheduler() or job.parts.plateau() or "scheduler=none" in words
    job.parts.callbacks()
    assert "~" not in str(plain(config))


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("leap-avvp evaluate")])
def test_a_documented_evaluation_finds_its_folders(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("outputs/sweeps/MINE/loss.avss_weight=0.5,seed=1")
    folder.mkdir(parents=True)
    words = shlex.split(line)[2:]
    paths = [f"{path}/" for word in words if "*" in word for path in Path().glob(word)] or words
    assert f'checkpoint="{folder}' in checkpoint_word(paths, multirun="-m" in words)[0]


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) > 10
