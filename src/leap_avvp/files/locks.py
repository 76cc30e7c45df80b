"""Folders with one writer at a time, by the best means that the system and the file system have.

The system's own lock is let go of when its process ends, however that ends. A file system may know none (NFS without
its lock daemon, Lustre without ``-o flock``, some that are mounted through FUSE): a file that is made only where none
is then says who writes, and one that a dead process has left is removed by the next, where that can be known.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from leap_avvp.errors import DataError, LeapError
from leap_avvp.files.atomic import unwritable

__all__ = ["LOCK_FILES", "folder_lock"]

_LOCK, _MARKER = ".lock", ".writer"
LOCK_FILES = (_LOCK, _MARKER)
"""Names of the files in a folder that is or was held; whoever moves the folder elsewhere leaves them behind."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
_LOCKED_BYTE = 1 << 30  # on Windows, where nobody can read what is locked: behind the holder's number


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[int | None]:
    """Hold the folder for this process, and yield the lock's file descriptor; None where there is none to hand on.

    The system lets go of the lock when the last process that holds the descriptor ends, however it ends: hand it to a
    child that writes into the folder, and the folder stays locked while an orphaned child still writes. Where nothing
    keeps a second process out, one line says so.

    Raises:
        LeapError: another process holds the folder.
        DataError: the folder cannot be written, or the system fails at locking it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        raise unwritable(folder, error) from error
    with file:
        try:
            locked = _lock(file.fileno())
        except (BlockingIOError, PermissionError) as error:  # some file systems name the second
            file.seek(0)
            raise _held(folder, file.read().strip()) from error
        except OSError as error:
            raise DataError(f"{folder}: cannot be locked ({error.strerror}); use another folder") from error
        if locked:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield file.fileno() if os.name == "posix" else None
        else:
            with _marked(folder):
                yield None


def _held(folder: Path, number: str, more: str = "") -> LeapError:
    return LeapError(
        f"{folder}: another process writes here (number {number or 'unknown'}); wait for it, stop it, or use another "
        f"folder{more}"
    )


def _lock(descriptor: int) -> bool:
    """Take the system's lock; False where the system or the file system has none.

    Raises:
        BlockingIOError, PermissionError: another process has it.
        OSError: whatever else the file system answers.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        return True
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


@contextlib.contextmanager
def _marked(folder: Path) -> Iterator[None]:
    """Hold the folder by a file that says who writes.

    Raises:
        LeapError: another process holds the folder.
    """
    marker, made, problem = folder / _MARKER, False, ""
    content = f"{os.getpid()}\n{socket.gethostname()}\n{_same_processes()}\n{secrets.token_hex(8)}\n"
    try:
        made = _make(marker, content)
        if not made and _is_dead(marker):
            _remove_dead(marker)
            made = _make(marker, content)
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        print(f"{folder}: nothing keeps a second process from writing here ({problem}): start one", file=sys.stderr)
        yield
        return
    if not made:
        number, host = (*_read(marker), "", "")[:2]
        place = f" on {host}" if host else ""
        raise _held(folder, number + place, f"; if it is no longer there, remove {marker}")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if marker.read_text(encoding="utf-8") == content:  # the folder may have been moved, and begun anew
                marker.unlink()


def _make(path: Path, content: str) -> bool:
    """Write a new file; False where there is one."""
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(content)
    except OSError:  # a full disk
        path.unlink()
        raise
    return True


def _remove_dead(marker: Path) -> None:
    """Remove what a dead process has left: by one process at a time, and only while it is still of a dead one.

    Two that have both seen it would otherwise remove it in turn, the second one the new file of the first.
    """
    turn = marker.with_name(f"{marker.name}.turn")
    if not _make(turn, ""):
        return
    try:
        if _is_dead(marker):
            marker.unlink()
    finally:
        turn.unlink()


def _read(marker: Path) -> list[str]:
    try:
        return marker.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:  # let go of in the meantime
        return []


def _is_dead(marker: Path) -> bool:
    """Say whether the process that made the file is known to be gone; one of another machine never is."""
    lines = _read(marker)
    if os.name != "posix" or lines[1:3] != [socket.gethostname(), _same_processes()] or not lines[0].isdecimal():
        return False
    try:
        os.kill(int(lines[0]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # of another user
        pass
    return False


def _same_processes() -> str:
    """Return what is equal for all processes that see one another's numbers; two containers may share a host's name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
