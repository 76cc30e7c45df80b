"""Running a study: skip, resume, survive, stop, refuse; with a training that only writes its result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from leap_avvp.errors import DataError, LeapError
from leap_avvp.files import folder_lock, write_whole
from leap_avvp.studies import reproduce
from leap_avvp.studies.plan import Cell, make_plan
from leap_avvp.studies.processes import ProcessRunner, ThreadShares, auto_jobs
from leap_avvp.studies.sweep import inspect_plan

CELLS = [f"loss.avss_weight={weight}, seed 0" for weight in ("0.5", "1", "2")]
OUT = Path("outputs/table6-simulated")


@pytest.fixture(autouse=True)
def _no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures have tests of their own; here they only cost time."""
    monkeypatch.setattr("leap_avvp.studies.figures.plot_png", lambda table: b"png")


def test_runs_every_cell_and_writes_the_outputs(fake, capsys: pytest.CaptureFixture[str]) -> None:
    training = fake.Training()
    assert reproduce("table6", runner=training) == 0
    assert training.ran == CELLS
    assert sorted(path.name for path in OUT.glob("table6.*")) == ["table6.csv", "table6.md", "table6.png"]
    printed = capsys.readouterr().out
    assert "leap-avvp train experiment=table6 data=simulated" in printed
    assert "SIMULATED DATA" in printed


def test_finished_cells_are_not_run_again(fake, capsys: pytest.CaptureFixture[str]) -> None:
    reproduce("table6", runner=fake.Training())
    again = fake.Training()
    assert reproduce("table6", runner=again) == 0
    assert again.ran == []
    assert "3 cells, 3 finished" in capsys.readouterr().out


def test_only_the_missing_seed_is_run(fake) -> None:
    reproduce("table6", runner=fake.Training())
    more = fake.Training()
    reproduce("table6", seeds=[0, 1], runner=more)
    assert more.ran == [cell.replace("seed 0", "seed 1") for cell in CELLS]


def test_a_changed_configuration_runs_again_and_keeps_what_was_there(fake) -> None:
    reproduce("table6", runner=fake.Training())
    cell = make_plan("table6").cells[0]
    path = cell.folder / "metrics.json"
    path.write_text(path.read_text().replace(cell.config_hash, "0" * 16))
    (cell.folder / "checkpoint").touch()
    again = fake.Training()
    assert reproduce("table6", runner=again) == 0
    assert again.ran == CELLS[:1]
    assert not (cell.folder / "checkpoint").exists()
    assert (cell.folder.parent / "seed=0.old-1" / "checkpoint").exists()


def test_an_unfinished_cell_of_the_same_configuration_keeps_its_checkpoint(fake) -> None:
    class Killed(fake.Training):
        def __call__(self, cell):
            (cell.folder / "last.ckpt").touch()
            raise KeyboardInterrupt

    assert reproduce("table6", runner=Killed()) == 130
    resumed = []

    def training(cell):
        resumed.append((cell.folder / "last.ckpt").exists())
        return fake.Training()(cell)

    assert reproduce("table6", runner=training) == 0
    assert resumed == [True, False, False]


def test_an_unfinished_cell_of_another_configuration_is_moved_aside(fake) -> None:
    cell = make_plan("table6").cells[0]
    for number in range(2):
        cell.folder.mkdir(parents=True)
        (cell.folder / "cell.json").write_text(json.dumps({"config_hash": f"other {number}"}))
        (cell.folder / "last.ckpt").touch()
        assert reproduce("table6", runner=fake.Training()) == 0
        assert (cell.folder.parent / f"seed=0.old-{number + 1}" / "last.ckpt").exists()
        cell.folder.rename(cell.folder.parent / f"elsewhere-{number}")
        (cell.folder.parent / f"elsewhere-{number}" / "metrics.json").unlink()


