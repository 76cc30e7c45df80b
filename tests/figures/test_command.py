"""``leap-avvp visualize``, through the command line."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from leap_avvp.cli import main
from leap_avvp.figures.save import save_figure


def visualize(*words: object) -> int:
    return main(["visualize", *map(str, words)])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def check_files(folder: Path) -> None:
    for path in folder.iterdir():
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG\r\n"), path
        else:
            assert ET.parse(path).getroot().tag.endswith("svg"), path


def test_a_video_whose_id_begins_with_a_dash_is_drawn(trained, tmp_path, capsys) -> None:
    assert visualize("--run", trained["leap"], "--video=-sim00005te", "--out", tmp_path) == 0
    assert names(tmp_path) == {"video_-sim00005te.png", "video_-sim00005te.svg"}
    check_files(tmp_path)
    assert capsys.readouterr().out.split() == [str(path) for path in sorted(tmp_path.iterdir())]


def test_two_runs_are_compared_where_they_disagree(trained, tmp_path) -> None:
    words = ("--run", trained["leap"], "--compare", trained["mmil"], "--out", tmp_path)
    assert visualize(*words, "--pick", "disagreement", "--count", 1, "--summary") == 0
    found = names(tmp_path)
    drawn = ("learning_curves", "per_class", "errors", "attention")  # MMIL has no attention
    assert {f"{name}.{end}" for name in drawn for end in ("png", "svg")} < found
    assert len(found) == 10
    check_files(tmp_path)


@pytest.mark.parametrize("pick", ["overlapping", "changing", "worst"])
def test_videos_of_one_run_are_picked_into_its_own_folder(trained, pick, capsys) -> None:
    assert visualize("--run", trained["mmil"], "--pick", pick, "--count", 2) == 0
    written = [Path(line) for line in capsys.readouterr().out.split()]
    assert len(written) == 4
    assert all(path.is_file() and path.parent == trained["mmil"] / "figures" for path in written)


def test_more_videos_than_there_are_is_said(trained, tmp_path, capsys) -> None:
    assert visualize("--run", trained["mmil"], "--pick", "overlapping", "--count", 12, "--out", tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    drawn = len(names(tmp_path)) // 2
    assert 0 < drawn < 12
    assert lines[0] == f"--pick overlapping: only {drawn} such videos of 12"


def test_a_run_without_a_log_says_so_and_draws_the_rest(trained, tmp_path, capsys) -> None:
    (trained["other"] / "history.csv").unlink()
    assert visualize("--run", trained["other"], "--summary", "--out", tmp_path) == 0
    assert "no learning curves" in capsys.readouterr().out
    drawn = ("per_class", "errors", "attention")
    assert names(tmp_path) == {f"{name}.{kind}" for name in drawn for kind in ("png", "svg")}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--run", "leap"], "expected --video ID, --pick or --summary"),
        (["--run", "leap", "--pick", "disagreement"], "add --compare DIR"),
        (["--run", "leap", "--video", "nothing"], "found 'nothing'"),
        (["--run", "nowhere", "--summary"], "nowhere: expected the folder of a finished"),
        (["--run", "leap", "--compare", "other", "--summary"], "compare runs of the same data"),
        (["--run", "leap", "--compare", "leap", "--pick", "disagreement"], "found no such video among 12"),
    ],
)
def test_what_is_wrong_is_one_line_and_draws_nothing(trained, words, text, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert visualize(*(trained.get(word, word) for word in words), "--out", tmp_path / "out") == 2
    errors = capsys.readouterr().err
    assert text in errors
    assert len(errors.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_run_of_another_card_is_drawn(carded, tmp_path, capsys) -> None:
    assert visualize("--run", carded, "--pick", "changing", "--count", 1, "--summary", "--out", tmp_path) == 0
    assert len(names(tmp_path)) == 10
    check_files(tmp_path)
    assert "attention inside the true seconds" in capsys.readouterr().out
    bars = (tmp_path / "per_class.svg").read_text(encoding="utf-8")
    assert "of 40 classes" in bars
    assert "SIMULATED data" in bars


@pytest.mark.parametrize("words", [["--pick", "best"], ["--pick", "worst", "--count", "0"], []])
def test_a_wrong_option_is_a_usage_error(words, capsys) -> None:
    with pytest.raises(SystemExit) as done:
        visualize("--run", "x", *words) if words else visualize()
    assert done.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_explains_what_is_picked(capsys) -> None:
    with pytest.raises(SystemExit):
        visualize("--help")
    text = capsys.readouterr().out
    assert "leap-avvp visualize --run" in text
    assert all(f"\n  {pick} " in text for pick in ("overlapping", "changing", "disagreement", "worst"))


def test_the_same_figure_gives_the_same_bytes_under_a_safe_name(tmp_path: Path) -> None:
    contents = []
    for folder in ("one", "two"):
        figure = Figure(figsize=(1, 1))
        figure.subplots().bar([0], [1], hatch="///")
        png, svg = save_figure(figure, tmp_path / folder, "../a b")
        assert (png.name, svg.name) == ("___a_b.png", "___a_b.svg")
        contents.append((png.read_bytes(), svg.read_bytes()))
    assert contents[0] == contents[1]
    assert names(tmp_path) == {"one", "two"}
