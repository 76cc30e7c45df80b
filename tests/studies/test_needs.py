"""Cells that read a file of another cell: planned with it, started after it, found where it lies."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from leap_avvp.errors import ConfigError
from leap_avvp.studies import reproduce
from leap_avvp.studies.plan import Cell, make_plan
from leap_avvp.studies.spec import lookup, parse_study
from leap_avvp.studies.sweep import inspect_plan

KEY = "loss.relabel.noise_ratios"
FIRST, SECOND = "system=jomold_first, seed 0", "system=jomold, seed 0"
WORDS = ["system=jomold"]
OUT = Path("outputs/peers-simulated")


class Training:
    """Leaves what a run leaves, and remembers what each was given to read."""

    def __init__(self, fake, breaks: str = "", forgets: bool = False) -> None:
        self.fake, self.breaks, self.forgets = fake, breaks, forgets
        self.ran: list[str] = []
        self.read: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, cell: Cell) -> int:
        with self.lock:
            self.ran.append(str(cell))
            self.read += [word for word in cell.overrides if word.startswith(KEY)]
        for word in cell.overrides:
            if word.startswith(KEY):
                assert Path(word.partition("=")[2].strip('"')).is_file(), "there before the cell starts"
        if str(cell) == self.breaks:
            return 1
        self.fake.write_run(cell, 40.0)
        if "jomold_first" in cell.label and not self.forgets:
            (cell.folder / "noise_ratios.npz").touch()
        return 0


@pytest.fixture
def runs(fake):
    """Run the study's two cells; return the exit code and what ran."""

    def run(jobs: int = 1, out: Path | None = None, **how) -> tuple[int, Training]:
        training = Training(fake, **how)
        return reproduce("peers", overrides=WORDS, jobs=jobs, out=out, runner=training), training

    return run


def test_the_needed_cell_is_planned_first_and_counts_in_the_hash() -> None:
    first, second, *next_seed = make_plan("peers", overrides=WORDS, seeds=[0, 1]).cells
    assert (str(first), str(second)) == (FIRST, SECOND)
    assert next_seed[1].needs[0].config_hash == next_seed[0].config_hash != first.config_hash, "of the same seed"
    (need,) = second.needs
    assert need.config_hash == first.config_hash
    assert need.path == first.folder / "noise_ratios.npz"
    assert lookup(second.config, KEY) == str(need.path)
    assert first.config_hash in second.shown
    elsewhere = make_plan("peers", overrides=WORDS, out=Path("elsewhere")).cells[1]
    assert elsewhere.config_hash == second.config_hash, "not where the file lies"
    other_first, other = make_plan("peers", overrides=[*WORDS, "optimizer.lr=1e-3"]).cells
    assert other.needs[0].config_hash == other_first.config_hash != first.config_hash
    assert other.config_hash != second.config_hash


@pytest.mark.parametrize("jobs", [1, 2])
def test_it_starts_once_the_other_is_finished(runs, jobs: int) -> None:
    code, training = runs(jobs)
    assert (code, training.ran) == (0, [FIRST, SECOND])
    code, again = runs(jobs)
    assert (code, again.ran) == (0, [])


def test_a_moved_study_trains_nothing_again(runs, fake) -> None:
    runs()
    shutil.move(OUT, "outputs/moved")
    code, training = runs(out=Path("outputs/moved"))
    assert (code, training.ran) == (0, [])
    # The file is taken from where the other run was found, another study's folder too.
    second = make_plan("peers", overrides=WORDS, out=Path("outputs/moved")).cells[1]
    shutil.rmtree(second.folder)
    code, training = runs()
    assert (code, training.ran) == (0, [SECOND])
    assert training.read == [f'{KEY}="{Path.cwd()}/outputs/moved/cells/system=jomold_first/seed=0/noise_ratios.npz"']


@pytest.mark.parametrize(
    ("how", "ran", "reason"),
    [
        ({"breaks": FIRST}, [FIRST], f"needs noise_ratios.npz of {FIRST}, which failed"),
        ({"forgets": True}, [FIRST], "whose finished run has left none; remove that folder"),
    ],
)
def test_without_what_it_needs_it_is_not_started(runs, how, ran, reason, capsys: pytest.CaptureFixture[str]) -> None:
    code, training = runs(**how)
    assert (code, training.ran) == (1, ran)
    told = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(f"broken: {SECOND}"))
    assert reason in told
    assert "log:" not in told, "nothing ran"
    (_, second), _ = inspect_plan(make_plan("peers", overrides=WORDS))
    assert second.status == "failed"
    assert reason in second.error
    if "breaks" in how:
        assert runs()[1].ran == [FIRST, SECOND]


SMALL = """
title: Small
source: a paper
columns: {average: Avg.}
rows: [{label: one, match: {}}]
after:
  system=a: {needs: system=b, set: loss.file, file: x.npz}
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("needs: system=b", "needs: b"), r"after\.system=a\.needs: expected another value of the same key, found 'b'"),
        (("needs: system=b", "needs: system=a"), "found 'system=a'"),
        ((", file: x.npz", ""), "expected the key 'file'"),
        (("set:", "sett:"), "did you mean 'set'"),
        (("  system=a: {needs: system=b, set: loss.file, file: x.npz}", "  [1]"), "after: expected swept values"),
    ],
)
def test_mistakes_in_the_study_are_named(change: tuple[str, str], message: str) -> None:
    assert parse_study("small", SMALL).after[0].file == "x.npz"
    with pytest.raises(ConfigError, match=message):
        parse_study("small", SMALL.replace(*change))