def test_a_broken_cell_does_not_stop_the_others_and_is_named(fake, capsys: pytest.CaptureFixture[str]) -> None:
    training = fake.Training(breaks=lambda cell: "=1" in cell.label)
    assert reproduce("table6", runner=training) == 1
    assert training.ran == CELLS
    printed = capsys.readouterr().out
    last = printed.splitlines()[-2]
    assert "broken: loss.avss_weight=1, seed 0: RuntimeError: lost its way" in last
    assert f"{OUT}/cells/loss.avss_weight=1/seed=0/reproduce.log" in last
    assert "1 of 3 cells broke" in printed.splitlines()[-1]
    assert "| λ = 1 | SIMULATED, failed | – |" in (OUT / "table6.md").read_text()


def test_only_the_broken_cell_is_run_again(fake) -> None:
    reproduce("table6", runner=fake.Training(breaks=lambda cell: "=1" in cell.label))
    again = fake.Training()
    assert reproduce("table6", runner=again) == 0
    assert again.ran == CELLS[1:2]
    assert "failed" not in (OUT / "table6.md").read_text()


@pytest.mark.parametrize("content", ["{", json.dumps({"format": "other"})])
def test_a_damaged_result_is_told_and_run_again(fake, capsys: pytest.CaptureFixture[str], content: str) -> None:
    reproduce("table6", runner=fake.Training())
    path = make_plan("table6").cells[2].folder / "metrics.json"
    path.write_text(content)
    again = fake.Training()
    assert reproduce("table6", runner=again) == 0
    assert again.ran == CELLS[2:]
    assert f"not used: {path}" in capsys.readouterr().out


def test_a_training_that_leaves_no_result_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert reproduce("table6", runner=lambda cell: 0) == 1
    assert "ended well but left no result" in capsys.readouterr().out


def test_a_training_of_another_configuration_is_broken(fake, capsys: pytest.CaptureFixture[str]) -> None:
    def training(cell):
        fake.write_run(replace(cell, config_hash="f" * 16), 50.0)
        return 0

    assert reproduce("table6", runner=training) == 1
    assert "found ffffffffffffffff" in capsys.readouterr().out


@pytest.mark.parametrize("code", [130, -2, 143, -15])
def test_an_interrupted_training_stops_the_study(fake, capsys: pytest.CaptureFixture[str], code: int) -> None:
    ran = []

    def training(cell):
        ran.append(str(cell))
        return fake.Training()(cell) if len(ran) == 1 else code

    assert reproduce("table6", runner=training) == 130
    assert ran == CELLS[:2]
    assert "the same command goes on from here" in capsys.readouterr().out
    assert [result.status for result in inspect_plan(make_plan("table6"))[0]] == ["finished", "not run", "not run"]


def test_table_only_runs_nothing_and_shows_what_is_missing(fake) -> None:
    fake.write_run(make_plan("table6").cells[0], 50.0)
    training = fake.Training()
    assert reproduce("table6", table_only=True, runner=training) == 0
    assert training.ran == []
    text = (OUT / "table6.md").read_text()
    assert "| λ = 0.5 | SIMULATED, 1 seed | 45.5 |" in text
    assert "| λ = 2 | SIMULATED, not run | – |" in text


def test_what_the_user_changed_stands_in_the_table(fake) -> None:
    assert reproduce("table6", overrides=["trainer.max_epochs=1"], runner=fake.Training()) == 0
    assert "- changed by hand: trainer.max_epochs=1" in (OUT / "table6.md").read_text()


def test_dry_run_writes_nothing(fake, capsys: pytest.CaptureFixture[str]) -> None:
    training = fake.Training()
    assert reproduce("table6", dry_run=True, runner=training) == 0
    assert training.ran == []
    assert not Path("outputs").exists()
    assert capsys.readouterr().out.count("$ leap-avvp train experiment=table6") == 3


def test_a_second_sweep_in_the_folder_is_refused(fake) -> None:
    with folder_lock(OUT), pytest.raises(LeapError, match=rf"another process writes here \(number {os.getpid()}\)"):
        reproduce("table6", runner=fake.Training())
    with folder_lock(OUT):
        assert reproduce("table6", table_only=True) == 0  # looking on is allowed
    assert reproduce("table6", runner=fake.Training()) == 0


