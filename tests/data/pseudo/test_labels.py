"""Segment labels from files of one video each: VALOR's, a folder of one's own, and what is wrong with them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.card import LLP
from leap_avvp.data.pseudo import label_layout, read_segment_labels
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.llp import PSEUDO_LABEL_FOLDERS

OWN = {"audio": "audio", "visual": "visual"}
UWAV = {"audio": "a_segmentwise_logits", "visual": "v_segmentwise_logits"}


def stacked(grids: dict[str, Any], modality: str) -> np.ndarray[Any, Any]:
    return np.stack(list(grids[modality].values())).astype(np.float32)


def integers(grids: dict[str, Any]) -> dict[str, Any]:
    return {key: {name: grid.astype(np.int64) for name, grid in table.items()} for key, table in grids.items()}


# VALOR's


def test_valors_labels(read, write, hard, tmp_path):
    write(PSEUDO_LABEL_FOLDERS, integers(hard))
    found = read("valor")
    for modality in OWN:
        grid = getattr(found, modality)
        assert grid.dtype == np.float32
        np.testing.assert_array_equal(grid, stacked(hard, modality))
    assert (found.outside, found.notes, found.problems) == (0, [], [])
    assert found.layout.describe() == (f"valor: CLAP/segment_pseudo_labels, CLIP/segment_pseudo_labels in {tmp_path}")


def test_labels_outside_the_weak_label_are_counted_and_kept(read, write, hard, weak):
    hard["audio"]["video 1"][0] = [True, False, True, False]  # neither is in the weak label
    hard["visual"]["video 2"][:, 3] = True
    write(PSEUDO_LABEL_FOLDERS, integers(hard))
    found = read("valor")
    assert found.outside == 2 + 3
    assert found.audio[1, 0].tolist() == [1, 0, 1, 0]
    assert found.visual[2, :, 3].all()


def test_labels_of_other_videos_are_not_read_and_that_is_said(read, write, hard, tmp_path):
    write(PSEUDO_LABEL_FOLDERS, integers(hard))
    folder = tmp_path / PSEUDO_LABEL_FOLDERS["visual"]
    for number in range(1_234):
        (folder / f"test {number}.npy").touch()  # an empty file would be an error if it were read
    (tmp_path / PSEUDO_LABEL_FOLDERS["audio"] / "test.npy").touch()
    for name in ("README.md", "._video 0.npy"):
        (folder / name).touch()
    found = read("valor")
    assert found.notes == [
        "CLAP/segment_pseudo_labels: 1 file of another video than the training ones is not read",
        "CLIP/segment_pseudo_labels: 1,234 files of other videos than the training ones are not read",
    ]
    assert found.problems == []


def test_ids_are_those_of_the_card(write, tmp_path):
    names = ["-elevenchar_10_20", "_elevenchar_0.5_10.5"]
    grids = {key: {name[:11]: np.full((10, 25), number) for number, name in enumerate(names)} for key in OWN}
    write(PSEUDO_LABEL_FOLDERS, grids)
    found = read_segment_labels("valor", tmp_path, names, np.ones((2, 25)), LLP)
    assert found.audio.shape == (2, 10, 25)
    assert [grid.mean() for grid in found.visual] == [0, 1]


def test_soft_labels_are_not_valors(read, write, soft):
    write(PSEUDO_LABEL_FOLDERS, soft)
    assert "expected 0 or 1 for each segment and class" in str(read("valor").problems[0][1])


# A folder of one's own


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ">f4"])
def test_soft_labels_of_ones_own(read, write, soft, tmp_path, dtype):
    grids = {key: {name: grid.astype(dtype) for name, grid in table.items()} for key, table in soft.items()}
    root = write(OWN, grids, tmp_path / "mine")
    for kind in (root, str(root)):
        found = read(kind)
        np.testing.assert_array_equal(found.audio, stacked(grids, "audio"))
        np.testing.assert_array_equal(found.visual, stacked(grids, "visual"))
        assert found.audio.dtype == np.float32
        assert found.audio[0, 0, 0] == 1
        assert (found.outside, found.notes, found.problems) == (0, [], [])


@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint8, np.float32])
def test_hard_labels_of_ones_own(read, write, hard, tmp_path, dtype):
    grids = {key: {name: grid.astype(dtype) for name, grid in table.items()} for key, table in hard.items()}
    found = read(write(OWN, grids, tmp_path / "mine"))
    np.testing.assert_array_equal(found.audio, stacked(hard, "audio"))


def test_soft_labels_outside_the_weak_label_are_counted(read, write, soft, tmp_path):
    soft["visual"]["video 1"][2, 0] = 0.01
    assert read(write(OWN, soft, tmp_path / "mine")).outside == 1


def test_notes_of_ones_own_name_the_folder(read, write, soft, tmp_path):
    root = write(OWN, soft, tmp_path / "mine")
    (root / "audio" / "more.npy").touch()
    assert read(root).notes == [f"{root}/audio: 1 file of another video than the training ones is not read"]


def test_a_folder_of_ones_own_in_valors_layout(read, write, hard, tmp_path):
    root = write(PSEUDO_LABEL_FOLDERS, integers(hard), tmp_path / "mine")
    found = read(root)
    np.testing.assert_array_equal(found.visual, stacked(hard, "visual"))
    assert found.layout.form == "valor"


# What is wrong with single files


@pytest.mark.parametrize(
    ("grid", "text"),
    [
        (np.full((3, 4), 1.001), "expected numbers from 0 to 1, found 1.001"),
        (np.full((3, 4), -1), "expected numbers from 0 to 1, found -1"),
        (np.full((3, 4), np.nan), "expected numbers from 0 to 1, found nan"),
        (np.full((3, 4), np.inf), "expected numbers from 0 to 1, found inf"),
        (np.zeros((4, 4)), "expected shape (3, 4), found (4, 4)"),
        (np.zeros((3, 25)), "expected shape (3, 4), found (3, 25)"),
        (np.zeros(12), "expected shape (3, 4), found (12,)"),
        (np.full((3, 4), "x"), "expected numbers, found <U1"),
        (np.full((3, 4), 1j), "expected numbers, found complex128"),
    ],
)
def test_a_damaged_file_is_a_problem_of_its_video(read, write, soft, tmp_path, grid, text):
    root = write(OWN, soft, tmp_path / "mine")
    path = root / "visual" / "video 3.npy"
    np.save(path, grid)
    found = read(root)
    ((index, problem),) = found.problems
    assert (index, str(problem), problem.missing) == (3, f"{path}: {text}", False)
    assert not found.visual[3].any()
    np.testing.assert_array_equal(found.audio, stacked(soft, "audio"))


def test_a_file_cut_in_two_is_damaged(read, write, soft, tmp_path):
    root = write(OWN, soft, tmp_path / "mine")
    path = root / "audio" / "video 0.npy"
    path.write_bytes(path.read_bytes()[:-1])
    ((_, problem),) = read(root).problems
    assert "truncated" in str(problem)


def test_missing_files_are_counted_as_missing_in_the_order_of_videos(read, write, soft, tmp_path):
    root = write(OWN, soft, tmp_path / "mine")
    for modality, name in (("visual", "video 0"), ("audio", "video 4"), ("visual", "video 4"), ("audio", "video 2")):
        (root / modality / f"{name}.npy").unlink()
    np.save(root / "audio" / "video 1.npy", np.zeros((2, 4)))
    found = read(root)
    assert [(index, problem.missing) for index, problem in found.problems] == [(n, True) for n in (0, 1, 2, 4, 4)]
    assert "a clip that was cut short" in str(found.problems[1][1])
    assert str(found.problems[0][1]) == f"{root}/visual/video 0.npy: missing"


def test_objects_are_not_loaded(read, write, soft, tmp_path):
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    root = write(OWN, soft, tmp_path / "mine")
    array = np.empty((3, 4), object)
    array[:] = Payload()
    np.save(root / "audio" / "video 0.npy", array, allow_pickle=True)
    ((_, problem),) = read(root).problems
    assert "objects, which are not loaded" in str(problem)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("folders", "kind"), [(OWN, "mine"), (PSEUDO_LABEL_FOLDERS, "valor")])
def test_links_must_stay_in_the_folder_or_lead_into_a_trusted_one(read, write, hard, tmp_path, folders, kind):
    root = write(folders, integers(hard), tmp_path / "mine")
    store = tmp_path / "store"
    store.mkdir()
    path = root / folders["audio"] / "video 2.npy"
    path.rename(store / "blob")
    path.symlink_to(store / "blob")
    kind = root if kind == "mine" else kind
    ((index, problem),) = read(kind, root).problems
    assert index == 2
    assert "leads out of the data folder" in str(problem)
    assert read(kind, root, link_store=store).problems == []


def test_files_may_be_read_in_threads(read, write, soft, tmp_path):
    root = write(OWN, soft, tmp_path / "mine")
    (root / "audio" / "video 2.npy").unlink()
    asked: list[int] = []

    def each(job: Callable[[int], Any], indices: Any) -> Any:
        asked.extend(indices)
        with ThreadPoolExecutor(4) as pool:
            yield from pool.map(job, indices)

    found, plain = read(root, each=each), read(root)
    assert asked == [0, 1, 2, 3, 4] * 2
    np.testing.assert_array_equal(found.audio, plain.audio)
    np.testing.assert_array_equal(found.visual, plain.visual)
    assert [index for index, _ in found.problems] == [2]


def test_no_videos_have_no_labels(write, soft, card, tmp_path):
    root = write(OWN, soft, tmp_path / "mine")
    found = read_segment_labels(root, tmp_path, [], np.zeros((0, 4)), card)
    assert found.audio.shape == (0, 3, 4)
    assert "5 files of other videos" in found.notes[0]


# Folders


def test_valors_folders_are_not_there(read, tmp_path):
    (tmp_path / PSEUDO_LABEL_FOLDERS["audio"]).mkdir(parents=True)
    with pytest.raises(DataError) as error:
        read("valor")
    assert str(error.value) == (
        f"{tmp_path}: no such folder: {tmp_path}/CLIP/segment_pseudo_labels; expected the segment pseudo labels that "
        "VALOR released (Lai et al., NeurIPS 2023) there; data.pseudo_labels=none trains without them"
    )
    (tmp_path / "CLIP").mkdir()
    (tmp_path / "CLIP" / "segment_pseudo_labels.dvc").touch()
    with pytest.raises(DataError, match=r"`dvc pull` fetches what DVC tracks$"):
        read("valor")


@pytest.mark.parametrize(("kind", "text"), [("uwav", "LLP_Dataset"), ("lsld", "final_label.npz or")])
def test_files_of_others_are_not_there(read, tmp_path, kind, text):
    with pytest.raises(DataError, match=r"data.pseudo_labels=none trains without them") as error:
        read(kind)
    assert str(error.value).startswith(f"{tmp_path}: no such f")
    assert text in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_folder_without_labels_lists_what_was_looked_for(read, tmp_path):
    with pytest.raises(DataError) as error:
        read(tmp_path)
    line = str(error.value)
    assert line.startswith(f"{tmp_path}: no labels in a known layout; looked for audio/ID.npy and visual/ID.npy; ")
    for part in ("CLAP/segment_pseudo_labels/ID.npy", "a_segmentwise_logits/ID.npy", "final_label.npz"):
        assert part in line
    assert "one half" not in line


@pytest.mark.parametrize(
    ("there", "absent"),
    [
        ("audio", "visual"),
        ("visual", "audio"),
        ("CLIP/segment_pseudo_labels", "CLAP/segment_pseudo_labels"),
        ("LLP_Dataset/v_segmentwise_logits", "LLP_Dataset/a_segmentwise_logits"),
        ("a_segmentwise_logits", "v_segmentwise_logits"),
    ],
)
def test_half_a_layout_is_told(read, tmp_path, there, absent):
    (tmp_path / there).mkdir(parents=True)
    with pytest.raises(DataError, match=f"found one half of .*, but no {absent}/$"):
        read(tmp_path)


def test_the_first_layout_that_is_whole_is_taken(write, hard, tmp_path):
    write(UWAV, hard)
    (tmp_path / "audio").mkdir()
    assert label_layout(tmp_path, tmp_path).form == "uwav"
    write(PSEUDO_LABEL_FOLDERS, hard)
    assert label_layout(tmp_path, tmp_path).form == "valor"
    (tmp_path / "visual").mkdir()
    assert label_layout(tmp_path, tmp_path).form == "folder"


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        ("valro", ConfigError, "found 'valro'; did you mean 'valor'?"),
        ("nothing", ConfigError, "expected one of valor, uwav, lsld, or a folder or .npz of labels, found 'nothing'"),
        (Path("nothing"), DataError, "nothing: no such folder of labels"),
        ("no/such", DataError, "no/such: no such folder of labels"),
        ("none.npz", ConfigError, "found 'none.npz'"),
    ],
)
def test_what_is_no_kind_and_no_folder(read, tmp_path, monkeypatch, kind, error, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as raised:
        read(kind)
    assert text in str(raised.value)


def test_a_file_that_is_no_npz(read, tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({}))
    with pytest.raises(
        DataError, match=r"labels.json: expected a folder of labels, or LSLD's .npz, found another file"
    ):
        read(path)
