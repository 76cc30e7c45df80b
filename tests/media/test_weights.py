"""Pretrained weights: what is known of them, and that nothing but the very files expected enters the cache."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import io
import os
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from leap_avvp.card.features import known_features
from leap_avvp.errors import ConfigError, DataError, LeapError
from leap_avvp.files.locks import folder_lock
from leap_avvp.media import fetch
from leap_avvp.media.fetch import get
from leap_avvp.media.weights import WEIGHTS, Hub, Member, Url, Weight, Wheel, cache_folder, find, weights_of
from tests.media.pretrained import needs

CONTENT = b"numbers" * 1000


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work with an empty cache, and let pip find nothing but what a test makes."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("LEAP_AVVP_CACHE", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    return folder


def add(monkeypatch: pytest.MonkeyPatch, source: Url | Wheel | Hub, sha: str | None = None, file: str = "mine") -> None:
    mine = Weight("mine", file, "1 kB", sha, "MIT", source, (), "a test's")
    monkeypatch.setitem(WEIGHTS, "mine", mine)  # type: ignore[arg-type]


def kept(cache: Path) -> list[str]:
    """Return what lies in the cache but its lock."""
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file() and path.name != ".lock")


def make_wheel(path: Path, files: dict[str, bytes]) -> str:
    """Write a wheel that pip takes; return its hash."""
    package, version = path.name.split("-")[:2]
    info = f"{package}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\nRequires-Dist: not-there-at-all\n"
    wheel = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", wheel)
        archive.writestr(f"{info}/RECORD", "")
    return sha256(path.read_bytes())


def nested(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a wheel with one file of its own and one in a zip file, and a module that would leave a mark."""
    path = tmp_path / "index" / "minepkg-1.0-py3-none-any.whl"
    module = f"open({str(tmp_path / 'mark')!r}, 'w')\n".encode()
    files = {"minepkg/__init__.py": module, "minepkg/inner.zip": nested(numbers=CONTENT), "minepkg/names.csv": b"a,b\n"}
    members = (
        Member(("minepkg/inner.zip", "numbers"), "numbers.bin", len(CONTENT), sha256(CONTENT)),
        Member(("minepkg/names.csv",), "names.csv", 4, sha256(b"a,b\n")),
    )
    add(monkeypatch, Wheel("minepkg", "1.0", make_wheel(path, files), members))
    return path


def test_every_feature_set_has_its_weights_and_every_hash_is_one() -> None:
    for name in known_features():
        assert weights_of(name), name
    assert weights_of("nobody's") == []
    files = [weight.file for weight in WEIGHTS.values()]
    assert len(set(files)) == len(files)
    for name, weight in WEIGHTS.items():
        assert weight.name == name
        assert set(weight.used_by) <= set(known_features())
        if isinstance(weight.source, Url):
            assert weight.source.url.startswith("https://")
            assert weight.source.url.endswith(weight.file)
            assert weight.sha256 is None or weight.sha256[:8] in weight.file  # as torch.hub checks it
        if isinstance(weight.source, Hub):
            assert int(weight.source.revision, 16)
            assert len(weight.source.revision) == 40


def test_missing_weights_are_told_with_the_command_that_gets_them(cache: Path) -> None:
    with pytest.raises(
        DataError, match=r"weights yamnet: not in .*cache; `leap-avvp weights get yamnet`.*7\.1 MB, Apa"
    ):
        find("yamnet")
    assert not cache.exists()
    with pytest.raises(ConfigError, match=r"did you mean yamnet\?"):
        find("yament")
    (cache / "yamnet").mkdir(parents=True)
    (cache / "yamnet" / "model.onnx").write_bytes(b"half")
    with pytest.raises(DataError, match=r"model\.onnx has 4 bytes, expected 64,623"):
        find("yamnet")


def test_the_cache_lies_at_home_unless_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LEAP_AVVP_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "leap-avvp" / "weights"


def test_a_wheel_is_fetched_by_pip_and_only_its_kept_files_stay(cache: Path, wheel: Path, tmp_path: Path) -> None:
    assert get("mine") == find("mine") == cache / "mine"
    assert kept(cache) == ["mine/names.csv", "mine/numbers.bin"]
    assert (cache / "mine" / "numbers.bin").read_bytes() == CONTENT
    assert not (tmp_path / "mark").exists()
    assert "minepkg" not in sys.modules


def test_whole_weights_are_left_alone_and_damaged_ones_got_anew(cache: Path, wheel: Path) -> None:
    place = get("mine") / "numbers.bin"
    before = place.stat().st_ino
    wheel.rename(wheel.with_suffix(".away"))
    get("mine")
    assert place.stat().st_ino == before
    place.write_bytes(CONTENT[::-1])  # of the same size
    with pytest.raises(DataError, match="pip cannot fetch it"):
        get("mine")
    wheel.with_suffix(".away").rename(wheel)
    get("mine")
    assert place.read_bytes() == CONTENT


