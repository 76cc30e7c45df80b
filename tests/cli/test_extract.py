"""``leap-avvp extract``: what it says, exit codes, and a folder that training reads. The networks are fakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leap_avvp.cli import main
from leap_avvp.media import runs
from tests.media import fakes
from tests.media.fakes import write_clips

pytest.importorskip("av", reason="PyAV is not installed (the extra `media`)")
pytest.importorskip("soxr", reason="soxr is not installed (the extra `media`)")

CARD = "name: farm\nclasses: [dog, cow]\nsegments: 2\nweak: {train: train.csv}\nfeatures: embedded\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fakes.install(monkeypatch, tmp_path / "cache")
    monkeypatch.setattr(runs, "outcomes", fakes.in_process)


def extract(*words: str) -> int:
    return main(["extract", *words])


def test_it_says_what_was_made_and_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    write_clips(Path("clips"), ["a", "b", "deaf"])
    write_clips(Path("clips"), ["long"], seconds=3.0)
    words = ("clips", "--features", "embedded", "--segments", "2", "--out", "mine", "--jobs", "1")
    assert extract(*words) == 1
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "mine: 3 of 4 videos have all features (embedded, 2 segments of 1 s)"
    assert lines[1].startswith("made: 3 in ")
    assert "s of video a second" in lines[1]
    assert lines[2] == "longer, cut: 1 (extracted.json names them)"
    assert [line.split() for line in lines[4:6]] == [["filename", "stream", "reason"], ["deaf", "audio", "no", "sound"]]
    assert lines[6] == "all of them: mine/extract-failed.csv"
    assert extract(*words, "--silence") == 0
    out = capsys.readouterr().out
    assert "mine: 4 of 4 videos have all features" in out
    assert "were there: 3" in out
    assert "without sound, silence in its place: 1" in out


def test_a_folder_with_a_card_is_read_by_training(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["clip one", "clip-2", "clip-3"]
    write_clips(Path("clips"), names)
    Path("card.yaml").write_text(CARD)
    Path("list.csv").write_text("filename,event_labels\nclip one,dog\nclip-2,cow\n")
    assert extract("list.csv", "--videos-from", "clips", "--card", "card.yaml", "--out", "mine") == 0
    assert extract("clips", "--out", "mine") == 0, "the card in the folder says the rest"
    assert "were there: 2" in capsys.readouterr().out
    assert {path.stem for path in Path("mine/feats/yamnet").iterdir()} == set(names)
    Path("mine/annotations").mkdir()
    Path("mine/annotations/train.csv").write_text("filename,event_labels\nclip one,dog\nclip-2,cow\nclip-3,\n")
    assert main(["data", "check", "mine", "--pseudo-labels", "weak"]) == 0, capsys.readouterr().out
    assert np.load("mine/feats/efficientnet_lite0/clip one.npy").shape == (8, 1280)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["clips", "--out", "x"], "--features: expected one of embedded, llp"),
        (["clips", "--features", "embeded", "--out", "x"], "did you mean 'embedded'?"),
        (["nowhere", "--features", "embedded", "--out", "x"], "nowhere: expected a video, a folder"),
        (["clips", "--features", "embedded", "--out", "x", "--videos-from", "y"], "--videos-from: expected a list"),
        (["clips", "--features", "embedded", "--out", "x", "--segments", "5000"], "--segments, --seconds"),
        (["clips", "--features", "embedded", "--out", "x", "--seconds", "nan"], "--segments, --seconds"),
        (["clips", "--features", "embedded", "--out", "x", "--device", "gpu"], "expected cpu, cuda"),
        (["clips", "--card", "nowhere.yaml", "--out", "x"], "nowhere.yaml: no such data card"),
        (["clips", "--features", "embedded", "--out", "clips/a.mkv"], "clips/a.mkv"),
        (["list.csv", "--features", "embedded", "--out", "x"], "expected a column `filename`"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clips(Path("clips"), ["a"])
    Path("list.csv").write_text("name\na\n")
    assert extract(*words) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert len(err.strip().splitlines()) == 1
    assert text in err
    assert not list(Path().rglob("*.npy"))


def test_missing_weights_name_the_command_that_gets_them(capsys: pytest.CaptureFixture[str]) -> None:
    write_clips(Path("clips"), ["a"])
    Path("cache/fake_ear").unlink()
    assert extract("clips", "--features", "embedded", "--out", "mine") == 2
    err = capsys.readouterr().err
    assert "`leap-avvp weights get fake_ear` fetches them" in err
    assert len(err.strip().splitlines()) == 1
