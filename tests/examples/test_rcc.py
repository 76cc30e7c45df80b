from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest


def _qres(files: dict[str, bytes], version: int, packed: frozenset[str] = frozenset(), flag: int = 1) -> bytes:
    """Write files of one folder `a` as Qt's rcc does."""
    names, places = b"", {}
    for name in ("a", *files):
        places[name] = len(names)
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    data, tree = b"", b""
    time = b"" if version == 1 else bytes(8)
    tree += struct.pack(">IHII", 0, 2, 1, 1) + time  # the root
    tree += struct.pack(">IHII", places["a"], 2, len(files), 2) + time
    for name, content in files.items():
        stored = struct.pack(">I", len(content)) + zlib.compress(content) if name in packed else content
        flags = flag if name in packed else 0
        tree += struct.pack(">IHHHI", places[name], flags, 0, 1, len(data)) + time
        data += struct.pack(">I", len(stored)) + stored
    start = 20 if version < 3 else 24
    head = struct.pack(">4s4I", b"qres", version, start, start + len(tree), start + len(tree) + len(data))
    return head + bytes(start - 20) + tree + data + names


@pytest.mark.usefixtures("own_videos")
class TestResources:
    @pytest.mark.parametrize("version", [1, 2, 3])
    def test_files_of_every_format(self, tmp_path: Path, version: int) -> None:
        from rcc import Resources

        files = {"bark.ogg": b"OggS" * 5, "é.txt": b"text " * 100, "empty": b""}
        (tmp_path / "a.rcc").write_bytes(_qres(files, version, frozenset({"é.txt"})))
        resources = Resources(tmp_path / "a.rcc")
        assert {name: resources[name] for name in resources} == {f"/a/{name}": files[name] for name in files}

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"RIFF" + bytes(40), "found b'RIFF'"),
            (b"qr", "cut short"),
            (_qres({"x": b"y"}, 3)[:60], "cut short"),
            (struct.pack(">4s4I", b"qres", 9, 24, 24, 24), "format 1 to 3"),
        ],
    )
    def test_another_file(self, tmp_path: Path, content: bytes, said: str) -> None:
        from rcc import ResourceError, Resources

        (tmp_path / "a.rcc").write_bytes(content)
        with pytest.raises(ResourceError, match=said):
            Resources(tmp_path / "a.rcc")

    def test_a_loop(self, tmp_path: Path) -> None:
        from rcc import ResourceError, Resources

        content = bytearray(_qres({"x": b"y"}, 1))
        content[20 + 14 : 20 + 28] = struct.pack(">IHII", 0, 2, 1, 0)  # the folder holds the root
        (tmp_path / "a.rcc").write_bytes(content)
        with pytest.raises(ResourceError, match="loop"):
            Resources(tmp_path / "a.rcc")

    @pytest.mark.parametrize(("flag", "said"), [(1, "damaged"), (4, "Zstandard")])
    def test_what_cannot_be_unpacked(self, tmp_path: Path, flag: int, said: str) -> None:
        from rcc import ResourceError, Resources

        content = _qres({"x": b"y" * 50}, 2, frozenset({"x"}), flag).replace(b"\x78\x9c", b"\0\0")
        (tmp_path / "a.rcc").write_bytes(content)
        resources = Resources(tmp_path / "a.rcc")
        with pytest.raises(ResourceError, match=said):
            resources["/a/x"]
        with pytest.raises(ResourceError, match="has no /a/z"):
            resources["/a/z"]


def test_debian_s_files(recordings: Path) -> None:
    from rcc import Resources

    animals = Resources(recordings / "explore_farm_animals.rcc")
    (dog,) = (name for name in animals if name.endswith("animals/dog.ogg"))
    assert animals[dog][:4] == b"OggS"
    (readme,) = (name for name in animals if name.endswith("animals/README"))  # packed
    assert b"dog.ogg" in animals[readme]