def test_a_folder_that_cannot_be_written_is_named(fake) -> None:
    Path("file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        reproduce("table6", out=Path("file") / "out", runner=fake.Training())
    with pytest.raises(DataError, match="cannot be written"):
        write_whole(Path("file") / "x", "text")


def test_whole_files_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, "first")

    def fail(part: Path) -> None:
        part.write_text("half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_whole(path, fail)
    assert path.read_text() == "first"
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def _process(tmp_path: Path, script: str):
    """A cell whose command is a small script."""
    cell = make_plan("table6", out=tmp_path).cells[0]
    cell.folder.mkdir(parents=True)

    class Scripted(type(cell)):
        command = property(lambda self: [sys.executable, "-c", script])

    return Scripted(**{name: getattr(cell, name) for name in cell.__dataclass_fields__})


def test_process_tees_errors_and_returns_the_exit_code(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cell = _process(tmp_path, "import sys; print('bar'); print('λ wrong', file=sys.stderr); sys.exit(3)")
    assert ProcessRunner()(cell) == 3
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("bar\n", "λ wrong\n")
    first, *rest = (cell.folder / "reproduce.log").read_text().splitlines()
    assert first.startswith("# ")
    assert rest == ["λ wrong", "# exit code 3"]


def test_lines_of_both_streams_stay_whole_in_the_log(tmp_path: Path) -> None:
    script = (
        "import os, time\n"
        "for stream, text in ((1, 'epoch 1'), (2, 'error: trou'), (1, ' of 2\\n'), (2, 'ble\\nlast'), (1, 'rest')):\n"
        "    os.write(stream, text.encode())\n"
        "    time.sleep(0.1)\n"
    )
    cell = _process(tmp_path, script)
    assert ProcessRunner(jobs=2)(cell) == 0
    lines = (cell.folder / "reproduce.log").read_text().splitlines()
    assert {"epoch 1 of 2", "error: trouble", "last", "rest"} <= set(lines)


def test_the_lock_outlives_the_sweep_while_a_training_runs(tmp_path: Path) -> None:
    cell = _process(tmp_path, "import time; print('up', flush=True); time.sleep(300)")
    with folder_lock(tmp_path) as lock:
        child = subprocess.Popen(cell.command, pass_fds=(lock,), stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
    with pytest.raises(LeapError, match="another process"), folder_lock(tmp_path):
        pass
    child.kill()
    child.wait()
    child.stdout.close()
    with folder_lock(tmp_path):
        pass


class Scripted(ProcessRunner):
    """Runs a Python script in place of a training."""

    script = ""

    def __call__(self, cell: Cell) -> int:
        script = self.script

        class ScriptedCell(Cell):
            command = property(lambda self: [sys.executable, "-c", script, str(self.folder)])

        return super().__call__(ScriptedCell(**{name: getattr(cell, name) for name in cell.__dataclass_fields__}))


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_trainings_and_study(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    sent: int,
    code: int,
    jobs: int,
) -> None:
    # The signal does not reach the children, as Ctrl-C at a terminal would.
    monkeypatch.setattr("leap_avvp.studies.processes._GRACE", 3)
    runner = Scripted(jobs=jobs)
    runner.script = (
        "import signal, sys, time, pathlib\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "signal.signal(signal.SIGTERM, lambda *_: ((folder / 'ended').touch(), sys.exit(143)))\n"
        "print('up', file=sys.stderr, flush=True)\n"
        "time.sleep(300)\n"
    )
    logs = [cell.folder / "reproduce.log" for cell in make_plan("table6", out=tmp_path / "out").cells]

    def send_when_up() -> None:
        while sum(log.exists() and "\nup" in log.read_text() for log in logs) < jobs:
            time.sleep(0.05)
        os.kill(os.getpid(), sent)

    threading.Thread(target=send_when_up).start()
    assert reproduce("table6", out=tmp_path / "out", runner=runner, jobs=jobs) == code
    assert sum((log.parent / "ended").exists() for log in logs) == jobs
    assert "the same command goes on from here" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_cells_side_by_side_share_the_threads(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    runner = Scripted(jobs=3)
    runner.script = (  # none ends before all have begun
        "import os, sys, time, pathlib\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "(folder / 'up').touch()\n"
        "while len(list(folder.parents[1].glob('*/*/up'))) < 3: time.sleep(0.02)\n"
        "print('epoch 1', os.environ['OMP_NUM_THREADS']); print('a table')\n"
        "print('error: trouble', file=sys.stderr); sys.exit(1)"
    )
    assert reproduce("table6", out=tmp_path / "out", runner=runner, jobs=3) == 1
    shown = capfd.readouterr()
    for weight in ("0.5", "1", "2"):
        head = f"[loss.avss_weight={weight}, seed 0]"
        assert f"{head} epoch 1 2\n" in shown.out
        assert f"{head} error: trouble\n" in shown.err
    assert "a table" not in shown.out.partition("Table 6")[0]
    assert "a table" in next((tmp_path / "out").rglob("reproduce.log")).read_text()
    assert "3 cells side by side, 2 threads each" in shown.out


class Clock:
    """A time that tests set, seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("cores", "jobs", "cells", "first", "then"),
    [
        (2, 2, 3, [1, 1], [2]),  # the last alone
        (2, 2, 2, [1, 1], []),
        (8, 4, 6, [2, 2, 2, 2], [4, 4]),  # in pairs
        (4, 4, 1, [4], []),
        (2, 4, 4, [1, 1, 1, 1], []),
    ],
)
def test_the_last_cells_get_more_threads(
    monkeypatch: pytest.MonkeyPatch, cores: int, jobs: int, cells: int, first: list[int], then: list[int]
) -> None:
    monkeypatch.setattr("leap_avvp.studies.processes.cpu_threads", lambda: cores)
    clock = Clock()
    shares = ThreadShares(jobs, cells, clock)
    running = [shares.begin() for _ in first]
    assert [threads for _, threads in running] == first
    later = []
    for started, _ in running[: len(then)]:
        clock.now = 100.0
        shares.end(started, whole=True)
        later.append(shares.begin()[1])
    assert later == then, "those that still run are about to end"


@pytest.mark.parametrize(("whole", "ran", "threads"), [(True, 60.0, 2), (True, 40.0, 1), (False, 60.0, 1)])
def test_a_cell_beside_a_younger_one_shares_with_it(
    monkeypatch: pytest.MonkeyPatch, whole: bool, ran: float, threads: int
) -> None:
    monkeypatch.setattr("leap_avvp.studies.processes.cpu_threads", lambda: 2)
    clock = Clock()
    shares = ThreadShares(2, 3, clock)
    first, _ = shares.begin()
    clock.now = 100.0 - ran
    shares.begin()
    clock.now = 100.0
    shares.end(first, whole)  # what was cut short or broke says nothing of how long others take
    assert shares.begin()[1] == threads


def test_side_by_side_gives_the_same_table(fake, tmp_path: Path) -> None:
    for jobs in (1, 3):
        assert reproduce("table6", out=tmp_path / str(jobs), runner=fake.Training(), seeds=[0, 1], jobs=jobs) == 0
    tables = [(tmp_path / jobs / "table6.csv").read_text() for jobs in "13"]
    assert tables[0] == tables[1]


def test_as_many_cells_as_the_machine_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    cells = make_plan("table6").cells
    assert auto_jobs(cells, memory=10**12, has_gpu=False) == 3
    assert auto_jobs(cells * 4, memory=10**12, has_gpu=False) == 4
    assert auto_jobs(cells * 4, memory=6 * 10**9, has_gpu=False) == 2
    assert auto_jobs(cells, memory=0, has_gpu=False) == 1
    assert auto_jobs(cells, memory=10**12, has_gpu=True) == 1
    on_cpu = make_plan("table6", overrides=["trainer=cpu"]).cells
    assert auto_jobs(on_cpu, memory=10**12, has_gpu=True) == 3


def test_a_finished_study_needs_no_torch(fake) -> None:
    for cell in make_plan("table6").cells:
        fake.write_run(cell, 50.0)
    script = (
        "import sys; from leap_avvp.studies import reproduce; code = reproduce('table6')\n"
        "print(code, [name for name in ('torch', 'lightning', 'wandb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
