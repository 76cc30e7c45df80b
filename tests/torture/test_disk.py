"""A full disk, a quota, a folder that cannot be written: the last good file stays, the error names path and space."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leap_avvp.data.packed import PackedLLP
from leap_avvp.training.checkpoint import read_checkpoint
from tests.processes import finish, leap_avvp
from tests.torture.trial import TINY, left_by, trials

# A process whose files may not grow beyond a size: what a quota does, and no rights are needed for it.
LIMITED = (
    "import resource, sys; from leap_avvp.cli import main; "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); sys.exit(main(sys.argv[2:]))"
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Return ``make(bytes)``: a file system of that size."""
    mounted: list[Path] = []

    def make(size: int) -> Path:
        folder = tmp_path / "disk"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
            pytest.skip("needs the right to mount a tmpfs; the tests with a file size limit need none")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def told(log: Path, code: int) -> str:
    """Return the one line in which a command ended."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("error: ")]
    assert code == 2, log.read_text()
    assert len(lines) == 1, log.read_text()
    assert "Traceback" not in log.read_text()
    return lines[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that had all it needed."""
    folder = tmp_path_factory.mktemp("whole")
    assert finish(leap_avvp("train", *TINY, f"hydra.run.dir={folder / 'run'}"), folder / "log") == 0
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.2, 0.9, 1.3, 2.2, 2.6][: len(trials(5, 2))])
def test_a_training_on_a_full_disk(
    share: float, tmp_path: Path, whole: Path, small_disk: Callable[[int], Path], promise: Callable[..., None]
) -> None:
    """Disks on which no checkpoint fits, one, one and a half, two, two and a half."""
    best = (whole / "checkpoints" / "best.ckpt").stat().st_size
    disk = small_disk(int(best * share * 2.2) + 40_000)
    log = tmp_path / "log"
    words = leap_avvp("train", *TINY, f"hydra.run.dir={disk / 'run'}")
    code = finish(words, log)
    if code == 0:  # it was large enough
        assert left_by(disk / "run") == left_by(whole)
        promise("a training on a full disk: one line, the good checkpoint stays, a larger disk goes on", outcome="fits")
        return
    line = told(log, code)
    assert str(disk) in line
    assert "GB free there" in line
    checkpoints = sorted((disk / "run" / "checkpoints").glob("*.ckpt"))
    for path in checkpoints:
        read_checkpoint(path)
    assert not list(disk.rglob("*.part"))
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    assert finish(words, log) == 0, log.read_text()
    assert left_by(disk / "run") == left_by(whole)
    promise(
        "a training on a full disk: one line, the good checkpoint stays, a larger disk goes on",
        outcome=f"stopped with {len(checkpoints)} whole checkpoints",
    )


@pytest.mark.slow
def test_a_quota_in_the_middle_of_a_checkpoint(tmp_path: Path, whole: Path, promise: Callable[..., None]) -> None:
    log = tmp_path / "log"
    best = (whole / "checkpoints" / "best.ckpt").stat().st_size
    words = ["train", *TINY, f"hydra.run.dir={tmp_path / 'run'}"]
    # best.ckpt fits, last.ckpt with its two moments does not.
    line = told(log, finish([sys.executable, "-c", LIMITED, str(int(best * 1.5)), *words], log))
    assert "last.ckpt: cannot be written (File too large; " in line
    assert not list((tmp_path / "run").rglob("*.part"))
    assert finish(leap_avvp(*words), log) == 0
    assert left_by(tmp_path / "run") == left_by(whole)
    promise("a quota in the middle of a checkpoint")


@pytest.mark.slow
def test_a_quota_in_the_middle_of_a_pack(
    tmp_path: Path, make_llp_folder: Callable[..., Path], promise: Callable[..., None]
) -> None:
    root = make_llp_folder(tmp_path / "llp", train=30)
    log = tmp_path / "log"
    line = told(log, finish([sys.executable, "-c", LIMITED, "1000000", "data", "pack", str(root)], log))
    assert "train.video_2d.npy: cannot be written (File too large; " in line
    assert "the same command goes on" in line
    assert not (root / "packed-float32").exists()
    assert finish(leap_avvp("data", "pack", root), log) == 0
    PackedLLP(root / "packed-float32", root).verify()
    promise("a quota in the middle of a packed set")


@pytest.mark.slow
def test_a_disk_too_small_for_a_pack(
    tmp_path: Path,
    make_llp_folder: Callable[..., Path],
    small_disk: Callable[[int], Path],
    promise: Callable[..., None],
) -> None:
    root = make_llp_folder(tmp_path / "llp", train=30)
    disk = small_disk(1_500_000)
    log = tmp_path / "log"
    words = leap_avvp("data", "pack", root, "--out", disk / "set")
    line = told(log, finish(words, log))
    assert str(disk) in line
    assert "does not fit: 0.00 GB are free" in line
    assert not (disk / "set").exists()
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    assert finish(words, log) == 0, log.read_text()
    PackedLLP(disk / "set", root).verify()
    promise("a disk too small for a packed set: refused before the first byte")


@pytest.mark.slow
def test_a_full_disk_in_the_middle_of_a_report(
    tmp_path: Path, small_disk: Callable[[int], Path], promise: Callable[..., None]
) -> None:
    """The cells are whole, the table cannot be written: the old one stays, and nothing is trained for the new one."""
    disk = small_disk(64_000_000)
    log = tmp_path / "log"
    words = leap_avvp("reproduce", "table6", *TINY, "data.schedule.max_epochs=1", "--out", disk / "out")
    assert finish(words, log) == 0, log.read_text()
    table = (disk / "out" / "table6.md").read_bytes()
    filler = disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free))
    log.write_text("")
    line = told(log, finish(words, log))
    assert str(disk) in line
    assert (disk / "out" / "table6.md").read_bytes() == table
    assert len(list(disk.rglob("metrics.json"))) == 3
    filler.unlink()
    log.write_text("")
    assert finish(words, log) == 0, log.read_text()
    assert "training" not in log.read_text()
    promise("a full disk in the middle of a study's report")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root; tests/end_to_end covers /proc")
def test_a_folder_that_cannot_be_written(tmp_path: Path, promise: Callable[..., None]) -> None:
    tmp_path.chmod(0o500)
    log = Path(os.devnull)
    assert finish(leap_avvp("train", *TINY, f"hydra.run.dir={tmp_path / 'run'}"), log) == 2
    promise("a folder that cannot be written")


@pytest.mark.slow
def test_a_read_only_disk(
    tmp_path: Path,
    small_disk: Callable[[int], Path],
    make_llp_folder: Callable[..., Path],
    promise: Callable[..., None],
) -> None:
    disk = small_disk(64_000_000)
    root = make_llp_folder(disk / "llp", train=8, val=8, test=8)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    log = tmp_path / "log"
    for words in (
        ("train", *TINY, f"hydra.run.dir={disk / 'run'}"),
        ("data", "pack", root),
        ("data", "simulate", "--out", disk / "sim", "--train", "4", "--val", "2", "--test", "2"),
    ):
        log.write_text("")
        line = told(log, finish(leap_avvp(*words), log))
        assert str(disk) in line
        assert "Read-only file system" in line
    promise("a disk that is mounted read-only", trials=3)
