"""Files whose data lie elsewhere: links into a store (Hugging Face hub, DVC, git-annex), and pointers to one."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

__all__ = ["absence", "link_refusal", "pointer"]

# The folder of a store that holds its files: of the hub, of git-annex, of DVC 3 and of DVC 2.
_STORES = ("blobs", "objects", "md5", "cache")
_POINTER_BYTES = 1024  # a pointer of Git LFS is text of less


def absence(path: Path) -> str | None:
    """Say, with the way to get them, why the data of a file are not there; None where a file is.

    Raises:
        OSError: a loop of links, a folder that may not be entered.
    """
    try:
        path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            target = path.parent / path.readlink()
            return f"missing: a link to {target}, which is not there; {_mend(target)}"
        folder = path.absolute().parent  # of a name alone the parent is `.`, which has no name
        tracked = (folder / f"{path.name}.dvc", folder.parent / f"{folder.name}.dvc")
        return "missing; `dvc pull` fetches it" if any(file.is_file() for file in tracked) else "missing"
    return None


def pointer(path: Path) -> str | None:
    """Say, with the way to get the data, that a file is a pointer of Git LFS or git-annex; None for any other file.

    Raises:
        OSError: it cannot be read.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _POINTER_BYTES:
        return None
    with path.open("rb", buffering=0) as file:
        head = file.read(_POINTER_BYTES)
    if head.startswith((b"version https://git-lfs", b"version https://hawser")):
        return "missing: a pointer of Git LFS in its place; `git lfs pull` fetches it"
    if head.startswith(b"/annex/objects/") or b".git/annex/objects/" in head:
        return "missing: a pointer of git-annex in its place; `git annex get` fetches it"
    return None


def link_refusal(path: Path, folders: Iterable[Path]) -> str | None:
    """Say where a link leads and which option would allow it; None for a link into one of ``folders``.

    Raises:
        OSError, RuntimeError: a loop of links.
    """
    target = path.resolve()
    # As it is named, first: to resolve a folder takes longer than to read a file of it.
    if any(target.is_relative_to(folder) or target.is_relative_to(folder.resolve()) for folder in folders):
        return None
    return (
        f"a link that leads out of the data folder, to {target}; data.link_store=DIR trusts a folder, such as "
        f"{_store(target)}"
    )


def _store(target: Path) -> Path:
    """Return the folder that is most likely to hold all files of the target's store."""
    parts = target.parent.parts
    for name in _STORES:
        if name in parts:
            return Path(*parts[: len(parts) - parts[::-1].index(name)])
    return target.parent


def _mend(target: Path) -> str:
    parts = target.parts
    if "annex" in parts:
        return "`git annex get` fetches it"
    if ".dvc" in parts or "md5" in parts:
        return "`dvc pull` fetches it"
    if "blobs" in parts:
        return "`hf download` fetches it"
    return "fetch it, or copy the file"
