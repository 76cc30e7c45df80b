"""Clips that were cut short: nine of ten seconds in a file count as a missing file, and are never half used."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.packed import open_folder
from leap_avvp.data.packed.pack import pack_folder
from leap_avvp.errors import DataError
from leap_avvp.llp import FEATURE_FOLDERS, PSEUDO_LABEL_FOLDERS

FOLDERS = FEATURE_FOLDERS | {f"segment_{name}": folder for name, folder in PSEUDO_LABEL_FOLDERS.items()}


@pytest.fixture
def root(make_llp_folder: Callable[..., Path]) -> Path:
    return make_llp_folder(train=5, val=2, test=2)


def cut(root: Path, key: str, index: int = 1, seconds: int = 9) -> Path:
    """Leave the first seconds of a training video's file."""
    path = root / FOLDERS[key] / f"{LLPFolder(root).split('train').video_ids[index]}.npy"
    array = np.load(path)
    np.save(path, array[: len(array) * seconds // 10])
    return path


@pytest.mark.parametrize("key", FOLDERS)
def test_a_clip_of_nine_seconds_is_left_out_where_missing_files_are_allowed(
    key: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = LLPFolder(root).load("train")
    path = cut(root, key)
    with pytest.raises(DataError, match=rf"1 missing files: {path}: .*cut short; data.allow_missing=true") as caught:
        LLPFolder(root).load("train")
    assert "found (" in str(caught.value)
    capsys.readouterr()
    data = LLPFolder(root, allow_missing=True).load("train")
    told = capsys.readouterr().out
    assert "train: going on with 4 of 5 videos" in told
    assert f"{path}: " in told
    kept = [0, 2, 3, 4]
    assert data.filenames == [expected.filenames[index] for index in kept]
    for name in ("audio", "video_2d", "video_3d", "segment_audio", "segment_visual", "video_label"):
        np.testing.assert_array_equal(getattr(data, name), getattr(expected, name)[kept], err_msg=name)


def test_the_check_of_a_folder_tells_clips_cut_short_as_missing(root: Path) -> None:
    path = cut(root, "video_3d")
    report = LLPFolder(root).check()
    assert not report.ok
    assert report.splits[0].complete == 4
    assert report.splits[0].missing == [f"{path}: expected shape (10, 512), found (9, 512): a clip that was cut short"]


@pytest.mark.parametrize("key", FOLDERS)
def test_a_clip_of_nine_seconds_is_left_out_of_a_packed_set(key: str, root: Path) -> None:
    cut(root, key)
    quiet = Console(file=io.StringIO())
    with pytest.raises(DataError, match=r"cut short; --allow-missing packs without those videos"):
        pack_folder(root, console=quiet)
    pack_folder(root, allow_missing=True, console=quiet)
    with pytest.raises(DataError, match="without 1 videos"):
        open_folder(root).load("train")
    packed = open_folder(root, allow_missing=True).load("train")
    loose = open_folder(root, allow_missing=True, packed="off").load("train")
    assert packed.filenames == loose.filenames
    np.testing.assert_array_equal(packed.audio, loose.audio)
    pack_folder(root, allow_missing=True, console=quiet)
    assert "already packed, fresh and sound" in quiet.file.getvalue()  # type: ignore[attr-defined]


def test_clips_cut_short_of_every_length_are_left_out_of_a_packed_set(root: Path) -> None:
    for index, seconds in ((0, 9), (2, 4), (3, 9)):
        cut(root, "audio", index, seconds)
    pack_folder(root, allow_missing=True)
    packed = open_folder(root, allow_missing=True).load("train")
    assert packed.filenames == [LLPFolder(root).split("train").filenames[index] for index in (1, 4)]


def test_a_short_clip_as_large_as_a_whole_one_stops_the_packing(root: Path) -> None:
    path = cut(root, "audio", 1, 5)
    np.save(path, np.load(path).astype(np.float64))  # 5 seconds of 8 bytes among 10 of 4
    with pytest.raises(DataError, match=rf"{path}: expected shape \(10, 128\), found \(5, 128\)"):
        pack_folder(root, allow_missing=True)


STORED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "float64": lambda array: array.astype(np.float64),
    "float16": lambda array: array.astype(np.float16),
    "big-endian": lambda array: array.astype(">f4"),
    "big-endian float64": lambda array: array.astype(">f8"),
    "Fortran order": np.asfortranarray,
}


@pytest.mark.parametrize("stored", STORED)
def test_features_of_another_width_or_order_are_packed_like_float32(stored: str, root: Path) -> None:
    for key in FEATURE_FOLDERS:
        for path in (root / FOLDERS[key]).iterdir():
            np.save(path, np.load(path).astype(np.float16).astype(np.float32))  # what each of them can hold
    expected = LLPFolder(root).load("train")
    for key in FEATURE_FOLDERS:
        for path in list((root / FOLDERS[key]).iterdir())[::2]:  # among files of float32
            np.save(path, STORED[stored](np.load(path)))
    pack_folder(root)
    found = open_folder(root).load("train")
    for key in FEATURE_FOLDERS:
        assert getattr(found, key).dtype == np.float32
        np.testing.assert_array_equal(getattr(found, key), getattr(expected, key), err_msg=key)


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", ">i2", "u4", ">i8", "f4", ">f8"])
def test_pseudo_labels_of_any_kind_are_packed_alike(dtype: str, root: Path) -> None:
    expected = LLPFolder(root).load("train")
    for folder in PSEUDO_LABEL_FOLDERS.values():
        for path in (root / folder).iterdir():
            np.save(path, np.load(path).astype(dtype))
    pack_folder(root)
    np.testing.assert_array_equal(open_folder(root).load("train").segment_audio, expected.segment_audio)
    np.testing.assert_array_equal(open_folder(root).load("train").segment_visual, expected.segment_visual)
