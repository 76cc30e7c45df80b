"""The folder in LLP's layout: what is written is what the source yields, and it says that it is simulated."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from leap_avvp.data.annotations import read_annotations
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.simulate import SimulatedLLP, write_llp_folder
from leap_avvp.errors import DataError
from leap_avvp.llp import CLASSES, SPLITS, video_id

SIZES = {"num_train": 20, "num_val": 3, "num_test": 3}
REAL = Path(__file__).parents[4] / "shared" / "llp" / "annotations"


@pytest.fixture(scope="module")
def source() -> SimulatedLLP:
    return SimulatedLLP(**SIZES)


@pytest.fixture(scope="module")
def folder(source: SimulatedLLP, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "sim"
    write_llp_folder(source, out)
    return out


def test_features_are_those_of_the_source(source: SimulatedLLP, folder: Path) -> None:
    for split in SPLITS:
        data = source.load(split)
        for index, name in enumerate(data.filenames):
            file = f"{video_id(name)}.npy"
            audio = np.load(folder / "feats/vggish" / file)
            frames = np.load(folder / "feats/res152" / file)
            clips = np.load(folder / "feats/r2plus1d_18" / file)
            assert (audio.shape, frames.shape, clips.shape) == ((10, 128), (80, 2048), (10, 512))
            assert audio.dtype == frames.dtype == clips.dtype == np.float32
            np.testing.assert_array_equal(audio, data.audio[index])
            np.testing.assert_array_equal(frames, source.frames(split, index))
            np.testing.assert_array_equal(clips, data.video_3d[index])
            np.testing.assert_allclose(frames.reshape(10, 8, 2048).mean(axis=1), data.video_2d[index], atol=2e-6)


def test_pseudo_labels_are_those_of_the_source_and_only_of_train(source: SimulatedLLP, folder: Path) -> None:
    data = source.load("train")
    for place, expected in (("CLAP", data.segment_audio), ("CLIP", data.segment_visual)):
        assert expected is not None
        files = sorted((folder / place / "segment_pseudo_labels").iterdir())
        assert [file.stem for file in files] == sorted(video_id(name) for name in data.filenames)
        for index, name in enumerate(data.filenames):
            labels = np.load(folder / place / "segment_pseudo_labels" / f"{video_id(name)}.npy")
            assert labels.dtype == np.int64
            np.testing.assert_array_equal(labels, expected[index])


def test_annotations_are_those_of_the_source(source: SimulatedLLP, folder: Path) -> None:
    read, _ = read_annotations(folder / "annotations")
    for split in SPLITS:
        filenames, weak, dense = source.labels(split)
        assert read[split].filenames == filenames
        np.testing.assert_array_equal(read[split].weak, weak)
        if split == "train":
            assert read[split].audio is None
        else:
            np.testing.assert_array_equal(read[split].audio, dense.audio)
            np.testing.assert_array_equal(read[split].visual, dense.visual)


def test_label_embedding_and_marker(source: SimulatedLLP, folder: Path) -> None:
    with np.load(folder / "label_embedding.npz") as file:
        np.testing.assert_array_equal(file["embedding"], source.label_embedding())
        assert file["classes"].tolist() == list(CLASSES)
    note = (folder / "SIMULATED.txt").read_text()
    assert re.search(r"SIMULATED\.\n.*NO SCORE", note)
    assert "seed: 0" in note


def test_nothing_half_written_stays(folder: Path) -> None:
    assert not [path for path in folder.rglob("*") if path.name.startswith(".") or path.suffix == ".part"]
    assert sum(path.is_file() for path in folder.rglob("*")) == 3 * 26 + 2 * 20 + 6 + 2


def test_a_folder_that_holds_something_is_refused(source: SimulatedLLP, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(DataError, match="new or empty"):
        write_llp_folder(source, tmp_path)
    write_llp_folder(source, tmp_path, limit=1, overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "keep me"
    assert (tmp_path / "SIMULATED.txt").is_file()


def test_a_file_in_the_way_is_named(source: SimulatedLLP, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file"):
        write_llp_folder(source, tmp_path / "file")


def test_limit_cuts_training_only(source: SimulatedLLP, tmp_path: Path) -> None:
    write_llp_folder(source, tmp_path, limit=4)
    read, _ = read_annotations(tmp_path / "annotations")
    assert [len(read[split].filenames) for split in SPLITS] == [4, 3, 3]
    assert len(list((tmp_path / "feats/vggish").iterdir())) == 10
    assert "'train': 4" in (tmp_path / "SIMULATED.txt").read_text()
    assert len((tmp_path / "annotations/AVVP_dataset_full.csv").read_text().splitlines()) == 11


def test_without_teachers_no_pseudo_labels_are_written(tmp_path: Path) -> None:
    write_llp_folder(SimulatedLLP(num_train=1, num_val=1, num_test=1, pseudo_labels="none"), tmp_path)
    assert not (tmp_path / "CLIP").exists()
    assert not (tmp_path / "CLAP").exists()


def test_given_annotation_files_are_kept(source: SimulatedLLP, folder: Path, tmp_path: Path) -> None:
    given, _ = read_annotations(folder / "annotations")
    again = SimulatedLLP(annotations=given)
    write_llp_folder(again, tmp_path, annotations=folder / "annotations", limit=5)
    for name in ("AVVP_val_pd.csv", "AVVP_test_pd.csv", "AVVP_eval_audio.csv", "AVVP_eval_visual.csv"):
        assert (tmp_path / "annotations" / name).read_bytes() == (folder / "annotations" / name).read_bytes()
    kept = (folder / "annotations/AVVP_train.csv").read_text().splitlines()[:6]
    assert (tmp_path / "annotations/AVVP_train.csv").read_text().splitlines() == kept
    read, _ = read_annotations(tmp_path / "annotations")
    assert {video_id(name) for split in SPLITS for name in read[split].filenames} == {
        path.stem for path in (tmp_path / "feats/vggish").iterdir()
    }
    # The same video with the same truth has the same features, whatever the labels came from.
    np.testing.assert_array_equal(again.load("val").audio, source.load("val").audio)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"LLP's annotation files are not at {REAL}")
def test_real_annotations() -> None:
    given, _ = read_annotations(REAL)
    source = SimulatedLLP(annotations=given)
    assert source.sizes == {"train": 10_000, "val": 649, "test": 1_200}
    filenames, weak, dense = source.labels("train")
    assert filenames == given["train"].filenames
    np.testing.assert_array_equal((dense.audio | dense.visual).any(axis=1), weak)
    np.testing.assert_array_equal(source.labels("test")[2].audio, given["test"].audio)
    assert source.features("train", 9_999).video_2d.shape == (10, 2048)
    assert source.describe()["annotations"] == "given"


def test_the_folder_loads_like_any_other_and_is_called_simulated(source: SimulatedLLP, folder: Path) -> None:
    loaded = LLPFolder(folder, pseudo_labels="valor")
    assert loaded.name == "simulated"
    for split in SPLITS:
        read, made = loaded.load(split), source.load(split)
        assert read.filenames == made.filenames
        np.testing.assert_array_equal(read.audio, made.audio)
        np.testing.assert_allclose(read.video_2d, made.video_2d, atol=2e-6)
        np.testing.assert_array_equal(read.video_3d, made.video_3d)
        np.testing.assert_array_equal(read.video_label, made.video_label)
        if split == "train":
            np.testing.assert_array_equal(read.segment_audio, made.segment_audio)
            np.testing.assert_array_equal(read.segment_visual, made.segment_visual)
        else:
            np.testing.assert_array_equal(read.target_audio, made.target_audio)
            np.testing.assert_array_equal(read.target_visual, made.target_visual)
