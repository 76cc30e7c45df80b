"""A data folder out of a store: single files that are links, and pointers or dead links where nothing was fetched."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from leap_avvp.data.annotations import read_annotations
from leap_avvp.data.datamodule import folder_data
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.packed import open_folder
from leap_avvp.data.packed.pack import pack_folder
from leap_avvp.errors import DataError
from leap_avvp.files.links import absence
from leap_avvp.llp import SPLITS

# Where a store keeps a file: its folder beside the data, the file's name in it, and what data.link_store is to name.
STORES: dict[str, tuple[str, Callable[[str], str], str]] = {
    "the Hugging Face hub": ("blobs", lambda key: key, "blobs"),
    "DVC": (".dvc/cache", lambda key: f"files/md5/{key[:2]}/{key[2:]}", ".dvc/cache/files/md5"),
    "git-annex": (".git/annex/objects", lambda key: f"{key[:2]}/{key[2:4]}/MD5-{key}/MD5-{key}", ".git/annex/objects"),
    "a folder of one's own": ("warehouse/of", lambda key: key, "warehouse/of"),
}
MENDS = {"the Hugging Face hub": "hf download", "DVC": "dvc pull", "git-annex": "git annex get"}
POINTERS = {
    "git lfs pull": "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 5248\n",
    "git annex get": "/annex/objects/SHA256E-s5248--4d7a21.npy\n",
}


def files(root: Path) -> Iterator[Path]:
    """Yield every feature, pseudo-label and annotation file."""
    yield from sorted(path for path in root.rglob("*") if path.suffix in (".npy", ".csv"))


def move_into(store: Path, name: Callable[[str], str], root: Path) -> None:
    """Move each file of a folder into a store and leave a relative link in its place."""
    for path in list(files(root)):
        blob = store / name(hashlib.md5(path.read_bytes()).hexdigest())
        blob.parent.mkdir(parents=True, exist_ok=True)
        path.rename(blob)
        path.symlink_to(os.path.relpath(blob, path.parent))


@pytest.fixture
def root(make_llp_folder: Callable[..., Path], tmp_path: Path) -> Path:
    """Return a data folder two below the one that holds the store, as a snapshot of the hub is."""
    return make_llp_folder(tmp_path / "snapshots" / "5d0f", train=3, val=2, test=2)


@pytest.fixture
def whole(root: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder whose files are no links."""
    return Path(shutil.copytree(root, tmp_path / "whole"))


def fill(root: Path, tmp_path: Path, tool: str) -> Path:
    """Turn the folder's files into links into a tool's store; return the folder that is to be trusted."""
    folder, name, trusted = STORES[tool]
    move_into(tmp_path / folder, name, root)
    return tmp_path / trusted


def audio(root: Path, split: str, index: int) -> Path:
    return root / "feats/vggish" / f"{LLPFolder(root).split(split).video_ids[index]}.npy"


@pytest.mark.parametrize("tool", STORES)
def test_links_into_a_store_are_read_where_it_is_trusted(tool: str, root: Path, whole: Path, tmp_path: Path) -> None:
    store = fill(root, tmp_path, tool)
    trusting = folder_data(str(root), link_store=str(store))
    assert trusting.source.describe()["link_store"] == str(store.resolve())
    for split in SPLITS:
        expected = folder_data(whole).dataset(split).tensors
        found = trusting.dataset(split).tensors
        assert found.keys() == expected.keys()
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert LLPFolder(root, link_store=tmp_path).check().ok, "a folder above the store will do"
    assert LLPFolder(root, link_store=Path("/")).check().ok


@pytest.mark.parametrize("tool", STORES)
def test_the_refusal_of_a_link_names_the_option_that_trusts_its_store(tool: str, root: Path, tmp_path: Path) -> None:
    store = fill(root, tmp_path, tool)
    option = f"data[.]link_store=DIR trusts a folder, such as {store}"
    line = f"a link that leads out of the data folder, to {store}/.*; {option}"
    with pytest.raises(DataError, match=rf"AVVP_train\.csv: {line}"):
        LLPFolder(root).check()
    for path in (root / "annotations").iterdir():
        target = path.resolve()
        path.unlink()
        shutil.copy(target, path)
    report = LLPFolder(root).check()
    assert (report.missing, report.damaged) == (0, 3 * 7 + 2 * 3)
    with pytest.raises(DataError, match=line):
        LLPFolder(root, allow_missing=True).load("val")
    other = tmp_path / "other"
    other.mkdir()
    assert not LLPFolder(root, link_store=other).check().ok


def test_a_link_out_of_the_trusted_store_is_refused(root: Path, tmp_path: Path) -> None:
    store = fill(root, tmp_path, "the Hugging Face hub")
    path = next((root / "feats/vggish").iterdir())
    blob = path.resolve()
    blob.rename(tmp_path / "secret.npy")
    blob.symlink_to(tmp_path / "secret.npy")
    (problem,) = [line for split in LLPFolder(root, link_store=store).check().splits for line in split.damaged]
    assert problem.startswith(f"{path}: a link that leads out of the data folder, to {tmp_path / 'secret.npy'}")


def test_a_store_that_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(DataError, match=r"data\.link_store: expected .*, found no folder /nowhere"):
        folder_data(root, link_store="/nowhere")


