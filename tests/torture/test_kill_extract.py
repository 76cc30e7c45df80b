"""``kill -9`` of an extraction with all its processes, at random moments; the same command again ends the same."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leap_avvp.files.locks import LOCK_FILES
from tests.media.fakes import write_clips
from tests.processes import PATIENCE, Process, finish, kill, start
from tests.torture.trial import ALL

PROMISE = "an extraction killed with SIGKILL and started again ends as one never stopped, and makes no file twice"
CLIPS, KILLS = (200, 20) if ALL else (40, 4)
SCRIPT = Path(__file__).with_name("fake_extract.py")


def command(videos: Path, out: Path, jobs: int) -> list[str]:
    words = ("extract", videos, "--features", "embedded", "--segments", 2, "--out", out, "--jobs", jobs)
    return [sys.executable, str(SCRIPT), *map(str, (videos.parent / "cache", *words))]


def content(folder: Path) -> dict[str, bytes]:
    """Return all files but the lock's, by their paths."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in LOCK_FILES)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of each array that is there."""
    found = {path: path.stat() for path in folder.rglob("*.npy") if not path.name.startswith(".")}
    return {str(path): (status.st_ino, status.st_mtime_ns) for path, status in found.items()}


def wait_for(process: Process, out: Path, arrays: int) -> None:
    """Wait until so many arrays are there, or the process has ended."""
    end = time.monotonic() + PATIENCE
    while process.poll() is None and len(list(out.glob("feats/*/*.npy"))) < arrays:
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.slow
def test_killed_again_and_again(tmp_path: Path, promise: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon after any of the files, or while it starts; some clips are short, so that notes are written too."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    names = [f"brief{number:03}" for number in range(CLIPS)]
    videos = write_clips(tmp_path / "videos", names)
    write_clips(videos, names[::5], seconds=1.0)
    write_clips(videos, ["deaf"])
    log, out = tmp_path / "log", tmp_path / "out"
    draw = random.Random(0)
    killed, before = 0, stamps(out)
    for number in range(KILLS):
        process = start(command(videos, out, draw.choice((1, 2))), log)
        wait_for(process, out, round(2 * CLIPS * (number + draw.random()) / KILLS))
        time.sleep(draw.uniform(0, 0.05))
        killed += process.poll() is None
        kill(process)
        after = stamps(out)
        assert {name: after.get(name) for name in before} == before, "made twice"
        before = after
    assert finish(command(videos, out, 2), log) == 1, log.read_text()  # one clip has no sound
    assert {name: stamp for name, stamp in stamps(out).items() if name in before} == before
    assert finish(command(videos, tmp_path / "undisturbed", 1), log) == 1, log.read_text()
    assert content(out) == content(tmp_path / "undisturbed")
    assert len(stamps(out)) == 2 * CLIPS + 1
    assert "Traceback" not in log.read_text()
    assert killed >= KILLS // 2
    promise(PROMISE, trials=killed, clips=CLIPS)
