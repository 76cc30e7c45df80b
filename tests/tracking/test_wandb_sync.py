"""``leap-avvp wandb-sync``: what is sent, in which order, what is not sent twice, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from leap_avvp.cli import main
from leap_avvp.tracking import wandb_sync


def part(root: Path, start: str, name: str, number: str = "") -> Path:
    folder = root / "wandb" / f"offline-run-20260101_{start}-{name}{number}"
    folder.mkdir(parents=True)
    (folder / f"run-{name}.wandb").touch()
    return folder


@pytest.fixture
def study(no_wandb_key: Path) -> Path:
    root = no_wandb_key / "study"
    part(root / "cells" / "b" / "seed=0", "100000", "bbb")  # resumed at 12, when a had run
    part(root / "cells" / "b" / "seed=0", "120000", "bbb")
    part(root / "cells" / "a" / "seed=0", "110000", "aaa")
    part(root, "090000", "sum")  # of an earlier, interrupted call
    part(root, "130000", "sum")
    (root / "cells" / "a" / "seed=0" / "wandb" / "latest-run").mkdir()
    (root / "cells" / "a" / "seed=0" / "wandb" / "offline-run-20260101_140000-empty").mkdir()
    return root


class FakeWandb:
    """Marks what it is given as sent, as W&B does, except where it is told to fail."""

    def __init__(self, fails: str = "", code: int = 0) -> None:
        self.fails, self.code = fails, code
        self.sent: list[str] = []

    def __call__(self, folder: Path) -> subprocess.CompletedProcess[str]:
        self.sent.append(folder.name.removeprefix("offline-run-20260101_"))
        name = folder.name.rpartition("-")[2]
        if name == self.fails:
            return subprocess.CompletedProcess([], self.code, "wandb: Not authenticated.\n")
        (folder / f"run-{name}.wandb.synced").touch()
        return subprocess.CompletedProcess([], 0, "wandb: Syncing 1 run(s):\n")


def call(folder: Path, sync: FakeWandb, dry_run: bool = False) -> int:
    return wandb_sync.sync_folder(folder, dry_run=dry_run, sync=sync)


ORDER = ["100000-bbb", "120000-bbb", "110000-aaa", "090000-sum", "130000-sum"]


def test_runs_are_sent_in_order_the_summary_last_and_nothing_twice(study, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    first, second = FakeWandb(), FakeWandb()
    assert call(study, first) == 0
    assert first.sent == ORDER
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0] == "[1/5] cells/b/seed=0/wandb/offline-run-20260101_100000-bbb: sent"
    assert call(study, second) == 0
    assert second.sent == []
    assert capsys.readouterr().out.count("sent before") == 5


@pytest.mark.parametrize("code", [0, 1])  # W&B's command ends with 0 even where it could not log in
def test_a_part_that_was_not_sent_keeps_the_later_parts_of_its_run_back(study, monkeypatch, capsys, code):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    broken, again = FakeWandb(fails="bbb", code=code), FakeWandb()
    assert call(study, broken) == 1
    assert broken.sent == [ORDER[0], *ORDER[2:]]
    streams = capsys.readouterr()
    assert "1 run was not sent" in streams.err
    assert f"not sent, exit code {code}\nwandb: Not authenticated.\n" in streams.out
    assert "an earlier part of this run was not" in streams.out
    assert call(study, again) == 0
    assert again.sent == ORDER[:2]


def test_dry_run_lists_and_needs_no_key(study, capsys):
    silent = FakeWandb()
    assert call(study, silent, dry_run=True) == 0
    assert silent.sent == []
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("20260101_")[2] for line in lines] == [f"{name}: to send" for name in ORDER]


def test_without_a_key_it_says_how_to_get_one(study, capsys):
    assert main(["wandb-sync", str(study)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: no W&B API key found")
    assert len(error.splitlines()) == 1


def test_a_folder_without_runs_is_an_error(no_wandb_key, capsys):
    assert main(["wandb-sync", "."]) == 2
    assert "found none" in capsys.readouterr().err
    assert main(["wandb-sync", "nowhere"]) == 2
    assert "nowhere: expected the folder" in capsys.readouterr().err


def test_a_single_runs_folder_will_do(study):
    assert [run.id for run in wandb_sync.find_runs(study / "cells" / "b" / "seed=0")] == ["bbb", "bbb"]


def test_two_parts_of_one_second_are_parts_of_one_run(no_wandb_key):
    part(no_wandb_key, "100000", "aaa", number="-1")
    part(no_wandb_key, "100000", "aaa")
    runs = wandb_sync.find_runs(no_wandb_key)
    assert [(run.id, run.folder.name[-5:]) for run in runs] == [("aaa", "0-aaa"), ("aaa", "aaa-1")]


def test_wandbs_own_command_is_called(study, monkeypatch):
    seen = {}

    def record(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        seen.update(options, command=command)
        return subprocess.CompletedProcess(command, 3, "")

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(subprocess, "run", record)
    assert wandb_sync.sync_part(Path("x")).returncode == 3
    assert seen["command"] == [sys.executable, "-m", "wandb", "sync", "x"]
    assert "PATH" in seen["env"]
    assert "WANDB_MODE" not in seen["env"], "it would make the command work offline"