@pytest.mark.parametrize("tool", MENDS)
def test_what_was_not_fetched_counts_as_missing_and_says_how_to_get_it(tool: str, root: Path, tmp_path: Path) -> None:
    store = fill(root, tmp_path, tool)
    source = LLPFolder(root, link_store=store, allow_missing=True)
    path = root / "feats/vggish" / f"{source.split('train').video_ids[1]}.npy"
    path.resolve().unlink()
    (problem,) = source.check(["train"]).splits[0].missing
    assert problem.startswith(f"{path}: missing: a link to ")
    assert problem.endswith(f", which is not there; `{MENDS[tool]}` fetches it")
    assert len(source.load("train")) == 2
    with pytest.raises(DataError, match=f"1 missing files: .*{MENDS[tool]}"):
        LLPFolder(root, link_store=store).load("train")


@pytest.mark.parametrize("mend", POINTERS)
def test_a_pointer_in_place_of_a_file_counts_as_missing_and_says_how_to_get_it(mend: str, root: Path) -> None:
    audio(root, "train", 0).write_text(POINTERS[mend])
    (problem,) = LLPFolder(root).check().splits[0].missing
    assert f"in its place; `{mend}` fetches it" in problem
    assert len(LLPFolder(root, allow_missing=True).load("train")) == 2
    for path in (root / "feats/vggish").iterdir():
        path.write_text(POINTERS[mend])
    with pytest.raises(DataError, match=rf"not one of 3 videos has all its files; 3 missing files: .*{mend}"):
        LLPFolder(root, allow_missing=True).load("train")


@pytest.mark.parametrize("mend", POINTERS)
def test_a_pointer_in_place_of_an_annotation_file_is_one_line(mend: str, root: Path) -> None:
    path = root / "annotations/AVVP_eval_audio.csv"
    path.write_text(POINTERS[mend])
    with pytest.raises(DataError, match=rf"^{path}: missing: a pointer of .*; `{mend}` fetches it$"):
        read_annotations(root / "annotations")


def test_annotation_files_that_were_not_fetched_are_one_line(root: Path, tmp_path: Path) -> None:
    fill(root, tmp_path, "git-annex")
    shutil.rmtree(tmp_path / ".git")
    with pytest.raises(DataError, match=r"AVVP_train\.csv: missing: a link to .*; `git annex get` fetches it"):
        LLPFolder(root).check()


def test_files_and_folders_that_dvc_tracks_say_so_where_they_are_missing(root: Path) -> None:
    path = audio(root, "val", 0)
    path.with_name(f"{path.name}.dvc").write_text("outs:\n- md5: 4d7a21\n")
    path.unlink()
    (problem,) = LLPFolder(root).check().splits[1].missing
    assert problem == f"{path}: missing; `dvc pull` fetches it"
    shutil.rmtree(root / "feats/res152")
    (root / "feats/res152.dvc").write_text("outs:\n- md5: 4d7a21.dir\n")
    with pytest.raises(DataError, match=r"no such folder: .*feats/res152; .*`dvc pull`"):
        LLPFolder(root).check()


# Packed sets


@pytest.mark.parametrize("tool", STORES)
def test_linked_files_are_packed_where_their_store_is_trusted(
    tool: str, root: Path, whole: Path, tmp_path: Path
) -> None:
    store = fill(root, tmp_path, tool)
    with pytest.raises(DataError, match=r"data\.link_store=DIR"):
        pack_folder(root)
    pack_folder(root, link_store=store)
    for split in SPLITS:  # the set needs no trust: nothing of the store is read any more
        np.testing.assert_array_equal(open_folder(root).load(split).video_2d, LLPFolder(whole).load(split).video_2d)


@pytest.mark.parametrize("change", ["the file", "the link", "the file is gone"])
def test_a_set_packed_from_links_is_stale_when_a_source_changes(change: str, root: Path, tmp_path: Path) -> None:
    ids = LLPFolder(root).split("train").video_ids
    first, second = (root / "feats/vggish" / f"{identity}.npy" for identity in ids[:2])
    store = fill(root, tmp_path, "the Hugging Face hub")
    for path in store.iterdir():  # as in a store that keeps no times
        os.utime(path, ns=(10**18, 10**18))
    pack_folder(root, link_store=store)
    assert len(open_folder(root).load("train")) == 3
    blob = second.resolve()
    if change == "the file":
        os.utime(first.resolve(), ns=(2 * 10**18, 2 * 10**18))
    elif change == "the link":
        first.unlink()
        first.symlink_to(blob)
    else:
        first.resolve().unlink()
    what = "is gone" if change == "the file is gone" else "has changed"
    with pytest.raises(DataError, match=rf"stale packed set: .*{first.name} {what} since it was packed"):
        open_folder(root).load("train")


def test_videos_that_were_not_fetched_are_left_out_of_a_set(root: Path, tmp_path: Path) -> None:
    ids = LLPFolder(root).split("train").video_ids
    store = fill(root, tmp_path, "git-annex")
    (root / "feats/vggish" / f"{ids[1]}.npy").resolve().unlink()
    with pytest.raises(DataError, match=r"1 missing files: .*`git annex get` fetches it; --allow-missing packs"):
        pack_folder(root, link_store=store)
    pack_folder(root, link_store=store, allow_missing=True)
    data = open_folder(root, allow_missing=True).load("train")
    assert [name[:11] for name in data.filenames] == [ids[0], ids[2]]


def test_pointers_are_left_out_of_a_set_even_where_most_files_are_some(root: Path) -> None:
    ids = LLPFolder(root).split("train").video_ids
    for identity in ids[:2]:
        (root / "feats/vggish" / f"{identity}.npy").write_text(POINTERS["git lfs pull"])
    pack_folder(root, allow_missing=True)
    data = open_folder(root, allow_missing=True).load("train")
    assert [name[:11] for name in data.filenames] == ids[2:]


def test_a_name_in_the_folder_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absence(Path("nowhere")) == "missing"
    Path("there.dvc").touch()
    assert absence(Path("there")) == "missing; `dvc pull` fetches it"
