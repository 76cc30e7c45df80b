"""``leap-avvp data simulate`` with a feature set and a data card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leap_avvp.card.read import card_of
from leap_avvp.cli.app import main

FEW = ("--train", "3", "--val", "1", "--test", "2")
CARD = """\
name: kitchen
classes: [knife, running water, "on"]
segments: 6
seconds: 0.5
weak: {train: tr.csv, val: va.csv, test: te.csv}
dense: {audio: heard.csv, visual: seen.csv}
features: uwav
"""
SET = """\
name: tiny
streams:
  audio: {folder: a, shape: [T, 8]}
  video_2d: {folder: v, shape: [any, 16], reduce: pool}
"""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "dataset.yaml"
    path.write_text(CARD)
    return path


def simulate(*words: object) -> int:
    return main(["data", "simulate", *map(str, words)])


def line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line of an error."""
    found = capsys.readouterr().err.strip()
    assert "Traceback" not in found
    assert found.count("\n") == 0
    return found


def test_a_feature_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sim"
    assert simulate("--out", out, "--features", "valor", *FEW) == 0
    said = capsys.readouterr().out
    assert "layout of LLP (classes: 25, segments: 10, features: valor)" in said
    assert said.endswith(f"train on them with `leap-avvp train data=llp data.root={out}`\n")
    assert len(list((out / "CLAP/features").iterdir())) == 6
    assert card_of(out).is_llp
    assert card_of(out).features.name == "valor"


def test_a_card_and_its_features(tmp_path: Path, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sim"
    assert simulate("--out", out, "--card", card, *FEW) == 0
    assert "layout of kitchen (classes: 3, segments: 6, features: uwav)" in capsys.readouterr().out
    assert card_of(out) == card_of(None, card)
    assert np.load(next((out / "feats_CLAP/segment_feats").iterdir())).shape == (6, 512)


def test_a_card_with_a_feature_set_of_a_file(tmp_path: Path, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "tiny.yaml"
    own.write_text(SET)
    assert simulate("--out", tmp_path / "sim", "--card", card, "--features", own, *FEW) == 0
    assert card_of(tmp_path / "sim").features.widths == {"audio": 8, "video_2d": 16}
    assert np.load(next((tmp_path / "sim/v").iterdir())).shape == (10, 16)


def test_the_annotations_of_a_card(tmp_path: Path, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "tr.csv").write_text('filename,event_labels\nmy video,"knife,on"\nother,on\n')
    (given / "va.csv").write_text("filename;event_labels\nv 1;knife\n")
    (given / "te.csv").write_text("filename\tevent_labels\nt.1\trunning water\n")
    (given / "heard.csv").write_text("filename,onset,offset,event_labels\nv 1,0.2,1,knife\nt.1,0,3,running water\n")
    (given / "seen.csv").write_text("filename,onset,offset,event_labels\nt.1,2.5,3,running water\n")
    out = tmp_path / "sim"
    assert simulate("--out", out, "--card", card, "--annotations", given, "--limit", "1") == 0
    assert (out / "annotations/va.csv").read_bytes() == (given / "va.csv").read_bytes()
    assert (out / "annotations/tr.csv").read_text() == "filename\tevent_labels\nmy video\tknife,on\n"
    names = {path.name for path in (out / "feats/r2plus1d_18").iterdir()}
    assert names == {"my video.npy", "v 1.npy", "t.1.npy"}
    assert main(["data", "check", str(out)]) == 0


def test_a_card_without_all_splits_says_what_that_means(
    tmp_path: Path, card: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card.write_text(CARD.replace(", val: va.csv, test: te.csv", "").replace("dense: ", "dense: {}  # "))
    (tmp_path / "tr.csv").write_text("filename,event_labels\nx,on\n")
    assert simulate("--out", tmp_path / "sim", "--card", card, "--annotations", tmp_path) == 0
    assert "none of val and test, without which nothing can be trained" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--features", "valour"], "--features: expected one of embedded, llp, lsld, uwav, valor"),
        (["--features", "valour"], "did you mean 'valor'?"),
        (["--features", "none.yaml"], "--features: expected one of"),
        (["--card", "none.yaml"], "none.yaml: no such data card"),
        (["--seed", "-1"], "--seed: expected 0 or more, found -1"),
        (["--train", "0"], "--train: expected 1 to 99999, found 0"),
    ],
)
def test_wrong_flags(words: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate("--out", tmp_path / "sim", *words) == 2
    assert expected in line(capsys)
    assert not (tmp_path / "sim").exists()


def test_wrong_cards(tmp_path: Path, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card.write_text(CARD.replace("knife", '"on"'))
    assert simulate("--out", tmp_path / "sim", "--card", card) == 2
    assert "'on' twice" in line(capsys)
    card.write_text(CARD.replace("weak:", "weak: {}  #"))
    assert simulate("--out", tmp_path / "sim", "--card", card, "--annotations", tmp_path) == 2
    assert "names no file to read there" in line(capsys)
    card.write_text(CARD)
    assert simulate("--out", tmp_path / "sim", "--card", card, "--annotations", tmp_path) == 2
    assert line(capsys).endswith("; name their folder with --annotations DIR")
    assert not (tmp_path / "sim").exists()
