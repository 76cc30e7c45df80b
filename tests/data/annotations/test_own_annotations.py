"""Annotation files of one's own: separators, names, times in fractions of a second, and a first card for them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from leap_avvp.card import DataCard, named_features
from leap_avvp.card.read import card_from, read_card
from leap_avvp.cli import main
from leap_avvp.data.annotations import find_annotations, read_annotations, write_annotations
from leap_avvp.data.annotations.first_card import write_first_card
from leap_avvp.errors import ConfigError, DataError

CARD = card_from(
    {
        "name": "farm",
        "classes": ["dog", "tractor engine", "Hähne"],
        "segments": 8,
        "seconds": 0.5,
        "weak": {"train": "train.csv", "val": "val.csv", "test": "test.csv"},
        "dense": {"audio": "heard.csv", "visual": "seen.csv"},
    }
)
FILES = {
    "train.csv": 'filename,event_labels\nclip 1,"dog,tractor engine"\nclip-2.mp4,\n',
    "val.csv": "event_labels;filename\ndog,Hähne;Été (3)\n",
    "test.csv": "filename\tevent_labels\tsource\nt1\tdog\tcamera\n",
    "heard.csv": "filename,onset,offset,event_labels\nÉté (3),0.6,1.9,dog\nt1,0.5,1.0,dog\nt1,1.9999,4.0004,dog\n",
    "seen.csv": "filename,onset,offset,event_labels\nÉté (3),0,4,Hähne\nt1,.25,.3,dog\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_any_separator_and_any_name(folder: Path) -> None:
    found, dirt = read_annotations(folder, card=CARD)
    assert found["train"].filenames == found["train"].video_ids == ["clip 1", "clip-2.mp4"]
    assert found["train"].weak.tolist() == [[True, True, False], [False, False, False]]
    assert found["train"].audio is None, "no row of a training video"
    assert found["val"].filenames == ["Été (3)"]
    assert found["val"].weak.tolist() == [[True, False, True]]
    assert found["test"].weak.tolist() == [[True, False, False]]
    assert dirt.audio_version == "not read"


def seconds(grid: np.ndarray | None, video: int, event: int) -> str:
    assert grid is not None
    return "".join("x" if on else "." for on in grid[video, :, event])


def test_times_are_rounded_outwards(folder: Path) -> None:
    found, _ = read_annotations(folder, card=CARD)
    assert seconds(found["val"].audio, 0, 0) == ".xxx....", "0.6 lies in the second half second, 1.9 in the fourth"
    assert seconds(found["val"].visual, 0, 2) == "xxxxxxxx"
    assert seconds(found["test"].audio, 0, 0) == ".x..xxxx", "whole segments stay, and so they do but for a millisecond"
    assert seconds(found["test"].visual, 0, 0) == "x......."


def test_dense_labels_of_training_videos(folder: Path) -> None:
    with (folder / "seen.csv").open("a", encoding="utf-8") as file:
        file.write("clip 1,0,1,dog\n")
    found, _ = read_annotations(folder, card=CARD)
    assert seconds(found["train"].visual, 0, 0) == "xx......"
    assert found["train"].audio is not None
    assert not found["train"].audio.any()


def test_what_is_written_is_read_back(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found, _ = read_annotations(folder, card=CARD)
    grids = {name: rng.random((1, 8, 3)) < 0.5 for name in ("audio", "visual")}
    found["test"] = dataclasses.replace(found["test"], **grids)
    write_annotations(tmp_path / "out", found, CARD)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    again, _ = read_annotations(tmp_path / "out", card=CARD)
    for split, one in found.items():
        assert again[split].filenames == one.filenames
        np.testing.assert_array_equal(again[split].weak, one.weak)
    for name, grid in grids.items():
        np.testing.assert_array_equal(getattr(again["test"], name), grid)


BAD = {
    "a class that is not on the card": (
        "train.csv",
        "filename,event_labels\na,dgo\n",
        "expected one of the card's 3 classes, found 'dgo'; did you mean dog",
    ),
    "a video twice": (
        "val.csv",
        "filename,event_labels\na,dog\na,dog\n",
        "val.csv:3: expected each video once, found a in line 2 too",
    ),
    "a video of two splits": (
        "val.csv",
        "filename,event_labels\nt1,dog\n",
        "expected splits that share no video, found t1 in val.csv too",
    ),
    "a path as name": (
        "train.csv",
        "filename,event_labels\n../a,dog\n",
        "train.csv:2: expected a filename that can name a file",
    ),
    "an odd character": ("train.csv", "filename,event_labels\na:b,dog\n", "found 'a:b'; mend or remove the line"),
    "a hidden file": ("train.csv", "filename,event_labels\n.a,dog\n", "expected a filename"),
    "a name of 201 bytes": ("train.csv", f"filename,event_labels\n{'ä' * 101},dog\n", "expected a filename"),
    "no name": ("train.csv", "filename,event_labels\n,dog\n", "expected a filename"),
    "an event beyond the end": (
        "heard.csv",
        "filename,onset,offset,event_labels\nt1,1,4.5,dog\n",
        "heard.csv:2: offset: expected seconds from 0 to 4, the end of the video, found '4.5'",
    ),
    "a time below zero": (
        "heard.csv",
        "filename,onset,offset,event_labels\nt1,-1,4,dog\n",
        "onset: expected seconds from 0 to 4",
    ),
    "a time that is none": (
        "heard.csv",
        "filename,onset,offset,event_labels\nt1,nan,4,dog\n",
        "onset: expected seconds from 0 to 4",
    ),
    "a field too many": (
        "train.csv",
        "filename,event_labels\na,dog,Hähne\n",
        "expected 2 fields separated by ',', found 3; mend the line, or put a field",
    ),
    "a quote that is never closed": ("train.csv", 'filename,event_labels\na,"dog\nb,dog\n', "train.csv:"),
    "no column": ("train.csv", "file,event_labels\na,dog\n", "there is no column filename"),
    "one column": (
        "train.csv",
        "filename|event_labels\na|dog\n",
        "the separator must be a tab, a comma or a semicolon",
    ),
    "no video": ("train.csv", "filename,event_labels\n", "expected at least one video"),
}


@pytest.mark.parametrize(("name", "text", "line"), BAD.values(), ids=BAD.keys())
def test_a_wrong_file_is_told_in_one_line(folder: Path, name: str, text: str, line: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_annotations(folder, card=CARD)
    assert line in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_files_that_a_card_does_not_name(folder: Path, tmp_path: Path) -> None:
    without = dataclasses.replace(CARD, weak={"train": "train.csv"})
    assert list(read_annotations(folder, card=without)[0]) == ["train"]
    with pytest.raises(DataError, match=r"farm: the data card names no file of val videos; add weak\.val"):
        read_annotations(folder, ["val"], card=without)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"expected farm's annotation files \(train.csv, val.csv, test.csv, heard.csv"):
        find_annotations(tmp_path / "empty", card=CARD)
    no_dense = dataclasses.replace(CARD, dense={})
    assert read_annotations(folder, card=no_dense)[0]["val"].audio is None


# A first card


def first(folder: Path, **options: object) -> DataCard:
    weak = {split: folder / f"{split}.csv" for split in ("train", "val", "test")}
    dense = {"audio": folder / "heard.csv", "visual": folder / "seen.csv"}
    path, card = write_first_card(weak, dense, named_features("embedded"), **options)  # type: ignore[arg-type]
    assert read_card(path) == card
    return card


def test_a_first_card(folder: Path) -> None:
    card = first(folder, name="farm", segments=8, seconds=0.5)
    assert card == dataclasses.replace(
        CARD, classes=("Hähne", "dog", "tractor engine"), display=("Hähne", "dog", "tractor engine"),
        features=named_features("embedded"),
    )  # fmt: skip
    assert list(read_annotations(folder, card=card)[0]) == ["train", "val", "test"]
    with pytest.raises(DataError, match="a data card is there; --overwrite replaces it"):
        first(folder)
    assert first(folder, overwrite=True, name="barn").name == "barn"


def test_llps_classes_stay_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "weak.csv").write_text("filename,event_labels\na,Dog\n")
    _, card = write_first_card({"train": tmp_path / "weak.csv"}, {}, named_features("llp"))
    assert card.classes[:4] == ("Speech", "Car", "Cheering", "Dog")


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "annotations").mkdir()
    for name in FILES:
        (folder / name).rename(folder / "annotations" / name)
    words = ["data", "card", "--from", str(folder / "annotations" / "train.csv")]
    assert main([*words, "--segments", "8", "--seconds", "0.5", "--features", "lsld"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{folder}/dataset.yaml: 2 classes, 8 segments of 0.5 s, features lsld (audio (T, 512)")
    text = (folder / "dataset.yaml").read_text()
    assert "# A training also needs weak.val: videos that pick the epoch." in text
    assert read_card(folder / "dataset.yaml").classes == ("dog", "tractor engine")
    assert main(words) == 2
    assert "a data card is there" in capsys.readouterr().err
    assert main([*words, "--audio", "x.csv"]) == 2
    assert "--audio: expected --audio and --visual together" in capsys.readouterr().err
    assert main([*words, "--seconds", "0", "--out", str(folder / "other.yaml")]) == 2
    assert not (folder / "other.yaml").exists()


def test_files_in_two_folders_have_no_card(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (folder / "val.csv").rename(tmp_path / "there" / "val.csv")
    weak = {"train": folder / "train.csv", "val": tmp_path / "there" / "val.csv"}
    with pytest.raises(DataError, match="expected annotation files in one folder, found"):
        write_first_card(weak, {}, named_features("llp"))
    with pytest.raises(ConfigError, match="segments: expected a whole number from 1 to 600, found 0"):
        write_first_card({"train": folder / "train.csv"}, {}, named_features("llp"), segments=0)
