"""Feature and pseudo-label files that are wrong: by hand through the command line, at random through the readers."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from leap_avvp.card import LLP
from leap_avvp.cli import main
from leap_avvp.data.datamodule import folder_data
from leap_avvp.data.folder.feature_files import BadFileError, read_features, read_pseudo_labels
from leap_avvp.llp import FEATURE_FOLDERS, PSEUDO_LABEL_FOLDERS

GENERATED = 150  # cases of each test that draws them
DRAWN = settings(
    deadline=None, max_examples=GENERATED, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)

Array = np.ndarray[Any, Any]
Change = Callable[[Array], Array | bytes]


def content(array: Array) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def put(value: float) -> Change:
    """Return a change of one number."""

    def change(array: Array) -> Array:
        array = array.astype(np.float64)
        array[3, 5] = value
        return array

    return change


def claim(shape: str) -> Change:
    """Return a change of the shape that the header claims, its length kept."""

    def change(array: Array) -> bytes:
        whole = content(array)
        head, tail = whole[:128], whole[128:]
        start, end = head.index(b"(1"), head.index(b"), }") + 1
        return (head[:start] + shape.encode() + head[end:])[:127].ljust(127)[:127] + b"\n" + tail

    return change


@pytest.fixture
def root(make_llp_folder: Callable[..., Path]) -> Path:
    return make_llp_folder(train=3, val=2, test=2)


def replace(folder: Path, change: Change) -> Path:
    """Change the last training video's file of a folder, and return its path."""
    path = sorted(folder.glob("*train*.npy"))[-1]
    changed = change(np.load(path))
    path.write_bytes(changed if isinstance(changed, bytes) else content(changed))
    return path


SMALL = (
    *("encoder=han", "encoder.dim=16", "encoder.feed_forward_dim=16", "decoder=mmil", "decoder.dim=16"),
    *("trainer=cpu", "logger=none", "data.schedule.max_epochs=1"),
)


def train(root: Path, tmp_path: Path) -> list[str]:
    return ["train", "data=llp", f"data.root={root}", *SMALL, f"hydra.run.dir={tmp_path / 'run'}"]


