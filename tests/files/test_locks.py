"""One writer a folder: by the system's lock, by a file that says who writes, or by a line that nothing does."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from leap_avvp.errors import DataError, LeapError
from leap_avvp.files import folder_lock, locks

NO_LOCKS = pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])

HOLDER = """
import errno, fcntl, sys
from pathlib import Path
from leap_avvp.files import folder_lock

def flock(descriptor, operation):
    raise OSError(errno.ENOLCK, "no locks available")

fcntl.flock = flock
with folder_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    _answer(monkeypatch, errno.ENOLCK)


def _answer(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def _holder(folder: Path) -> subprocess.Popen[str]:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], **pipes)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def _end(process: subprocess.Popen[str], kill: bool = False) -> None:
    if kill:
        process.kill()
    process.communicate()


def refused(folder: Path, message: str) -> None:
    with pytest.raises(LeapError, match=message), folder_lock(folder):
        pass


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    with folder_lock(tmp_path) as descriptor:
        assert isinstance(descriptor, int)
        refused(tmp_path, rf"another process writes here \(number {os.getpid()}\); wait for it.*another folder$")
    with folder_lock(tmp_path):
        pass


@NO_LOCKS
def test_a_file_system_without_flock_still_has_one_writer(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _answer(monkeypatch, number)
    with folder_lock(tmp_path / "new") as descriptor:
        assert descriptor is None
        refused(tmp_path / "new", rf"number {os.getpid()} on {socket.gethostname()}\).*remove .*\.writer$")
    assert not (tmp_path / "new" / ".writer").exists()
    with folder_lock(tmp_path / "new"):
        pass
    assert capsys.readouterr().err == ""


def test_a_system_without_fcntl_still_has_one_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with folder_lock(tmp_path) as descriptor:
        assert descriptor is None
        refused(tmp_path, "another process writes here")


def test_without_flock_a_killed_writer_is_followed_by_the_next(tmp_path: Path, no_flock: None) -> None:
    process = _holder(tmp_path)
    refused(tmp_path, f"number {process.pid} on")
    _end(process, kill=True)
    assert (tmp_path / ".writer").exists()
    with folder_lock(tmp_path):
        refused(tmp_path, f"number {os.getpid()} on")
    assert not list(tmp_path.glob(".writer*"))


def test_without_flock_a_writer_that_ends_lets_go(tmp_path: Path, no_flock: None) -> None:
    _end(_holder(tmp_path))
    with folder_lock(tmp_path):
        pass


@pytest.mark.parametrize(
    ("line", "other"), [(0, "not a number"), (1, "elsewhere"), (2, "a container of the same name")]
)
def test_without_flock_a_writer_that_may_live_elsewhere_is_left_alone(
    line: int, other: str, tmp_path: Path, no_flock: None
) -> None:
    process = _holder(tmp_path)
    _end(process, kill=True)
    marker = tmp_path / ".writer"
    content = marker.read_text().splitlines()
    content[line] = other
    marker.write_text("\n".join(content))
    refused(tmp_path, rf"\(number {content[0]} on {content[1]}\).*if it is no longer there, remove .*\.writer$")
    marker.unlink()
    with folder_lock(tmp_path):
        pass


def test_without_flock_half_a_file_counts_as_a_writer(tmp_path: Path, no_flock: None) -> None:
    (tmp_path / ".writer").touch()
    refused(tmp_path, r"\(number unknown\).*remove .*\.writer$")


def test_without_flock_one_of_many_follows_a_killed_writer(tmp_path: Path, no_flock: None) -> None:
    _end(_holder(tmp_path), kill=True)
    start, all_tried = threading.Barrier(8), threading.Barrier(8)
    outcomes: list[str] = []

    def run() -> None:
        start.wait()
        try:
            with folder_lock(tmp_path):
                outcomes.append("held")
                all_tried.wait()
        except LeapError:
            outcomes.append("refused")
            all_tried.wait()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["held"] + 7 * ["refused"]


def test_without_flock_a_folder_that_was_moved_leaves_its_successor_alone(tmp_path: Path, no_flock: None) -> None:
    with folder_lock(tmp_path / "a"):
        (tmp_path / "a").rename(tmp_path / "b")
        with folder_lock(tmp_path / "a"):
            pass
        (tmp_path / "a" / ".writer").write_text("another's")
    assert (tmp_path / "a" / ".writer").read_text() == "another's"


def test_where_nothing_protects_the_folder_one_line_says_so(
    tmp_path: Path, no_flock: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, content: str) -> bool:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(locks, "_make", refuse)
    with folder_lock(tmp_path) as descriptor:
        assert descriptor is None
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"{tmp_path}: nothing keeps a second process from writing here (Invalid argument): start one"


def test_a_disk_that_fails_at_locking_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _answer(monkeypatch, errno.EIO)
    with pytest.raises(DataError, match=r"cannot be locked \(Input/output error\); use another folder"):  # noqa: SIM117
        with folder_lock(tmp_path):
            pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/folder: cannot be written"), folder_lock(tmp_path / "file" / "folder"):
        pass
