"""Folders and files of any name, from the shell to the results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leap_avvp.cli import main
from leap_avvp.training.checkpoint import load_checkpoint

ODD = "my runs (50% done) #1, λ=[1] %Y it's"


def scores(folder: str | Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((Path(folder) / "evaluation_test.json").read_text())
    return content


def test_the_folder_that_a_sweep_made_is_evaluated_as_the_shell_completes_it(small, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["loss.avss_weight=0.5,1", "seed=1", "data.schedule.max_epochs=1", "hydra.sweep.dir=sw"]
    own = [word for word in small if not word.startswith("data.schedule.max_epochs")]
    assert main(["train", "-m", *words, *own]) == 0
    jobs = sorted(str(path) for path in Path("sw").iterdir() if path.is_dir())
    (one,) = [job for job in jobs if "avss_weight=0.5,seed=1" in job]
    trained = json.loads((Path(one) / "metrics.json").read_text())["test"]
    assert main(["evaluate", f"{one}/checkpoints/best.ckpt", "trainer=cpu", "hydra.run.dir=file"]) == 0
    assert main(["evaluate", "trainer=cpu", one, "hydra.run.dir=folder"]) == 0
    assert main(["evaluate", f"checkpoint={one}", "trainer=cpu", "hydra.run.dir=key"]) == 0
    monkeypatch.chdir("sw")
    assert main(["evaluate", Path(one).name, "trainer=cpu", "hydra.run.dir=../inside"]) == 0
    monkeypatch.chdir("..")
    for folder in ("file", "folder", "key", "inside"):
        assert scores(folder)["scores"] == pytest.approx(trained)
        assert scores(folder)["checkpoint"] == str(tmp_path / one / "checkpoints" / "best.ckpt")
    assert main(["evaluate", "-m", *jobs, "trainer=cpu", "hydra.sweep.dir=all"]) == 0
    checkpoints = {scores(path.parent)["checkpoint"] for path in Path("all").rglob("evaluation_test.json")}
    assert checkpoints == {str(tmp_path / job / "checkpoints" / "best.ckpt") for job in jobs}


def test_data_run_and_start_lie_in_folders_of_odd_names(small, make_llp_folder, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    make_llp_folder(tmp_path / "home" / ODD / "LLP", train=8, val=4, test=4)
    own = [word for word in small if not word.startswith("data.num")]
    words = ["train", *own, "data=llp", f"data.root=~/{ODD}/LLP", "label_embedding=learnable", f"name={ODD}"]
    words.append("data.schedule.max_epochs=1")
    assert main([*words, f"hydra.run.dir=~/{ODD}/run"]) == 0
    run = tmp_path / "home" / ODD / "run"
    assert json.loads((run / "metrics.json").read_text())["config"]["data"]["root"] == str(run.parent / "LLP")
    assert main([*words, f"init_from=~/{ODD}/run", f"hydra.run.dir={ODD}/tuned"]) == 0
    assert (tmp_path / ODD / "tuned" / "metrics.json").is_file()
    assert main(["evaluate", f"{ODD}/tuned", "trainer=cpu", f"hydra.run.dir={ODD}/scored"]) == 0
    assert scores(f"{ODD}/scored")["videos"] == 4
    assert not (tmp_path / "~").exists()


def test_a_folder_without_a_checkpoint_is_named(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    assert main(["evaluate", "run", "hydra.run.dir=scored"]) == 2
    assert "run/checkpoints/best.ckpt: no such checkpoint file" in capsys.readouterr().err


def test_a_notebook_loads_the_folder_of_a_run(train, tmp_path) -> None:
    train()
    parser, config = load_checkpoint(tmp_path / "run")
    assert not parser.training
    assert config["encoder"]["dim"] == 32
