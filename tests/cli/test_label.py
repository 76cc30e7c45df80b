"""``leap-avvp label``: what it says, exit codes, and labels that training reads. The networks are fakes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

from leap_avvp.card.read import card_from
from leap_avvp.cli import build_parser, main
from leap_avvp.media import runs
from leap_avvp.media.teachers import read_teacher
from tests.media import fakes
from tests.media.fakes import write_clips

pytest.importorskip("av", reason="PyAV is not installed (the extra `media`)")
pytest.importorskip("soxr", reason="soxr is not installed (the extra `media`)")

CARD = "name: farm\nclasses: [dog, cow]\nsegments: 2\nweak: {train: train.csv}\nfeatures: embedded\n"
TEACHER = """\
name: mine
kind: prompts
audio: {features: lsld, template: 'The sound of {}', thresholds: 2}
visual: {features: lsld, template: 'A {}', thresholds: {dog: 1, cow: 2}}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fakes.install(monkeypatch, tmp_path / "cache")
    monkeypatch.setattr(runs, "outcomes", fakes.in_process)
    write_clips(Path("clips"), ["a", "b", "c"])
    Path("clips/dataset.yaml").write_text(CARD)
    Path("teacher.yaml").write_text(TEACHER)
    Path("weak.csv").write_text('filename,event_labels\na,"dog,cow"\nb,cow\nc,\n')


def label(*words: str) -> int:
    return main(["label", "clips", "--labels", "weak.csv", "--teacher", "teacher.yaml", "--out", "labels", *words])


def test_it_says_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert label() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "labels: labels of 3 of 3 videos by teacher mine, of videos"
    assert lines[1].startswith("judged: 3 in ")
    heard, seen = (np.load(f"labels/{modality}/a.npy").sum() for modality in ("audio", "visual"))
    heard, seen = (one + np.load(f"labels/{kind}/b.npy").sum() for one, kind in ((heard, "audio"), (seen, "visual")))
    assert lines[2] == (
        f"of the segments of the events in the weak labels, {100 * heard / 6:.0f} % are heard and {100 * seen / 6:.0f} "
        "% seen"
    )
    assert not np.load("labels/audio/c.npy").any()
    assert label("--soft") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert label("--soft", "--overwrite") == 0
    assert np.load("labels/audio/a.npy").dtype == np.float32


def test_a_video_that_is_missing_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    Path("weak.csv").write_text("filename,event_labels\na,dog\nmissing one,cow\n")
    assert label() == 1
    out = capsys.readouterr().out
    assert "labels of 1 of 2 videos" in out
    assert "no file missing one.*" in out
    assert Path("labels/label-failed.csv").is_file()


def test_other_videos_than_those_of_the_folder() -> None:
    Path("clips").rename("elsewhere")
    Path("data").mkdir()
    Path("elsewhere/dataset.yaml").rename("data/dataset.yaml")
    words = ["data", "--labels", "weak.csv", "--teacher", "teacher.yaml", "--out", "labels"]
    assert main(["label", *words, "--videos", "elsewhere"]) == 0
    assert {path.stem for path in Path("labels/visual").iterdir()} == {"a", "b", "c"}


def test_features_of_a_data_folder(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").mkdir()
    Path("data/dataset.yaml").write_text(CARD)
    for folder in ("feats/clap_audioset", "feats/clip_16"):
        Path("data", folder).mkdir(parents=True)
        for name in "ab":
            rows = 2 if folder == "feats/clap_audioset" else 16
            np.save(Path("data", folder, f"{name}.npy"), np.full((rows, 512), 0.5, np.float32))
    words = ["data", "--labels", "weak.csv", "--teacher", "teacher.yaml", "--out", "labels"]
    assert main(["label", *words]) == 1
    out = capsys.readouterr().out
    assert "labels of 2 of 3 videos by teacher mine, of features" in out
    assert "feats/clap_audioset/c.npy: missing" in out
    assert json.loads(Path("labels/scores/scores.json").read_text())["of"] == "features"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--teacher", "velor"], "--teacher: expected one of embedded, valor, FILE.yaml, found 'velor'"),
        (["--labels", "nowhere.csv"], "nowhere.csv: expected a file of weak labels"),
        (["--card", "nowhere.yaml"], "nowhere.yaml: no such data card"),
        (["--videos", "nowhere"], "nowhere: expected the folder"),
        (["--teacher", "valor"], "dog, audio: teacher valor has no threshold for it, and only 2 videos"),
        (["--labels", "other.csv"], "pig"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other.csv").write_text("filename,event_labels\na,pig\n")
    assert label(*words) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert len(err.strip().splitlines()) == 1
    assert text in err
    assert not list(Path().rglob("*.npy"))


def test_the_card_may_lie_beside_the_labels() -> None:
    Path("mine").mkdir()
    Path("clips/dataset.yaml").rename("mine/dataset.yaml")
    words = ["label", "clips", "--labels", "weak.csv", "--teacher", "teacher.yaml", "--out", "mine/labels"]
    assert main(words) == 0
    assert np.load("mine/labels/audio/a.npy").shape == (2, 2)


def test_without_a_card_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Path("clips/dataset.yaml").unlink()
    assert label() == 2
    err = capsys.readouterr().err
    assert "found no data card, so it was read as LLP's: `leap-avvp data card --from weak.csv` writes one" in err
    assert len(err.strip().splitlines()) == 1


def test_what_the_page_shows_is_taken() -> None:
    page = (Path(__file__).parents[2] / "docs" / "extract.md").read_text()
    calls = [line for line in page.splitlines() if line.startswith(("leap-avvp extract ", "leap-avvp label "))]
    assert len(calls) == 7
    for line in calls:
        build_parser().parse_args(shlex.split(line)[1:])


def test_the_teachers_of_the_page_are_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "extract.md").read_text()
    files = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    assert len(files) == 2
    card = card_from({"classes": ["tractor_engine", "cow"], "features": "embedded"})
    Path("own.yaml").write_text(files[0])
    found = read_teacher("own.yaml", card)
    assert found.senses["audio"].prompts == ("This is a sound of a tractor idling", "This is a sound of cow")
    assert set(yaml.safe_load(files[1])) == {"name", "kind", "names", "audio", "visual"}


def test_unjudged_takes_two_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        label("--unjudged", "maybe")
    assert done.value.code == 2
    assert "'none', 'weak'" in capsys.readouterr().err
