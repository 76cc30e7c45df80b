"""A run is evaluated and drawn from another directory than it was trained in, and finds its data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leap_avvp.cli import main
from leap_avvp.config.hashing import config_hash
from leap_avvp.training.checkpoint import CHECKPOINT_KEY, load_checkpoint

MODEL = (
    *("encoder=han", "encoder.dim=32", "encoder.feed_forward_dim=32"),
    *("decoder.dim=32", "decoder.num_heads=4", "decoder.feed_forward_dim=32"),
    *("data.batch_size=8", "data.schedule.max_epochs=1", "trainer=cpu", "logger=none", "callbacks.progress=none"),
)


@pytest.fixture
def project(tmp_path: Path, make_llp_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder where ``run`` was trained by relative paths: ``data``, ``csv`` and ``labels.npz``."""
    home = tmp_path / "project"
    make_llp_folder(home / "data")
    shutil.move(home / "data" / "annotations", home / "csv")
    np.savez(home / "labels.npz", embedding=np.random.default_rng(0).standard_normal((25, 300)))
    monkeypatch.chdir(home)
    places = ("data=llp", "data.root=data", "data.annotations=csv", "label_embedding.path=labels.npz")
    assert main(["train", *MODEL, *places, "hydra.run.dir=run"]) == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return home


def evaluate(checkpoint: Path, *words: str, folder: str = "scored") -> dict[str, Any]:
    assert main(["evaluate", f"checkpoint={checkpoint}", f"hydra.run.dir={folder}", "trainer=cpu", *words]) == 0
    content: dict[str, Any] = json.loads((Path(folder) / "evaluation_test.json").read_text())
    return content


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Return the one line in which a command says what is wrong."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_evaluate_from_another_directory_finds_the_data_of_the_training(project):
    found = evaluate(project / "run" / "checkpoints" / "best.ckpt")
    trained = json.loads((project / "run" / "metrics.json").read_text())
    assert found["scores"] == pytest.approx(trained["test"])
    assert found["config_hash"] == trained["config_hash"]
    assert found["data"]["root"] == str(project / "data")


def test_evaluate_names_the_option_for_data_that_have_moved_and_takes_it(project, capsys):
    checkpoint = project / "run" / "checkpoints" / "best.ckpt"
    (project / "data").rename(project / "moved")
    line = refusal(capsys, "evaluate", f"checkpoint={checkpoint}")
    assert f"data.root=data, found no such folder in {project} and here; data.root=DIR says where they lie now" in line
    (project / "csv").rename(project / "csv2")
    line = refusal(capsys, "evaluate", f"checkpoint={checkpoint}", f"data.root={project / 'moved'}")
    assert "data.annotations=DIR says where" in line
    words = (f"data.root={project / 'moved'}", f"data.annotations={project / 'csv2'}")
    trained = json.loads((project / "run" / "metrics.json").read_text())
    assert evaluate(checkpoint, *words)["scores"] == pytest.approx(trained["test"])


def test_a_checkpoint_taken_along_with_its_data_finds_them_here(project):
    shutil.copytree(project, "copy")
    shutil.rmtree(project)
    shutil.move(Path("copy") / "data", "data")
    shutil.move(Path("copy") / "csv", "csv")
    assert evaluate(Path("copy/run/checkpoints/best.ckpt"))["data"]["root"] == str(Path("data").resolve())


def test_the_trainings_data_come_before_others_of_the_same_name_here(project, make_llp_folder):
    make_llp_folder(Path("data"), test=3)
    assert evaluate(project / "run" / "checkpoints" / "best.ckpt")["videos"] == 2


def test_one_key_of_the_data_replaces_the_checkpoints_and_leaves_its_others(train, tmp_path):
    train("data.simulation_seed=5")
    checkpoint = tmp_path / "run" / "checkpoints" / "best.ckpt"
    found = evaluate(checkpoint, "data.num_test=5")
    assert (found["videos"], found["data"]["seed"]) == (5, 5), "one key"
    found = evaluate(checkpoint, "data=simulated", "data.num_test=6", folder="others")
    assert (found["videos"], found["data"]["seed"]) == (6, 0), "other data altogether"


def test_a_place_for_simulated_data_is_refused_with_the_way_to_others(train, tmp_path, capsys):
    train()
    line = refusal(capsys, "evaluate", f"checkpoint={tmp_path / 'run' / 'checkpoints' / 'best.ckpt'}", "data.root=x")
    assert line.startswith("error: data.root: expected data in files, found the simulated ones of ")
    assert line.endswith("evaluate with data=llp")


def test_the_directory_of_the_training_changes_no_hash(project):
    checkpoint = project / "run" / "checkpoints" / "best.ckpt"
    stamp = torch.load(checkpoint, weights_only=True)[CHECKPOINT_KEY]
    assert stamp["directory"] == str(project)
    _, config = load_checkpoint(checkpoint)
    assert config["data"]["root"] == "data"
    assert config_hash(config) == stamp["config_hash"]


def test_visualize_from_another_directory_finds_the_data_of_the_run(project, tmp_path):
    words = ["visualize", "--run", str(project / "run"), "--video=-test_00000", "--out", str(tmp_path / "drawn")]
    assert main(words) == 0
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 1


def test_visualize_names_its_flags_for_data_that_have_moved_and_takes_them(project, tmp_path, capsys):
    (project / "data").rename(project / "moved")
    (project / "csv").rename(project / "csv2")
    words = ["visualize", "--run", str(project / "run"), "--video=-test_00000", "--out", str(tmp_path / "drawn")]
    assert "; --data DIR says where they lie now" in refusal(capsys, *words)
    words += ["--data", str(project / "moved")]
    assert "; --annotations DIR says where" in refusal(capsys, *words)
    assert main([*words, "--annotations", str(project / "csv2")]) == 0
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 1
