"""Packed sets: the same numbers as the files, resumed after a stop, refused when stale or damaged."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from leap_avvp.cli import main
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.packed import PackedLLP, find_packed, open_folder
from leap_avvp.data.packed import format as pack_format
from leap_avvp.data.packed import writer as pack_writer
from leap_avvp.data.packed.format import PACK_FORMAT, read_header
from leap_avvp.data.packed.pack import pack_folder
from leap_avvp.errors import DataError, LeapError
from leap_avvp.files import folder_lock
from leap_avvp.llp import FEATURE_SHAPES, SPLITS

ARRAYS = (
    *FEATURE_SHAPES,
    "video_label",
    "segment_audio",
    "segment_visual",
    "video_audio",
    "video_visual",
    "target_audio",
    "target_visual",
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_format, "BLOCK", 2)


@pytest.fixture
def root(make_llp_folder: Callable[..., Path]) -> Path:
    return make_llp_folder(train=5, val=2, test=3)


def packed(root: Path, **options: object) -> PackedLLP:
    quiet = Console(file=io.StringIO())
    return PackedLLP(pack_folder(root, console=quiet, **options), root, root / "annotations")  # type: ignore[arg-type]


def feature(root: Path, split: str, index: int) -> Path:
    identity = LLPFolder(root).split(split).video_ids[index]
    return root / "feats/vggish" / f"{identity}.npy"


@pytest.mark.parametrize("pseudo_labels", ["valor", "none"])
@pytest.mark.parametrize("split", SPLITS)
def test_a_set_holds_what_the_files_hold(root: Path, split: str, pseudo_labels: str) -> None:
    pack_folder(root)
    ours = open_folder(root, pseudo_labels=pseudo_labels).load(split)
    theirs = open_folder(root, pseudo_labels=pseudo_labels, packed="off").load(split)
    assert ours.filenames == theirs.filenames
    for name in ARRAYS:
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert (mine is None) == (other is None), name
        if mine is not None:
            np.testing.assert_array_equal(mine, other, err_msg=name)
    assert isinstance(ours.video_2d, np.memmap)


def test_float16_states_its_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = packed(root, dtype="float16")
    exact, rounded = LLPFolder(root).load("train"), source.load("train")
    assert rounded.video_2d.dtype == np.float16
    errors = [
        np.abs(LLPFolder(root).load(split).video_2d - source.load(split).video_2d.astype(np.float32)).max()
        for split in SPLITS
    ]
    assert source.header.rounding["video_2d"]["largest"] == pytest.approx(max(errors))
    assert 0 < source.header.rounding["video_2d"]["relative_rms"] < 1e-3
    np.testing.assert_allclose(rounded.audio, exact.audio, atol=2e-3)
    assert find_packed(root) is None, "float16 changes numbers: it must be asked for"
    assert find_packed(root, "float16") == root / "packed-float16"


def test_numbers_too_large_for_float16_are_refused(root: Path) -> None:
    path = feature(root, "val", 1)
    np.save(path, np.full((10, 128), 1e5, dtype=np.float32))
    with pytest.raises(DataError, match="audio holds numbers above 65504"):
        packed(root, dtype="float16")
    assert not (root / "packed-float16").exists()


def test_a_fresh_set_is_left_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "pack", str(root)]) == 0
    before = (root / "packed-float32" / "header.json").stat().st_ino
    assert main(["data", "pack", str(root)]) == 0
    assert "already packed, fresh and sound" in capsys.readouterr().err
    assert (root / "packed-float32" / "header.json").stat().st_ino == before
    assert not list(root.glob(".packed*"))


def test_an_interrupted_packing_goes_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = pack_writer.PackWriter._write, []

    def stopping(self: object, *arguments: object) -> object:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(arguments[-1])
        return write(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pack_writer.PackWriter, "_write", stopping)
    with pytest.raises(KeyboardInterrupt):
        packed(root)
    assert not (root / "packed-float32").exists(), "half a set must not look like one"
    # What a power cut loses is written again.
    with (root / ".packed-float32.part" / "train.audio.npy").open("r+b") as file:
        file.seek(300)
        file.write(b"lost")

    def counting(self: object, *arguments: object) -> object:
        written.append(arguments[-1])
        return write(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pack_writer.PackWriter, "_write", counting)
    assert np.array_equal(packed(root).load("train").audio, LLPFolder(root).load("train").audio)
    # train has 3 blocks: 2 were written, 1 of them lost; val has 1 and test has 2
    assert len(written) == 2 + (1 + 1) + 1 + 2


def test_sources_that_change_make_an_interrupted_packing_start_again(root: Path) -> None:
    part = root / ".packed-float32.part"
    part.mkdir()
    (part / "progress.json").write_text(json.dumps({"plan": "another", "done": {"train/0": {}}}))
    assert len(packed(root).load("train")) == 5


@pytest.mark.parametrize("change", ["touched", "gone", "annotations"])
def test_a_stale_set_is_refused_by_name(root: Path, change: str) -> None:
    pack_folder(root)
    path = feature(root, "train", 3) if change != "annotations" else root / "annotations" / "AVVP_train.csv"
    if change == "gone":
        path.unlink()
    elif change == "touched":
        np.save(path, np.zeros((10, 128), dtype=np.float32))
    else:
        path.write_text(path.read_text() + "\n")
    with pytest.raises(DataError, match="stale packed set") as failure:
        open_folder(root).load("train")
    assert str(path) in str(failure.value)
    assert "data.packed=off" in str(failure.value)
    if change == "touched":
        pack_folder(root)
        assert not open_folder(root).load("train").audio[3].any()


def test_a_set_can_be_taken_along_alone(root: Path, tmp_path: Path) -> None:
    expected = packed(root).load("test")
    alone = tmp_path / "elsewhere"
    shutil.copytree(root / "packed-float32", alone)
    np.testing.assert_array_equal(open_folder(alone).load("test").video_3d, expected.video_3d)
    beside = tmp_path / "scratch"
    beside.mkdir()
    alone.rename(beside / "packed-float32")
    np.testing.assert_array_equal(open_folder(beside).load("test").video_3d, expected.video_3d)


@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255), which=st.integers(0, 10**6))
@example(place=0.5, value=41, which=212)  # a space of a .npy header, which means as much as a tab
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_byte_anywhere_is_found(
    tmp_path_factory: pytest.TempPathFactory,
    make_llp_folder: Callable[..., Path],
    place: float,
    value: int,
    which: int,
) -> None:
    base = tmp_path_factory.getbasetemp() / "flipped"
    if not base.exists():
        make_llp_folder(base, train=2, val=1, test=1)
        pack_folder(base)
    files = sorted((base / "packed-float32").iterdir())
    file = files[which % len(files)]
    content = file.read_bytes()
    index = int(place * len(content))
    try:
        file.write_bytes(content[:index] + bytes([content[index] ^ value]) + content[index + 1 :])
        with pytest.raises(DataError, match=r"damaged packed set|another version"):
            PackedLLP(base / "packed-float32").verify()
    finally:
        file.write_bytes(content)
    PackedLLP(base / "packed-float32").verify()


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_a_truncated_file_is_named(root: Path, cut: int) -> None:
    source = packed(root)
    path = source.folder / "val.audio.npy"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"damaged packed set: val\.audio\.npy"):
        source.load("val")


def test_another_version_is_named(root: Path) -> None:
    source = packed(root)
    header = source.folder / "header.json"
    header.write_text(header.read_text().replace(PACK_FORMAT, "leap-avvp/packed/99"))
    with pytest.raises(DataError, match="packed/99, which another version"):
        read_header(source.folder)


def test_missing_files_need_leave_twice(root: Path) -> None:
    feature(root, "train", 1).unlink()
    with pytest.raises(DataError, match="--allow-missing"):
        packed(root)
    source = packed(root, allow_missing=True)
    with pytest.raises(DataError, match=r"without 1 videos .* data.allow_missing=true"):
        source.load("train")
    assert len(open_folder(root, allow_missing=True).load("train")) == 4


def test_damaged_files_are_not_packed(root: Path) -> None:
    np.save(feature(root, "test", 2), np.full((10, 128), np.nan, dtype=np.float32))
    with pytest.raises(DataError, match="1 damaged files"):
        packed(root)


def test_a_set_without_pseudo_labels_says_so(make_llp_folder: Callable[..., Path]) -> None:
    root = make_llp_folder(train=2, val=1, test=1, pseudo_labels=False)
    source = packed(root)
    with pytest.raises(DataError, match="without VALOR's pseudo labels"):
        source.load("train")
    assert open_folder(root, pseudo_labels="none").load("train").video_audio is not None


def test_two_packers_do_not_meet(root: Path) -> None:
    with folder_lock(root / ".packed-float32.part"), pytest.raises(LeapError, match="another process writes here"):
        packed(root)


def test_a_reader_keeps_its_files_while_the_set_is_replaced(root: Path) -> None:
    before = packed(root).load("train")
    expected = before.audio.copy()
    np.save(feature(root, "train", 0), np.zeros((10, 128), dtype=np.float32))
    pack_folder(root)
    np.testing.assert_array_equal(before.audio, expected)


def test_no_space_is_told_before_the_first_byte(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil._ntuple_diskusage(10**9, 10**9, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"does not fit: 0\.00 GB are free"):
        packed(root)


@pytest.mark.parametrize("option", ["float16", "nowhere"])
def test_a_set_that_is_asked_for_must_be_there(root: Path, option: str) -> None:
    with pytest.raises(DataError, match=r"expected a packed set at .*, found none; .* makes one"):
        open_folder(root, packed=option)


def test_a_simulated_set_keeps_its_mark(root: Path) -> None:
    assert packed(root).name == "llp"
    (root / "SIMULATED.txt").touch()
    shutil.rmtree(root / "packed-float32")
    assert packed(root).name == "simulated"
