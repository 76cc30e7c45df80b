"""A folder in LLP's real layout: what is loaded from it, and what is said of one that is not whole."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from leap_avvp.data.annotations import read_annotations
from leap_avvp.data.folder import LLPFolder, video_files
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.llp import FEATURE_FOLDERS, PSEUDO_LABEL_FOLDERS, SPLITS, video_id


@pytest.fixture
def root(make_llp_folder: Callable[..., Path]) -> Path:
    return make_llp_folder()


def feature(root: Path, split: str, index: int, key: str = "audio") -> Path:
    """Return the path of a feature or pseudo-label file."""
    place = (FEATURE_FOLDERS | {f"segment_{name}": labels for name, labels in PSEUDO_LABEL_FOLDERS.items()})[key]
    return root / place / f"{read_annotations(root / 'annotations')[0][split].video_ids[index]}.npy"


def shown(renderable: Any) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(renderable)
    return console.export_text()


# Loading


@pytest.mark.parametrize("split", SPLITS)
def test_what_is_loaded_is_what_the_files_hold(root: Path, split: str) -> None:
    data = LLPFolder(root).load(split)
    annotations = read_annotations(root / "annotations")[0][split]
    assert data.split == split
    assert data.filenames == annotations.filenames
    assert len(data) == {"train": 4, "val": 2, "test": 2}[split]
    np.testing.assert_array_equal(data.video_label, annotations.weak)
    for index, name in enumerate(data.filenames):
        file = f"{video_id(name)}.npy"
        np.testing.assert_array_equal(data.audio[index], np.load(root / "feats/vggish" / file))
        frames = np.load(root / "feats/res152" / file)
        np.testing.assert_allclose(data.video_2d[index], frames.reshape(10, 8, 2048).mean(axis=1), atol=1e-6)
        np.testing.assert_array_equal(data.video_3d[index], np.load(root / "feats/r2plus1d_18" / file))
        if split == "train":
            assert data.segment_audio is not None
            assert data.segment_visual is not None
            np.testing.assert_array_equal(
                data.segment_audio[index], np.load(root / "CLAP/segment_pseudo_labels" / file)
            )
            np.testing.assert_array_equal(
                data.segment_visual[index], np.load(root / "CLIP/segment_pseudo_labels" / file)
            )
    for field in dataclasses.fields(data):
        array = getattr(data, field.name)
        if isinstance(array, np.ndarray):
            assert array.dtype == (np.bool_ if field.name.startswith("target") else np.float32), field.name
    assert data.video_audio is None
    assert data.video_visual is None
    if split == "train":
        assert data.target_audio is None
        assert data.target_visual is None
    else:
        assert data.segment_audio is None
        assert data.segment_visual is None
        np.testing.assert_array_equal(data.target_audio, annotations.audio)
        np.testing.assert_array_equal(data.target_visual, annotations.visual)


def test_without_pseudo_labels_the_weak_labels_are_repeated(make_llp_folder: Callable[..., Path]) -> None:
    root = make_llp_folder(pseudo_labels=False)
    data = LLPFolder(root, pseudo_labels="none").load("train")
    label = data.video_label
    soft = np.where(label == 1, np.float32(0.95), np.float32(0.05))
    assert data.video_audio is not None
    np.testing.assert_array_equal(data.video_audio, label)
    np.testing.assert_allclose(data.video_visual, soft, rtol=1e-6)
    for segments, video in ((data.segment_audio, data.video_audio), (data.segment_visual, data.video_visual)):
        assert segments is not None
        assert video is not None
        assert segments.shape == (4, 10, 25)
        assert segments.dtype == video.dtype == np.float32
        np.testing.assert_array_equal(segments, np.broadcast_to(video[:, None], segments.shape))
    assert LLPFolder(root, pseudo_labels="none").load("val").segment_audio is None


def test_annotations_may_lie_elsewhere(root: Path, tmp_path: Path) -> None:
    expected = LLPFolder(root).load("val")
    shutil.move(root / "annotations", tmp_path / "csv")
    with pytest.raises(DataError, match="annotation files"):
        LLPFolder(root)
    data = LLPFolder(root, tmp_path / "csv").load("val")
    assert data.filenames == expected.filenames


def test_links_of_whole_folders_are_followed(root: Path, tmp_path: Path) -> None:
    expected = LLPFolder(root).load("val")
    shutil.move(root / "feats/res152", tmp_path / "drive")
    (root / "feats/res152").symlink_to(tmp_path / "drive")
    (tmp_path / "link").symlink_to(root)
    np.testing.assert_array_equal(LLPFolder(tmp_path / "link").load("val").video_2d, expected.video_2d)


def test_the_name_says_whether_the_data_are_real(root: Path) -> None:
    assert LLPFolder(root).name == "llp"
    (root / "SIMULATED.txt").write_text("")
    assert LLPFolder(root).name == "simulated"


def test_describe_tells_what_was_loaded(root: Path) -> None:
    source = LLPFolder(root)
    source.load("val")
    facts = source.describe()
    assert facts["root"] == str(root.resolve())
    assert facts["pseudo_labels"] == "valor"
    assert facts["splits"] == {
        "val": {
            "videos": 2,
            "complete": 2,
            "missing_files": 0,
            "damaged_files": 0,
            "pseudo_labels_outside_weak": 0,
        }
    }
    assert json.loads(json.dumps(facts)) == facts


def test_dirt_is_told_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = LLPFolder(root)
    for split in SPLITS:
        source.load(split)
    out, err = capsys.readouterr()
    assert out.count("annotations: audio annotation file: not one of the two that circulate") == 1
    assert err == ""  # no progress bar where there is no terminal


# Options and folders


def test_unknown_options_are_named(root: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"pseudo_labels: expected one of valor, .*, none, or a folder that is there, found 'valour'"
    ):
        LLPFolder(root, pseudo_labels="valour")
    with pytest.raises(ConfigError, match="allow_missing: expected true or false, found 'yes'"):
        LLPFolder(root, allow_missing="yes")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="split: expected one of train, val, test"):
        LLPFolder(root).load("tset")


def test_a_wrong_root_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        LLPFolder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="nowhere: no such folder"):
        LLPFolder(tmp_path / "nowhere", root / "annotations")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found none"):
        LLPFolder(tmp_path / "empty")
    with pytest.raises(DataError, match=r"no such folder: .*feats/vggish, .*feats/res152, .*feats/r2plus1d_18"):
        LLPFolder(tmp_path / "empty", root / "annotations").load("val")


def test_missing_pseudo_labels_say_how_to_get_them_or_do_without(root: Path) -> None:
    shutil.rmtree(root / "CLIP")
    with pytest.raises(DataError, match=r"CLIP/segment_pseudo_labels; .*VALOR.*data.pseudo_labels=none") as caught:
        LLPFolder(root).load("train")
    assert "CLAP" not in str(caught.value)
    assert len(LLPFolder(root).load("test")) == 2
    assert len(LLPFolder(root, pseudo_labels="none").load("train")) == 4


# Missing and damaged files


def test_missing_files_stop_unless_they_are_allowed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = LLPFolder(root).load("train")
    feature(root, "train", 1).unlink()
    feature(root, "train", 1, "video_3d").unlink()
    feature(root, "train", 3, "segment_visual").unlink()
    with pytest.raises(DataError, match=r"train: 3 missing files: .*vggish.*data.allow_missing=true goes on"):
        LLPFolder(root).load("train")
    capsys.readouterr()
    data = LLPFolder(root, allow_missing=True).load("train")
    assert data.filenames == [whole.filenames[0], whole.filenames[2]]
    for field in dataclasses.fields(data):
        array, expected = getattr(data, field.name), getattr(whole, field.name)
        if isinstance(array, np.ndarray):
            np.testing.assert_array_equal(array, expected[[0, 2]], err_msg=field.name)
    assert "train: going on with 2 of 4 videos; 3 missing files: " in capsys.readouterr().out


def test_truth_follows_the_videos_that_are_left(root: Path) -> None:
    feature(root, "test", 0).unlink()
    data = LLPFolder(root, allow_missing=True).load("test")
    truth = read_annotations(root / "annotations")[0]["test"]
    assert data.filenames == truth.filenames[1:]
    assert truth.audio is not None
    np.testing.assert_array_equal(data.target_audio, truth.audio[1:])


def test_no_video_left_is_an_error(root: Path) -> None:
    for index in range(2):
        feature(root, "val", index).unlink()
    with pytest.raises(DataError, match="val: not one of 2 videos has all its files"):
        LLPFolder(root, allow_missing=True).load("val")


def test_only_the_first_five_are_named(make_llp_folder: Callable[..., Path]) -> None:
    root = make_llp_folder(train=9, val=1, test=1)
    for index in range(7):
        feature(root, "train", index).unlink()
    with pytest.raises(DataError, match=r"7 missing files \(first 5 of 7\)") as caught:
        LLPFolder(root).load("train")
    assert str(caught.value).count(".npy") == 5


def damage_shape(path: Path) -> None:
    np.save(path, np.load(path)[:, :5])


def damage_nan(path: Path) -> None:
    array = np.load(path)
    array[0, 0] = np.nan
    np.save(path, array)


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_objects(path: Path) -> None:
    np.save(path, np.load(path).astype(object), allow_pickle=True)


def damage_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(sys.executable)


DAMAGE = {
    damage_shape: r"expected shape \(.*found \(",
    damage_nan: "expected finite numbers",
    damage_cut: "truncated",
    damage_empty: "cannot read it",
    damage_objects: "found objects, which are not loaded",
    damage_link: "a link that leads out of the data folder",
}


@pytest.mark.parametrize("key", [*FEATURE_FOLDERS])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_stop_even_if_missing_ones_are_allowed(root: Path, damage: Any, key: str) -> None:
    path = feature(root, "val", 1, key)
    damage(path)
    with pytest.raises(DataError, match=rf"val: 1 damaged files: .*{path.name}: .*{DAMAGE[damage]}") as caught:
        LLPFolder(root, allow_missing=True).load("val")
    assert "allow_missing" not in str(caught.value)
    assert len(LLPFolder(root).load("test")) == 2  # the other splits are sound


def test_pseudo_labels_other_than_zero_and_one_stop(root: Path) -> None:
    np.save(feature(root, "train", 2, "segment_audio"), np.full((10, 25), 0.5))
    with pytest.raises(DataError, match=r"1 damaged files: .*CLAP.*expected 0 or 1 .* found 0.5"):
        LLPFolder(root).load("train")


# Checking


def test_a_sound_folder(root: Path) -> None:
    report = LLPFolder(root).check()
    assert report.ok
    assert [split.complete for split in report.splits] == [4, 2, 2]
    assert report.lines()[0] == "train: 4 videos, 4 complete, 0 files missing, 0 damaged"
    assert "every file is there and sound" in shown(report.table())


def test_the_check_collects_everything(root: Path) -> None:
    feature(root, "train", 0).unlink()
    feature(root, "train", 0, "video_2d").unlink()
    damage_nan(feature(root, "val", 0))
    damage_cut(feature(root, "test", 1, "video_3d"))
    weak = read_annotations(root / "annotations")[0]["train"].weak
    labels = np.zeros((10, 25), dtype=np.int64)
    labels[2:5, ~weak[3]] = 1
    np.save(feature(root, "train", 3, "segment_audio"), labels)
    outside = 3 * int((~weak[3]).sum())

    report = LLPFolder(root).check()
    assert not report.ok
    assert (report.missing, report.damaged) == (2, 2)
    train, val, test = report.splits
    assert (train.complete, train.unmasked) == (3, outside)
    assert (len(val.damaged), len(test.damaged)) == (1, 1)
    lines = report.lines()
    assert lines[0].endswith(f"2 files missing, 0 damaged, {outside} pseudo labels outside the weak label")
    assert [line for line in lines if line.startswith("2 missing files: ")]
    assert [line for line in lines if line.startswith("2 damaged files: ")]
    facts: Any = report.to_dict()
    assert facts["splits"]["train"]["missing_files"] == 2
    assert facts["splits"]["train"]["pseudo_labels_outside_weak"] == outside
    assert json.loads(json.dumps(facts)) == facts
    text = shown(report.table())
    assert "2 damaged files" in text
    assert "expected finite numbers" in text


def test_pseudo_labels_outside_the_weak_label_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weak = read_annotations(root / "annotations")[0]["train"].weak
    labels = np.zeros((10, 25), dtype=np.bool_)
    labels[0, np.flatnonzero(~weak[0])[0]] = True
    np.save(feature(root, "train", 0, "segment_visual"), labels)
    data = LLPFolder(root).load("train")
    assert "train: 1 pseudo labels name an event outside the video's weak label" in capsys.readouterr().out
    assert data.segment_visual is not None
    np.testing.assert_array_equal(data.segment_visual[0], labels)


def test_only_the_splits_asked_for_are_checked(root: Path) -> None:
    damage_nan(feature(root, "train", 0))
    assert LLPFolder(root).check(["val", "test"]).ok


def test_square_brackets_in_a_path_are_shown(make_llp_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_llp_folder(tmp_path / "[bold] [/x]", train=1, val=1, test=1)
    damage_cut(feature(root, "val", 0))
    text = shown(LLPFolder(root).check().table()).replace("\n", "")
    assert text.count("[bold] [/x]") == 2


def test_an_interrupted_check_ends_at_once(
    make_llp_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_llp_folder(tmp_path / "many", train=40, val=1, test=1)
    calls = []

    def interrupted(*_: object) -> None:
        calls.append(1)
        if len(calls) > 1:
            time.sleep(0.2)  # all of them would take 8 s
        raise KeyboardInterrupt

    monkeypatch.setattr(video_files, "READ_THREADS", 1)
    monkeypatch.setattr(video_files, "read_features", interrupted)
    with pytest.raises(KeyboardInterrupt):
        LLPFolder(root).check(["train"])
    assert len(calls) < 40
