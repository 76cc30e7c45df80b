"""What becomes of cells as jobs, with programs that only say what Slurm would: submitted once, collected, gone on."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from leap_avvp.errors import ConfigError, LeapError
from leap_avvp.studies import slurm
from leap_avvp.studies.cells import CellResult, read_state
from leap_avvp.studies.plan import Cell, Need
from leap_avvp.studies.slurm import SlurmCells

PROGRAMS = {
    "sbatch": """
for word; do case $word in --job-name=*) name=${word#--job-name=};; esac; done
[ -e "$QUEUE/full" ] && { echo "sbatch: error: invalid partition specified: x" >&2; exit 1; }
number=$(($(cat "$QUEUE/last") + 1)); echo $number > "$QUEUE/last"
echo "$*" > "$QUEUE/words-$number"
echo "$name $number PENDING" > "$QUEUE/job-$number"; echo $number
""",
    "squeue": 'cat "$QUEUE"/job-* 2> /dev/null\n[ -e "$QUEUE/then" ] && . "$QUEUE/then"; exit 0\n',
    "scontrol": "exit 1\n",
}


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a queue: a file a job, and ``then``, which is done after each look."""
    place, programs = tmp_path / "queue", tmp_path / "bin"
    place.mkdir()
    programs.mkdir()
    (place / "last").write_text("0")
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("QUEUE", str(place))
    monkeypatch.setattr(slurm, "_ASK", 0.01)
    return place


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return Cell("x=1", 0, ("x=1",), tmp_path / "outputs" / "study" / "cells" / "x=1" / "seed=0", {}, "0123456789abcdef")


def train(*cells: Cell, wait: bool = False, words: tuple[str, ...] = (), most: int | None = None) -> tuple[dict, str]:
    said = io.StringIO()
    console = Console(file=said, width=300, highlight=False, markup=False, soft_wrap=True)
    left = SlurmCells(words, wait, console, most).train([CellResult(each, "not run") for each in cells])
    return left, said.getvalue()


def test_a_cell_is_submitted_once(queue: Path, cell: Cell) -> None:
    left, said = train(cell, words=("partition=gpu", "time=60"))
    assert left == {cell.config_hash: "1 PENDING"}
    assert "submitted as job 1" in said
    words = (queue / "words-1").read_text()
    assert all(word in words for word in ("--partition=gpu", "--time=60", "--signal=B:USR1@120", "--requeue"))
    left, said = train(cell)
    assert left == {cell.config_hash: "1 PENDING"}
    assert "job 1 PENDING" in said
    assert "submitted" not in said


def test_a_job_that_broke_is_told_once_and_then_run_again(queue: Path, cell: Cell) -> None:
    train(cell)
    (queue / "job-1").unlink()
    (cell.folder / "slurm-exit").write_text("2\n")
    (cell.folder / "reproduce.log").write_text("error: data.root: expected a folder\n")
    left, said = train(cell)
    assert left == {}
    assert "broken (exit code 2), going on: error: data.root: expected a folder" in said
    assert read_state(cell.folder)["exit_code"] == 2
    assert "submitted as job 2" in train(cell)[1]


def test_a_job_that_ended_behind_a_checkpoint_goes_on_and_one_without_is_broken(queue: Path, cell: Cell) -> None:
    """The first job leaves a checkpoint when it is looked at; the second one leaves nothing new."""
    last = cell.folder / "checkpoints" / "last.ckpt"
    (queue / "then").write_text(
        f'if [ -e "$QUEUE/job-1" ]; then mkdir -p "{last.parent}"; touch -d "+1 hour" "{last}"; rm "$QUEUE/job-1"; '
        f'elif [ -e "$QUEUE/job-2" ]; then touch -d "-1 hour" "{last}"; rm "$QUEUE/job-2"; fi\n'
    )
    left, said = train(cell, wait=True)
    assert left == {}
    assert "submitted as job 2" in said
    assert "goes on from its checkpoint" in said
    assert "broken (exit code 1), going on: its job ended before a checkpoint was saved" in said
    assert not (queue / "words-3").exists()


def test_a_cell_that_reads_another_ones_file_waits_behind_its_job(queue: Path, cell: Cell) -> None:
    folder = cell.folder.parents[1] / "x=2" / "seed=0"
    need = Need(cell.config_hash, "x=1", "init_from", cell.folder / "best.ckpt")
    other = Cell("x=2", 0, ("x=2",), folder, {}, "f" * 16, (need,))
    left, _ = train(cell, other)
    assert list(left.values()) == ["1 PENDING", "2 PENDING"]
    assert "--dependency=afterok:1" in (queue / "words-2").read_text()
    (queue / "job-1").unlink()
    (queue / "job-2").unlink()
    (cell.folder / "slurm-exit").write_text("2\n")
    left, said = train(cell, other)
    assert left == {}
    assert "not started, going on: needs best.ckpt of x=1, which failed" in said


def test_so_many_jobs_at_once(queue: Path, cell: Cell) -> None:
    other = Cell("x=2", 0, ("x=2",), cell.folder.parents[1] / "x=2" / "seed=0", {}, "f" * 16)
    left, _ = train(cell, other, most=1)
    assert list(left.values()) == ["1 PENDING"]


def test_wrong_words_are_one_line(queue: Path, cell: Cell) -> None:
    with pytest.raises(ConfigError, match="--slurm: requeue is set by the command itself"):
        train(cell, words=("requeue=1",))
    with pytest.raises(ConfigError, match="--slurm: expected options of sbatch as KEY=VALUE"):
        train(cell, words=("gpu",))
    (queue / "full").touch()
    with pytest.raises(LeapError, match="--slurm: sbatch takes no such job: sbatch: error: invalid partition"):
        train(cell)
    assert not (cell.folder / "slurm-job").exists()


def test_without_slurm_it_is_said(cell: Cell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="--engine slurm: expected Slurm's sbatch on this machine, found none"):
        train(cell)