FEATURES: dict[str, tuple[Change, str]] = {
    "zero bytes": (lambda _: b"", "cannot read it"),
    "only the magic": (lambda _: b"\x93NUMPY", "cannot read it"),
    "cut in the header": (lambda a: content(a)[:50], "cannot read it"),
    "cut in the data": (lambda a: content(a)[:-1], "truncated"),
    "half of it": (lambda a: content(a)[: a.nbytes // 2], "truncated"),
    "a page of HTML": (lambda _: b"<html>403 Forbidden</html>", "cannot read it"),
    "zeros": (lambda a: bytes(a.nbytes), "cannot read it"),
    "a million rows": (claim("(1000000, 128)"), "found (1000000, 128)"),
    "negative shape": (claim("(-10, -128)"), "found (-10, -128)"),
    "a shape of text": (claim("('10', 128)"), "cannot read it"),
    "a shape that is code": (claim("(exit(), 128)"), "cannot read it"),
    "fewer seconds": (lambda a: a[:9], "found (9, 128)"),
    "more seconds": (lambda a: np.concatenate([a, a]), "found (20, 128)"),
    "no seconds": (lambda a: a[:0], "found (0, 128)"),
    "other features": (lambda a: a[:, :64], "found (10, 64)"),
    "transposed": (lambda a: a.T, "found (128, 10)"),
    "flat": (lambda a: a.ravel(), "found (1280,)"),
    "in a batch": (lambda a: a[None], "found (1, 10, 128)"),
    "a single number": (lambda _: np.float32(3), "found ()"),
    "objects": (lambda a: a.astype(object), "found objects, which are not loaded"),
    "integers": (lambda a: a.astype(np.int32), "found int32"),
    "booleans": (lambda a: a > 0, "found bool"),
    "complex": (lambda a: a.astype(np.complex64), "found complex64"),
    "text": (lambda a: a.astype("U12"), "found <U12"),
    "NaN": (put(np.nan), "found 1 NaN or Inf"),
    "Inf": (put(np.inf), "found 1 NaN or Inf"),
    "minus Inf": (put(-np.inf), "found 1 NaN or Inf"),
    "too large": (put(1e300), "found 1 NaN or Inf"),
    "all NaN": (lambda a: a * np.float32(np.nan), "found 1,280 NaN or Inf"),
}

LABELS: dict[str, tuple[Change, str]] = {
    "probabilities": (lambda a: a * 0.7 + 0.1, "expected 0 or 1"),
    "above one": (lambda a: a * 2 + 1, "expected 0 or 1"),
    "minus one": (lambda a: a - 1, "found -1"),
    "logits": (lambda a: a * 8.5 - 4, "expected 0 or 1"),
    "NaN": (put(np.nan), "found nan"),
    "Inf": (put(np.inf), "found inf"),
    "255": (lambda a: np.maximum(a, 1).astype(np.uint8) * 255, "found 255"),
    "24 classes": (lambda a: a[:, :24], "found (10, 24)"),
    "26 classes": (lambda a: np.pad(a, ((0, 0), (0, 1))), "found (10, 26)"),
    "class ids": (lambda a: a.argmax(axis=1), "found (10,)"),
    "class first": (lambda a: a.T, "found (25, 10)"),
    "objects": (lambda a: a.astype(object), "found objects, which are not loaded"),
    "text": (lambda a: a.astype("U5"), "found <U5"),
    "complex": (lambda a: a.astype(np.complex64), "found complex64"),
    "zero bytes": (lambda _: b"", "cannot read it"),
    "cut": (lambda a: content(a)[:-9], "truncated"),
}


@pytest.mark.parametrize("case", [*FEATURES])
def test_a_wrong_feature_file_is_one_line(case: str, root: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    change, message = FEATURES[case]
    path = replace(root / FEATURE_FOLDERS["audio"], change)
    line = refused(*train(root, tmp_path))
    assert message in line
    assert str(path) in line
    assert main(["data", "check", str(root)]) == 1


@pytest.mark.parametrize("case", [*LABELS])
def test_a_wrong_pseudo_label_file_is_one_line(
    case: str, root: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    change, message = LABELS[case]
    path = replace(root / PSEUDO_LABEL_FOLDERS["visual"], change)
    line = refused(*train(root, tmp_path))
    assert message in line
    assert str(path) in line
    assert "allow_missing" not in line


# What is taken, with the same numbers

STORED: dict[str, Change] = {
    "float64": lambda a: a.astype(np.float64),
    "long double": lambda a: a.astype(np.longdouble),
    "big-endian": lambda a: a.astype(">f4"),
    "big-endian float64": lambda a: a.astype(">f8"),
    "Fortran order": np.asfortranarray,
    "Fortran order, big-endian": lambda a: np.asfortranarray(a.astype(">f8")),
    "a view": lambda a: np.concatenate([a, a], axis=1)[:, : a.shape[1]],
    "bytes behind the data": lambda a: content(a) + b"more",
}


@pytest.mark.parametrize("case", STORED)
@pytest.mark.parametrize("key", FEATURE_FOLDERS)
def test_another_way_of_storing_changes_no_number(case: str, key: str, root: Path) -> None:
    expected = folder_data(root).dataset("train")[[0, 1, 2]]
    replace(root / FEATURE_FOLDERS[key], STORED[case])
    found = folder_data(root).dataset("train")[[0, 1, 2]]
    np.testing.assert_array_equal(found[key], expected[key])  # type: ignore[literal-required]


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", ">i2", "<i8", "f2", ">f4", "f8", "g"])
def test_pseudo_labels_of_any_type_are_the_same(dtype: str, root: Path) -> None:
    expected = folder_data(root).dataset("train")[[0, 1, 2]]
    for folder in PSEUDO_LABEL_FOLDERS.values():
        replace(root / folder, lambda array: np.asfortranarray(array.astype(dtype)))
    found = folder_data(root).dataset("train")[[0, 1, 2]]
    for name in ("segment_audio", "segment_visual"):
        np.testing.assert_array_equal(found[name], expected[name])  # type: ignore[literal-required]


# At random

SECONDS = np.random.default_rng(0).standard_normal((10, 128), dtype=np.float32)
TRUTH = np.random.default_rng(1).random((10, 25)) < 0.2
NUMBERS = st.one_of(npst.floating_dtypes(), npst.integer_dtypes(), npst.boolean_dtypes(), npst.complex_number_dtypes())


def read(path: Path) -> Array:
    return read_features(path, path.parent, LLP.features.streams["audio"], 10)


@given(data=st.data())
@DRAWN
def test_flipped_bytes_and_cuts_are_read_or_named(
    data: st.DataObject, tmp_path: Path, taken: Callable[..., Any]
) -> None:
    for array, reader in ((SECONDS, read), (TRUTH, lambda path: read_pseudo_labels(path, path.parent, (10, 25)))):
        whole = bytearray(content(array))
        # Most of them in the header, where one byte means most.
        places = st.one_of(st.integers(0, 130), st.integers(0, len(whole) - 1))
        for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=4), label="flips"):
            whole[place] = value
        del whole[data.draw(st.sampled_from([0, 5, 60, 127, 128, 129, len(whole) - 1, len(whole)]), label="cut") :]
        path = tmp_path / "flipped.npy"
        path.write_bytes(whole)
        values = taken(path, reader, path, errors=[BadFileError])
        if values is not None:
            assert values.shape == array.shape
            assert values.dtype == np.float32
            assert np.isfinite(values).all()


@given(dtype=NUMBERS, shape=st.sampled_from([(10, 128), (80, 128), (128, 10), (10,), (0, 128)]), fortran=st.booleans())
@DRAWN
def test_any_type_and_shape_is_read_or_named(
    dtype: np.dtype[Any], shape: tuple[int, ...], fortran: bool, tmp_path: Path, taken: Callable[..., Any]
) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype, order="F" if fortran else "C")
    path = tmp_path / "typed.npy"
    np.save(path, array)
    values = taken(path, read, path, errors=[BadFileError])
    assert (values is not None) == (shape == (10, 128) and dtype.kind == "f")
    if values is not None:
        np.testing.assert_array_equal(values, array.astype(np.float32))


@given(
    values=npst.arrays(np.float64, (10, 25), elements=st.sampled_from([0.0, 1.0]), fill=st.just(0.0)), data=st.data()
)
@DRAWN
def test_pseudo_labels_are_zero_or_one_to_the_last(
    values: Array, data: st.DataObject, tmp_path: Path, taken: Callable[..., Any]
) -> None:
    wrong = data.draw(st.none() | st.floats().filter(lambda number: number not in (0, 1)), label="wrong")
    if wrong is not None:
        values[data.draw(st.integers(0, 9)), data.draw(st.integers(0, 24))] = wrong
    path = tmp_path / "labels.npy"
    np.save(path, values)
    read_back = taken(path, read_pseudo_labels, path, tmp_path, (10, 25), errors=[BadFileError])
    assert (read_back is None) == (wrong is not None)
    if read_back is not None:
        np.testing.assert_array_equal(read_back, values)


@given(head=st.binary(max_size=200))
@DRAWN
def test_anything_behind_the_magic_is_named(head: bytes, tmp_path: Path, taken: Callable[..., Any]) -> None:
    path = tmp_path / "anything.npy"
    for start in (b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00\xff\xff\xff\xff", b"PK\x03\x04"):
        path.write_bytes(start + head)
        assert taken(path, read, path, errors=[BadFileError]) is None


def test_what_is_no_file_is_one_line(root: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    path = replace(root / FEATURE_FOLDERS["video_3d"], lambda array: array)
    path.unlink()
    assert "1 missing files" in refused(*train(root, tmp_path))
    os.mkfifo(path)
    assert "found a folder or a device" in refused(*train(root, tmp_path))
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "a link that leads out of the data folder" in refused(*train(root, tmp_path))
