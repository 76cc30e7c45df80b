"""A folder never mixes runs: what another has left is refused or removed, and what changes no number goes on."""

from __future__ import annotations

import hashlib
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from leap_avvp.cli import main
from leap_avvp.training.checkpoint import read_checkpoint
from leap_avvp.training.module import ParsingModule


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of each file that a run leaves."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", "train.log")]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    original, seen = ParsingModule.training_step, []

    def step(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        seen.append(1)
        if len(seen) == steps:
            signal.raise_signal(signal.SIGTERM)
        return result

    monkeypatch.setattr(ParsingModule, "training_step", step)


def interrupted(small: list[str], folder: Path, *words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 4)
        assert main(["train", *small, *words, f"hydra.run.dir={folder}"]) == 128 + signal.SIGTERM


def test_another_seed_in_a_finished_folder_is_refused_and_nothing_changes(train, small, tmp_path, capsys) -> None:
    train("seed=0")
    before = contents(tmp_path / "run")
    assert main(["train", *small, "seed=5", "optimizer.lr=1e-5", f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    said = capsys.readouterr().err
    assert "holds a run of another configuration" in said
    assert "seed is 0 there and 5 here" in said
    assert "optimizer.lr" in said
    assert "overwrite=true" in said
    assert contents(tmp_path / "run") == before


def test_overwrite_leaves_nothing_of_the_run_before(train, tmp_path) -> None:
    train("seed=0", "callbacks.keep_last=true")
    (tmp_path / "run" / "mine.txt").write_text("kept")
    (tmp_path / "run" / "figures").mkdir()
    (tmp_path / "run" / "figures" / "video_x.png").touch()
    fresh = train("seed=5", folder="fresh")
    again = train("seed=5", "overwrite=true")
    assert again["test"] == fresh["test"]
    assert not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
    assert not (tmp_path / "run" / "figures" / "video_x.png").exists()
    assert (tmp_path / "run" / "mine.txt").read_text() == "kept"
    assert "seed=5" in (tmp_path / "run" / ".hydra" / "overrides.yaml").read_text()


def test_a_run_that_fails_after_overwrite_leaves_no_numbers_of_the_one_before(train, small, tmp_path, capsys) -> None:
    train("seed=0")
    words = ["seed=5", "overwrite=true", "data.num_train=0", f"hydra.run.dir={tmp_path / 'run'}"]
    assert main(["train", *small, *words]) == 2
    assert not [name for name in contents(tmp_path / "run") if name.endswith((".npz", ".ckpt", ".json", ".csv"))]


def test_an_unfinished_run_of_another_configuration_is_refused_too(small, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    interrupted(small, tmp_path / "run")
    before = contents(tmp_path / "run")
    assert main(["train", *small, "optimizer.lr=2e-3", f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    assert re.search(r"optimizer\.lr is [\d.e-]+ there and 0\.002 here", capsys.readouterr().err)
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize(
    "change",
    [
        *("data.eval_batch_size=3", "trainer.log_every_n_steps=1", "trainer.accelerator=auto"),
        *("trainer.devices=[0]", "trainer.devices=auto"),
        *("callbacks.progress=none", "name=other", "data.placement=ram", "logger=csv"),
    ],
)
def test_what_changes_no_number_goes_on_from_the_last_step(small, tmp_path, monkeypatch, capsys, change) -> None:
    monkeypatch.chdir(tmp_path)
    interrupted(small, tmp_path / "run")
    assert main(["train", *small, change, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    assert "resuming from" in capsys.readouterr().out


def test_data_that_were_moved_go_on_and_other_data_do_not(
    small, make_llp_folder, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    root = make_llp_folder(tmp_path / "llp", train=24, val=4, test=4)
    other = make_llp_folder(tmp_path / "other", train=20, val=4, test=4)
    words = [word for word in small if not word.startswith("data.num")]
    words += ["data=llp", "label_embedding=learnable", "data.schedule.max_epochs=2"]
    interrupted(words, tmp_path / "run", f"data.root={root}")
    moved = root.rename(tmp_path / "moved")
    again = ["train", *words, f"hydra.run.dir={tmp_path / 'run'}"]
    capsys.readouterr()
    assert main([*again, f"data.root={other}"]) == 2
    assert "holds a run on other data (data.root is" in capsys.readouterr().err
    assert main([*again, f"data.root={moved.relative_to(tmp_path)}"]) == 0
    assert "resuming from" in capsys.readouterr().out
    assert main([*again, f"data.root={tmp_path}/./moved"]) == 0
    assert "has been trained here" in capsys.readouterr().out
    assert main([*again, f"data.root={other}"]) == 2
    assert "holds a run on other data" in capsys.readouterr().err


def test_more_epochs_go_on_from_the_last_state(train, tmp_path, capsys) -> None:
    train("callbacks.keep_last=true", "scheduler=none")
    capsys.readouterr()
    longer = train("callbacks.keep_last=true", "scheduler=none", "trainer.max_epochs=4")
    said = capsys.readouterr().out
    assert "resuming from" in said
    assert "epoch  3/4" in said
    assert "epoch  2/4" not in said
    assert longer["test"] == train("scheduler=none", "trainer.max_epochs=4", folder="whole")["test"]


def test_more_epochs_without_the_last_state_say_what_to_do(train, small, tmp_path, capsys) -> None:
    train()
    assert main(["train", *small, "trainer.max_epochs=4", f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    said = capsys.readouterr().err
    assert "trainer.max_epochs is 2 there and 4 here" in said
    assert "callbacks.keep_last=true" in said
    assert "init_from=" in said


def test_fine_tuning_starts_from_anybodys_checkpoint(train, tmp_path, monkeypatch) -> None:
    train(folder="first")
    first = read_checkpoint(tmp_path / "first" / "checkpoints" / "best.ckpt")["state_dict"]
    tuned = train(f"init_from={tmp_path / 'first'}", "optimizer.lr=1e-12", "seed=3", folder="tuned")
    assert tuned["config"]["init_from"] == str(tmp_path / "first")
    state = read_checkpoint(tmp_path / "tuned" / "checkpoints" / "best.ckpt")["state_dict"]
    assert all(torch.allclose(state[name], first[name], atol=1e-6) for name in first)


def test_fine_tuning_by_part_leaves_the_rest_fresh(train, small, tmp_path, capsys) -> None:
    train(folder="first")
    best = tmp_path / "first" / "checkpoints" / "best.ckpt"
    words = ["decoder=mmil", "decoder.dim=32", f"init_from={best}", f"hydra.run.dir={tmp_path / 'x'}"]
    own = [word for word in small if not word.startswith("decoder.")]
    assert main(["train", *own, *words]) == 2
    assert "init_parts=[frontend,encoder]" in capsys.readouterr().err
    assert main(["train", *own, *words, "init_parts=[frontend,encoder]", "optimizer.lr=1e-12"]) == 0
    first = read_checkpoint(best)["state_dict"]
    state = read_checkpoint(tmp_path / "x" / "checkpoints" / "best.ckpt")["state_dict"]
    shared = [name for name in first if name.startswith(("parser.frontend.", "parser.encoder."))]
    assert all(torch.allclose(state[name], first[name], atol=1e-6) for name in shared)


def test_an_evaluation_of_something_else_in_the_same_folder_is_refused(train, tmp_path, capsys) -> None:
    train()
    words = ["evaluate", "checkpoint=run/checkpoints/best.ckpt", "trainer=cpu", "hydra.run.dir=evaluation"]
    assert main(words) == 0
    assert main([*words, "split=val"]) == 0
    before = contents(Path("evaluation"))
    assert main([*words, "protocol=none"]) == 2
    assert "protocol is" in capsys.readouterr().err
    assert contents(Path("evaluation")) == before
    assert main([*words, "protocol=none", "overwrite=true"]) == 0
    assert json.loads(Path("evaluation/evaluation_test.json").read_text())["protocol"]["name"].startswith("filter=none")
    assert not Path("evaluation/evaluation_val.json").exists()
    assert main([*words[:-1], "hydra.run.dir=run"]) == 2
    assert "holds a training" in capsys.readouterr().err


def test_two_commands_of_the_same_second_have_folders_of_their_own(small, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["train", *small, "data.schedule.max_epochs=1"]) == 0
    folders = [path.name for path in Path("outputs/train").iterdir()]
    assert len(folders) == 2
    assert all(len(name) == len("2026-01-01_00-00-00-000000") for name in folders)
