"""LSLD's ``.npz`` of pickled dicts of tensors: what is taken, as numpy and torch write it."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leap_avvp.data.pseudo import lsld
from leap_avvp.errors import DataError

Tables = dict[str, dict[str, torch.Tensor]]


@pytest.fixture
def tables(soft) -> Tables:
    """Return tensors (3, 4) by modality and id."""
    return {key: {name: torch.from_numpy(grid) for name, grid in table.items()} for key, table in soft.items()}


@pytest.fixture
def savez(tmp_path: Path, tables: Tables) -> Callable[..., Path]:
    """Return ``savez(name="final_label.npz", tables=tables)``: writes as LSLD's program does, returns the path."""

    def run(name: str = "final_label.npz", tables: Tables = tables) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, label_v=tables["visual"], label_a=tables["audio"])
        return path

    return run


def pickled(table: Any, protocol: int = 4) -> bytes:
    """Return the pickle of the array of one object that numpy makes of a dict."""
    return pickle.dumps(np.asanyarray(table), protocol=protocol)


def write_pickles(path: Path, audio: bytes, visual: bytes | None = None) -> Path:
    """Write what ``np.savez`` does around pickles."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|O", "fortran_order": False, "shape": ()})
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in (("label_a", audio), ("label_v", audio if visual is None else visual)):
            archive.writestr(f"{member}.npy", head.getvalue() + content)
    return path


def stacked(table: dict[str, torch.Tensor]) -> np.ndarray[Any, Any]:
    return torch.stack([tensor.float() for tensor in table.values()]).numpy()


def check(found: Any, tables: Tables) -> None:
    for modality, table in tables.items():
        grid = getattr(found, modality)
        assert grid.dtype == np.float32
        np.testing.assert_array_equal(grid, stacked(table))
    assert found.problems == []


# What is taken


def test_labels_as_numpy_writes_them(read, savez, tables):
    path = savez()
    with np.load(path, allow_pickle=True) as archive:  # the file is what LSLD's program reads
        assert torch.equal(archive["label_a"].item()["video 3"], tables["audio"]["video 3"])
    for kind in ("lsld", path, str(path), path.parent):
        found = read(kind)
        check(found, tables)
        assert (found.outside, found.notes) == (0, [])
        assert found.layout.describe() == f"lsld: final_label.npz in {path.parent}"


@pytest.mark.parametrize("below", ["", "labels/", "refine_label/"])
@pytest.mark.parametrize("name", ["final_label.npz", "denoised_label.npz"])
def test_either_file_in_either_folder(read, savez, tables, below, name):
    savez(below + name)
    check(read("lsld"), tables)


def test_the_final_labels_are_taken_of_both(read, savez, tables):
    zeros = {key: {name: torch.zeros(3, 4) for name in table} for key, table in tables.items()}
    savez("denoised_label.npz", zeros)
    check(read("lsld"), zeros)
    savez("refine_label/final_label.npz")
    check(read("lsld"), tables)


def test_packed_archives_are_taken(read, tables, tmp_path):
    np.savez_compressed(tmp_path / "final_label.npz", label_a=tables["audio"], label_v=tables["visual"])
    check(read("lsld"), tables)


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    ],
)
def test_any_numbers_are_taken(read, savez, tables, dtype):
    tables = {
        key: {name: (2 * tensor).round().div(2).to(dtype) for name, tensor in table.items()}
        for key, table in tables.items()
    }
    savez(tables=tables)
    check(read("lsld"), tables)


def test_views_of_other_tensors_are_taken(read, savez, tables):
    table = tables["audio"]
    whole = torch.stack(list(table.values()))
    table["video 0"] = whole[0]
    table["video 1"] = whole[1].t().contiguous().t()  # another order in memory
    table["video 2"] = whole.repeat(1, 1, 2)[2, :, 4:]
    table["video 3"] = torch.tensor([[0.0, 1.0, 0.5, 0.25]]).expand(3, 4)  # a stride of 0
    table["video 4"] = whole[4].clone().requires_grad_()
    expected = {name: tensor.detach().clone() for name, tensor in table.items()}
    savez()
    check(read("lsld"), {"audio": expected})


def test_tensors_of_a_gpu_come_to_the_cpu(read, savez, tables, monkeypatch):
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    path = savez()
    monkeypatch.undo()
    assert b"cuda:0" in path.read_bytes()
    check(read("lsld"), tables)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("module", [b"numpy._core.multiarray", b"numpy.core.multiarray"])
def test_pickles_of_any_numpy_and_python(read, tables, tmp_path, protocol, module):
    contents = [pickled(tables[modality], protocol) for modality in ("audio", "visual")]
    for known in (b"numpy._core.multiarray", b"numpy.core.multiarray"):  # what this numpy wrote
        length = bytes([len(module)])
        contents = [
            content.replace(b"\x8c" + bytes([len(known)]) + known, b"\x8c" + length + module).replace(
                b"c" + known + b"\n", b"c" + module + b"\n"
            )
            for content in contents
        ]
    assert all(module in content for content in contents)
    write_pickles(tmp_path / "final_label.npz", *contents)
    check(read("lsld"), tables)


def test_more_than_a_batch_of_a_pickle(read, savez, tables):
    more = {f"other {number}": torch.rand(3, 4) for number in range(2_500)}  # pickle writes 1,000 at once
    tables["audio"] = more | tables["audio"]
    savez()
    found = read("lsld")
    check(found, tables | {"audio": dict(list(tables["audio"].items())[-5:])})
    assert found.notes == ["final_label.npz: 2,500 labels of other videos than the training ones are not read"]


def test_labels_outside_the_weak_label_are_counted(read, savez, tables):
    tables["visual"]["video 1"][:, 0] = 0.1  # as LSLD gives to likely events that nobody labelled
    savez()
    found = read("lsld")
    check(found, tables)
    assert found.outside == 3


# What is wrong with single videos


@pytest.mark.parametrize(
    ("tensor", "text", "missing"),
    [
        (None, "missing", True),
        (torch.zeros(2, 4), "expected shape (3, 4), found (2, 4): a clip that was cut short", True),
        (torch.zeros(4, 4), "expected shape (3, 4), found (4, 4)", False),
        (torch.zeros(3, 25), "expected shape (3, 4), found (3, 25)", False),
        (torch.zeros(12), "expected shape (3, 4), found (12,)", False),
        (torch.zeros(0, 4), "expected shape (3, 4), found (0, 4): a clip that was cut short", True),
        (torch.full((3, 4), torch.nan), "expected numbers from 0 to 1, found nan", False),
        (torch.full((3, 4), torch.inf), "expected numbers from 0 to 1, found inf", False),
        (torch.full((3, 4), 1.5), "expected numbers from 0 to 1, found 1.5", False),
        (torch.full((3, 4), -1), "expected numbers from 0 to 1, found -1", False),
        (torch.full((3, 4), 2, dtype=torch.uint8), "expected numbers from 0 to 1, found 2", False),
        (torch.zeros(1).expand(10**9, 10**9), "expected shape (3, 4), found (1000000000, 1000000000)", False),
    ],
)
def test_a_bad_tensor_is_a_problem_of_its_video(read, savez, tables, tensor, text, missing):
    table = dict(tables["visual"])
    if tensor is None:
        del table["video 2"]
    else:
        table["video 2"] = tensor
    path = savez(tables=tables | {"visual": table})
    found = read("lsld")
    ((index, problem),) = found.problems
    assert (index, str(problem)) == (2, f"{path}: label_v: video 2: {text}")
    assert problem.missing == missing
    assert not found.visual[2].any()
    np.testing.assert_array_equal(found.audio, stacked(tables["audio"]))


# What is wrong with the file


def test_a_damaged_archive_is_one_line(read, savez, tmp_path):
    path = savez()
    content = path.read_bytes()
    for wrong in (b"", b"text", content[: len(content) // 2], content[:-30], b"\0" * 300):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match=r"expected a dict of tensors by video id, cannot read it") as error:
            read("lsld")
        assert str(error.value).startswith(f"{path}: label_a: ")
        assert len(str(error.value).splitlines()) == 1


def test_a_byte_of_a_tensor_that_has_changed_is_found(read, savez, tables):
    path = savez()
    content = bytearray(path.read_bytes())
    numbers = tables["visual"]["video 3"].numpy().tobytes()
    content[content.index(numbers) + 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"label_v: .*CRC"):
        read("lsld")


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"label_a": {}}, "expected the arrays label_a and label_v, found label_a"),
        ({"x": np.zeros(3)}, "expected the arrays label_a and label_v, found x"),
        ({"label_a": np.zeros((3, 4))}, "found an array of float64, shape (3, 4)"),
        ({"label_a": np.array([{}, {}])}, "found an array of object, shape (2,)"),
        ({"label_a": np.array(None)}, "label_a: expected a dict of tensors by video id, found a NoneType"),
        ({"label_a": {"video 0": "text"}}, "found a str in it"),
        ({"label_a": {"video 0": [torch.zeros(3, 4)]}}, "found a list in it"),
        ({"label_a": {0: torch.zeros(3, 4)}}, "found a int in place of a str"),
        ({"label_a": {"video 0": np.zeros((3, 4))}}, "found an array of another"),
        ({"label_a": {"video 0": torch.nn.Parameter(torch.zeros(3, 4))}}, "found objects, which are not loaded"),
        ({"label_a": {"video 0": torch.zeros(3, 4).to_sparse()}}, "found objects, which are not loaded"),
    ],
)
def test_something_else_in_the_archive(read, tmp_path, arrays, text):
    path = tmp_path / "final_label.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as error:
        read("lsld")
    assert str(error.value).startswith(f"{path}: ")
    assert text in str(error.value)


def test_an_archive_that_is_too_large_is_not_unpacked(read, savez, tables, monkeypatch):
    monkeypatch.setattr(lsld, "_LEAST_BOUND", 0)
    check(read(savez()), tables)  # its five videos are within the bound
    with zipfile.ZipFile(savez(), "a", zipfile.ZIP_DEFLATED) as archive:
        content = archive.read("label_a.npy")
    with zipfile.ZipFile(savez(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("label_a.npy", content + bytes(20_000))
    with pytest.raises(DataError, match=r"label_a: expected at most 11,200 bytes, found 2\d,\d\d\d"):
        read("lsld")


def test_what_numpy_never_packs_is_not_unpacked(read, savez):
    path = savez()
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match="packed in a way that numpy never writes"):
        read("lsld")


def test_links_and_pointers(read, savez, tables, tmp_path):
    store = tmp_path.parent / f"{tmp_path.name}-store"
    store.mkdir()
    path = savez()
    path.rename(store / "blob")
    path.symlink_to(store / "blob")
    with pytest.raises(DataError, match="leads out of the data folder"):
        read("lsld")
    check(read("lsld", link_store=store), tables)
    (store / "blob").unlink()
    with pytest.raises(DataError, match=r"missing: a link to .*, which is not there"):
        read("lsld")
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(DataError, match="a link that leads nowhere"):
        read("lsld")
    path.unlink()
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 5248\n")
    with pytest.raises(DataError, match="`git lfs pull` fetches it"):
        read("lsld")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_not_waited_for(read, tmp_path):
    os.mkfifo(tmp_path / "final_label.npz")
    with pytest.raises(DataError, match="expected a file, found a folder or a device"):
        read("lsld")