def test_another_wheel_than_the_pinned_one_is_not_opened(cache: Path, wheel: Path) -> None:
    make_wheel(wheel, {"minepkg/names.csv": b"c,d\n"})
    with pytest.raises(DataError, match=r"minepkg 1\.0: fetched a wheel with sha256 .*, expected .*nothing was kept"):
        get("mine")
    assert kept(cache) == []


@pytest.mark.parametrize(
    ("path", "size", "reason"),
    [
        (("minepkg/names.csv",), 3, "is not the file that was expected"),
        (("minepkg/names.csv",), 5, "is not the file that was expected"),
        (("minepkg/nothing",), 4, "cannot be read"),
        (("minepkg/names.csv", "numbers"), 4, "cannot be read"),
        (("minepkg/inner.zip", "numbers"), 4, "is not the file that was expected"),
    ],
)
def test_a_wheel_without_the_expected_file_is_refused(
    path: tuple[str, ...], size: int, reason: str, cache: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = WEIGHTS["mine"].source
    assert isinstance(source, Wheel)
    add(monkeypatch, dataclasses.replace(source, members=(Member(path, "mine", size, sha256(b"a,b\n")),)))
    with pytest.raises(DataError, match=reason):
        get("mine")
    assert kept(cache) == []


def test_a_source_distribution_is_not_taken_for_it_would_run(
    tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel.unlink()
    import tarfile

    setup = f"open({str(tmp_path / 'mark')!r}, 'w')\nfrom setuptools import setup\nsetup(name='minepkg')\n".encode()
    with tarfile.open(tmp_path / "index" / "minepkg-1.0.tar.gz", "w:gz") as archive:
        for name, content in (
            ("setup.py", setup),
            ("PKG-INFO", b"Metadata-Version: 1.0\nName: minepkg\nVersion: 1.0\n"),
        ):
            entry = tarfile.TarInfo(f"minepkg-1.0/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with pytest.raises(DataError, match="pip cannot fetch it"):
        get("mine")
    assert not (tmp_path / "mark").exists()


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for Python is a shell script")
def test_a_python_without_pip_is_told(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'python: No module named pip' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(
        ConfigError, match=r"has no pip to fetch it with; .*the wheel of PyPI, minepkg 1\.0 .*--from FILE"
    ):
        get("mine")


def test_a_wheel_or_its_only_file_may_be_brought(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel, single = tmp_path / "minepkg-1.0-py3-none-any.whl", tmp_path / "one.pth"
    sha = make_wheel(wheel, {"minepkg/one.pth": CONTENT})
    single.write_bytes(CONTENT)
    member = Member(("minepkg/one.pth",), "one.pth", len(CONTENT), sha256(CONTENT))
    add(monkeypatch, Wheel("minepkg", "1.0", sha, (member,)), member.sha256, "one.pth")
    for source in (wheel, single):
        assert get("mine", source).read_bytes() == CONTENT
        assert kept(cache) == ["one.pth"]
        (cache / "one.pth").unlink()
    single.write_bytes(CONTENT[:-1])
    for source, reason in (
        (single, "expected one.pth or the wheel of PyPI, minepkg 1.0, found a file with sha256"),
        (tmp_path, "expected a file, found a folder"),
        (tmp_path / "none", "expected a file, found nothing"),
    ):
        with pytest.raises(DataError, match=reason):
            get("mine", source)
    assert kept(cache) == []


def test_of_several_files_the_wheel_alone_may_be_brought(cache: Path, wheel: Path, tmp_path: Path) -> None:
    moved = wheel.rename(tmp_path / "whatever.zip")
    assert get("mine", moved) == cache / "mine"
    get("mine", str(moved))  # in place of what is there
    assert kept(cache) == ["mine/names.csv", "mine/numbers.bin"]
    moved.write_bytes(CONTENT)
    with pytest.raises(DataError, match=r"expected the wheel of PyPI, minepkg 1\.0, found a file with sha256"):
        get("mine", moved)
    assert kept(cache) == ["mine/names.csv", "mine/numbers.bin"]


def test_a_file_is_fetched_from_its_address_and_checked(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, told = tmp_path / "net-12345678.pth", []
    served.write_bytes(CONTENT)
    for sha in (sha256(CONTENT), sha256(CONTENT)[:8], None):
        add(monkeypatch, Url(served.as_uri()), sha, "net.pth")
        assert get("mine", progress=lambda got, expected: told.append((got, expected))).read_bytes() == CONTENT
        (cache / "net.pth").unlink()
    assert told[-1] == (len(CONTENT), len(CONTENT))
    add(monkeypatch, Url(served.as_uri()), "12345678", "net.pth")
    with pytest.raises(DataError, match=r"with sha256 .*, expected 12345678; nothing was kept"):
        get("mine")
    assert kept(cache) == []
    served.unlink()
    with pytest.raises(DataError, match=r"cannot be fetched \(.*\); without a network bring net\.pth along"):
        get("mine")


@pytest.fixture
def broken_server() -> Iterator[str]:
    """Serve a file that breaks off."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *words: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/net.pth"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_that_breaks_off_is_not_kept(cache: Path, broken_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, Url(broken_server))
    with pytest.raises(DataError, match=r"broke off after 7,000 of 100,000 bytes|IncompleteRead"):
        get("mine")
    assert kept(cache) == []


def hub(sha: str | None) -> Hub:
    return Hub(
        "owner/net", "0" * 40, ("config.json", "vocab.json"), {"model.safetensors": sha, "pytorch_model.bin": None}
    )


def test_a_folder_of_the_hub_may_be_brought(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot, blobs = tmp_path / "snapshot", tmp_path / "blobs"
    snapshot.mkdir()
    blobs.mkdir()
    add(monkeypatch, hub(sha256(CONTENT)), file="net")
    for name, content in (("config.json", b"{}"), ("model.safetensors", CONTENT), ("evil.py", b"1 / 0")):
        (blobs / name).write_bytes(content)
        (snapshot / name).symlink_to(blobs / name)  # as the hub's cache has them
    assert get("mine", snapshot) == find("mine") == cache / "net"
    assert kept(cache) == ["net/config.json", "net/model.safetensors"]
    assert not (cache / "net" / "config.json").is_symlink()
    (blobs / "model.safetensors").write_bytes(CONTENT[1:])
    with pytest.raises(DataError, match=r"model\.safetensors has sha256 .*nothing was kept"):
        get("mine", snapshot)
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"expected model\.safetensors or pytorch_model\.bin of a test's, found none"):
        get("mine", snapshot)
    with pytest.raises(DataError, match=r"expected config\.json"):
        get("mine", blobs.parent)
    with pytest.raises(DataError, match="expected the folder of owner/net, found a file"):
        get("mine", blobs / "config.json")
    assert (cache / "net" / "model.safetensors").read_bytes() == CONTENT
    (cache / "net" / "config.json").unlink()
    with pytest.raises(DataError, match=r"damaged: .*net lacks config\.json"):
        find("mine")


def test_the_hub_is_asked_for_the_pinned_revision_and_few_files(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def download(repo: str, **options: Any) -> None:
        asked.append({"repo": repo} | options)
        place = Path(options["local_dir"])
        (place / ".cache").mkdir(parents=True, exist_ok=True)
        (place / "config.json").write_text("{}")
        if "pytorch_model.bin" in options["allow_patterns"]:
            (place / "pytorch_model.bin").write_bytes(CONTENT)

    log = SimpleNamespace(get_verbosity=lambda: 1, set_verbosity=lambda _: None, set_verbosity_error=lambda: None)
    modules = {"huggingface_hub": SimpleNamespace(snapshot_download=download), "huggingface_hub.utils.logging": log}
    monkeypatch.setattr(fetch, "need", lambda module, extra: modules[module])
    add(monkeypatch, hub(None), file="net")
    assert get("mine") == cache / "net"
    assert [(one["repo"], one["revision"], one["allow_patterns"][-1]) for one in asked] == [
        ("owner/net", "0" * 40, "model.safetensors"),
        ("owner/net", "0" * 40, "pytorch_model.bin"),
    ]
    assert kept(cache) == ["net/config.json", "net/pytorch_model.bin"]


def test_without_the_hubs_library_its_models_are_told_to_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"huggingface_hub.*(leap-avvp\[clip\]|does not load)"):
        get("clip_vit_l14")


def test_one_process_at_a_time_fetches_and_removes_what_a_killed_one_left(cache: Path, wheel: Path) -> None:
    with folder_lock(cache), pytest.raises(LeapError, match="another process writes here"):
        get("mine")
    left = cache / ".get-abc"
    left.mkdir()
    (left / "half").write_bytes(b"half")
    get("mine")
    assert not left.exists()


def test_a_cache_that_cannot_be_written_is_told(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAP_AVVP_CACHE", str(wheel / "below"))
    with pytest.raises(DataError, match="cannot be written"):
        get("mine", tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("LEAP_AVVP_CACHE", str(tmp_path / "full"))
    monkeypatch.setattr(fetch, "_unpack", full)
    with pytest.raises(DataError, match=r"mine: cannot be written \(No space left on device; .* GB free there"):
        get("mine", wheel)
    assert kept(tmp_path / "full") == []


@needs("yamnet", "efficientnet_lite0")
def test_the_embedded_pair_on_this_machine_is_what_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEAP_AVVP_CACHE")
    for name in weights_of("embedded"):
        source = WEIGHTS[name].source
        assert isinstance(source, Wheel)
        for part, member in zip(WEIGHTS[name].parts, source.members, strict=True):
            assert sha256((cache_folder() / part).read_bytes()) == member.sha256
