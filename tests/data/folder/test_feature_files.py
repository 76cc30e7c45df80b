"""One feature file: what is taken, and what is refused without being executed or waited for."""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.card import LLP
from leap_avvp.data.folder.feature_files import BadFileError, read_features, read_pseudo_labels
from leap_avvp.files.npz import read_npy_header

FRAMES = np.random.default_rng(0).standard_normal((80, 2048), dtype=np.float32)
SECONDS = np.random.default_rng(1).standard_normal((10, 128), dtype=np.float32)
LABELS = np.random.default_rng(2).random((10, 25)) < 0.2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "-elevenchar.npy"


STREAMS = {stream.width: stream for stream in LLP.features.streams.values()}


def read(path: Path, width: int = 128, root: Path | None = None) -> np.ndarray[Any, Any]:
    return read_features(path, root or path.parent, STREAMS[width], 10)


def content(array: np.ndarray[Any, Any], **options: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


# What is taken


def test_frames_are_averaged_over_each_second(path: Path) -> None:
    np.save(path, FRAMES)
    pooled = read(path, 2048)
    assert (pooled.shape, pooled.dtype) == ((10, 2048), np.float32)
    for second in range(10):
        mean = FRAMES[8 * second : 8 * second + 8].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(pooled[second], mean, atol=1e-6)


def test_frames_averaged_before_are_taken_as_they_are(path: Path) -> None:
    np.save(path, FRAMES[:10])
    np.testing.assert_array_equal(read(path, 2048), FRAMES[:10])


def big_endian(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.astype(">f4")


STORED: dict[str, Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = {
    "float32": lambda array: array,
    "float64": lambda array: array.astype(np.float64),
    "longdouble": lambda array: array.astype(np.longdouble),
    "big-endian": big_endian,
    "big-endian float64": lambda array: array.astype(">f8"),
    "Fortran": np.asfortranarray,
    "Fortran and big-endian": lambda array: np.asfortranarray(big_endian(array)),
}


@pytest.mark.parametrize("stored", STORED)
def test_any_width_and_order_is_taken(path: Path, stored: str) -> None:
    np.save(path, STORED[stored](SECONDS))
    values = read(path)
    assert values.dtype == np.float32
    assert values.dtype.isnative
    assert values.flags.c_contiguous
    np.testing.assert_array_equal(values, SECONDS)


def test_half_precision_is_averaged_in_single(path: Path) -> None:
    half = np.full((80, 2048), 60_000, dtype=np.float16)  # the sum of two is more than float16 holds
    np.save(path, half)
    np.testing.assert_array_equal(read(path, 2048), np.full((10, 2048), np.float32(np.float16(60_000))))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_taken(path: Path, version: tuple[int, int]) -> None:
    with path.open("wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy finds the newer versions too new
        np.lib.format.write_array(file, SECONDS, version)
    np.testing.assert_array_equal(read(path), SECONDS)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, np.float32, np.float64, ">f4", ">i8"])
def test_pseudo_labels_of_any_type_are_taken(path: Path, dtype: Any) -> None:
    np.save(path, LABELS.astype(dtype))
    values = read_pseudo_labels(path, path.parent, (10, 25))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, LABELS)


# What is refused


def with_value(value: float, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    array = SECONDS.astype(dtype)
    array[3, 5] = value
    return array


DAMAGE: dict[str, tuple[bytes, str]] = {
    "zero bytes": (b"", r"cannot read it \(EOF"),
    "text": (b"404: Not Found", "cannot read it .*magic"),
    "cut in the header": (content(SECONDS)[:60], "cannot read it .*EOF"),
    "cut in the data": (content(SECONDS)[:-1], "expected 5,248 bytes, found 5,247: truncated"),
    "header alone": (header((10, 128)), "expected 5,248 bytes, found 128: truncated"),
    "terabytes": (header((10**6, 10**6)), r"expected shape \(10, 128\), found \(1000000, 1000000\)"),
    "no such version": (b"\x93NUMPY\x09\x00" + bytes(200), "version"),
    "header of 4 GB": (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b" " * 99, "cannot read it .*EOF"),
    "header of Python": (header((10, 128)).replace(b"False", b"(1,(("), "cannot read it"),
    "nested header": (b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000, "cannot read it"),
    "one more dimension": (content(SECONDS[None]), r"expected shape \(10, 128\), found \(1, 10, 128\)"),
    "more seconds": (content(np.concatenate([SECONDS, SECONDS[:1]])), r"found \(11, 128\)"),
    "transposed": (content(SECONDS.T), r"found \(128, 10\)"),
    "a number": (content(np.float32(1)), r"found \(\)"),
    "NaN": (content(with_value(np.nan)), "expected finite numbers, found 1 NaN or Inf among 1,280"),
    "Inf": (content(with_value(-np.inf)), "found 1 NaN or Inf"),
    "beyond float32": (content(with_value(1e300, np.float64)), "found 1 NaN or Inf"),
    "integers": (content(SECONDS.astype(np.int64)), "expected floating-point numbers, found int64"),
    "complex": (content(SECONDS.astype(np.complex64)), "found complex64"),
    "strings": (content(SECONDS.astype("U8")), "found <U8"),
    "records": (content(np.zeros((10, 128), dtype=[("x", "f4")])), "expected floating-point numbers, found"),
    "objects": (content(SECONDS.astype(object), allow_pickle=True), "found objects, which are not loaded"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(path: Path, damage: str) -> None:
    data, message = DAMAGE[damage]
    path.write_bytes(data)
    with pytest.raises(BadFileError, match=message) as caught:
        read(path)
    assert not caught.value.missing
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_both_shapes_of_frames_are_named(path: Path) -> None:
    np.save(path, FRAMES[:40])
    with pytest.raises(BadFileError, match=r"expected shape \(80, 2048\) or \(10, 2048\), found \(40, 2048\): a clip"):
        read(path, 2048)


def test_an_archive_in_place_of_an_array(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, array=SECONDS)
    with pytest.raises(BadFileError, match="cannot read it"):
        read(path)


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.proof),)


@pytest.mark.parametrize("bare", [False, True], ids=["array of objects", "bare pickle"])
def test_a_payload_does_not_run(path: Path, tmp_path: Path, bare: bool) -> None:
    proof = tmp_path / "proof"
    array = np.empty((10, 128), dtype=object)
    array[:] = Payload(proof)
    if bare:
        array.dump(path)
    else:
        np.save(path, array, allow_pickle=True)
    with pytest.raises(BadFileError):
        read(path)
    with pytest.raises(BadFileError):
        read_pseudo_labels(path, tmp_path, (10, 25))
    assert not proof.exists()
    np.load(path, allow_pickle=True)
    assert proof.exists()  # it would have


def test_pseudo_labels_are_zero_or_one(path: Path) -> None:
    for value in (0.5, 2, -1, np.nan):
        labels = LABELS.astype(np.float64)
        labels[0, 0] = value
        np.save(path, labels)
        with pytest.raises(BadFileError, match=f"expected 0 or 1 for each segment and class, found {value:g}"):
            read_pseudo_labels(path, path.parent, (10, 25))
    np.save(path, LABELS.T)
    with pytest.raises(BadFileError, match=r"expected shape \(10, 25\), found \(25, 10\)"):
        read_pseudo_labels(path, path.parent, (10, 25))


@pytest.mark.parametrize("rows", [0, 1, 9])
def test_a_clip_cut_short_counts_as_missing(path: Path, rows: int) -> None:
    np.save(path, SECONDS[:rows])
    with pytest.raises(BadFileError, match=rf"found \({rows}, 128\): a clip that was cut short") as caught:
        read(path)
    assert caught.value.missing


@pytest.mark.parametrize("array", [FRAMES[:79], FRAMES[:72], FRAMES[:9]], ids=["79", "72", "9 pooled"])
def test_frames_of_a_clip_cut_short_count_as_missing(path: Path, array: np.ndarray[Any, Any]) -> None:
    np.save(path, array)
    with pytest.raises(BadFileError, match="cut short") as caught:
        read(path, 2048)
    assert caught.value.missing


# What is not a file


def test_missing_is_told_apart(path: Path) -> None:
    with pytest.raises(BadFileError, match="missing") as caught:
        read(path)
    assert caught.value.missing


def test_folders_and_pipes_are_not_opened(path: Path) -> None:
    path.mkdir()
    with pytest.raises(BadFileError, match="found a folder or a device"):
        read(path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(BadFileError, match="found a folder or a device"):
        read(path)


def test_links_of_files_stay_inside(tmp_path: Path) -> None:
    root, drive, elsewhere = tmp_path / "root", tmp_path / "drive", tmp_path / "elsewhere"
    for folder in (root, drive, elsewhere):
        folder.mkdir()
        np.save(folder / "real.npy", SECONDS)
    (root / "feats").symlink_to(drive)  # a feature folder on another drive
    np.testing.assert_array_equal(read(root / "feats/real.npy", root=root), SECONDS)
    (drive / "beside.npy").symlink_to("real.npy")
    (drive / "above.npy").symlink_to(root / "real.npy")
    for name in ("beside", "above"):
        np.testing.assert_array_equal(read(root / f"feats/{name}.npy", root=root), SECONDS)
    (drive / "out.npy").symlink_to(elsewhere / "real.npy")
    with pytest.raises(
        BadFileError, match=r"out.npy: a link that leads out of the data folder, to .*/elsewhere/real.npy"
    ):
        read(root / "feats/out.npy", root=root)
    (drive / "gone.npy").symlink_to("nothing.npy")
    with pytest.raises(BadFileError, match="missing"):
        read(root / "feats/gone.npy", root=root)
    (drive / "loop.npy").symlink_to("loop.npy")
    with pytest.raises(BadFileError, match=r"loop\.npy: expected a"):
        read(root / "feats/loop.npy", root=root)


def test_a_root_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    np.save(tmp_path / "real/one.npy", SECONDS)
    (tmp_path / "real/two.npy").symlink_to("one.npy")
    (tmp_path / "root").symlink_to(tmp_path / "real")
    for name in ("one", "two"):
        np.testing.assert_array_equal(read(tmp_path / f"root/{name}.npy", root=tmp_path / "root"), SECONDS)


def test_the_header_alone_says_shape_and_size() -> None:
    found = read_npy_header(io.BytesIO(header((10**6, 10**6))))
    assert (found.shape, found.dtype, found.data_offset, found.data_bytes) == (
        (10**6, 10**6),
        np.float32,
        128,
        4 * 10**12,
    )
