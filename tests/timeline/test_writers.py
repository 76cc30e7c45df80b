"""The files of a parsed video: read back by what reads such files, and whole or absent."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from leap_avvp.data.annotations.rows import read_dense_names, read_dense_rows
from leap_avvp.errors import DataError
from leap_avvp.timeline import write_events, write_figure, write_outputs, write_timeline, write_vtt
from leap_avvp.timeline.writers import FILES


def test_events_are_a_dense_file_with_two_more_columns(make, tmp_path: Path) -> None:
    write_events([make(), make(name="other")], tmp_path / "events.csv")
    rows = (tmp_path / "events.csv").read_text().splitlines()
    assert rows[0] == "filename\tonset\toffset\tevent_labels\tmodality\tprobability"
    assert rows[1] == "BjCEufrlXm4\t0\t9\tDog\taudio\t0.935556"
    assert len(rows) == 1 + 2 * 5
    assert rows[-1].startswith("other\t9\t10\tSpeech\taudio\t")


@pytest.mark.parametrize("modality", ["audio", "visual"])
def test_the_packages_reader_reads_the_events_of_a_modality(make_long, tmp_path: Path, modality: str) -> None:
    timeline = make_long(40, 3, seconds=0.3)
    write_events([timeline], tmp_path / "events.csv", modality)
    marked = np.zeros((40, 3), np.bool_)
    for row in read_dense_rows(tmp_path / "events.csv", card=timeline.card):
        assert row.name == "long"
        marked[row.onset : row.offset, row.event] = True
    np.testing.assert_array_equal(marked, timeline.on(modality))
    assert read_dense_names(tmp_path / "events.csv") <= set(timeline.classes)


def test_a_name_cannot_break_a_line(make, tmp_path: Path) -> None:
    write_events([make(name="a\tb\nc")], tmp_path / "events.csv")
    assert {line.count("\t") for line in (tmp_path / "events.csv").read_text().splitlines()} == {5}


def test_json_holds_everything_a_line_a_segment(make, tmp_path: Path) -> None:
    write_timeline(make(), tmp_path / "timeline.json")
    text = (tmp_path / "timeline.json").read_text(encoding="utf-8")
    assert json.loads(text) == make().to_dict()
    assert "   [0.35, 0.73, 0.02],\n" in text


def test_subtitles_are_cues_of_what_goes_on(make, tmp_path: Path) -> None:
    write_vtt(make(), tmp_path / "timeline.vtt")
    blocks = (tmp_path / "timeline.vtt").read_text().split("\n\n")
    assert blocks[0] == "WEBVTT"
    assert blocks[1].splitlines()[1].startswith("NOTE zero-shot, not LEAP")
    assert [block.strip().splitlines() for block in blocks[2:]] == [
        ["00:00:00.000 --> 00:00:01.000", "heard: Dog"],
        ["00:00:01.000 --> 00:00:02.000", "heard: Dog | seen: Dog"],
        ["00:00:02.000 --> 00:00:03.000", "heard: Dog"],
        ["00:00:03.000 --> 00:00:05.000", "heard: Dog | seen: Dog"],
        ["00:00:05.000 --> 00:00:07.000", "heard: Speech, Dog | seen: Dog"],
        ["00:00:07.000 --> 00:00:09.000", "heard: Dog | seen: Dog"],
        ["00:00:09.000 --> 00:00:10.000", "heard: Speech | seen: Dog"],
    ]


def test_subtitles_of_a_stretch_are_those_of_its_file(make, tmp_path: Path) -> None:
    write_vtt(make(start=60.5), tmp_path / "timeline.vtt")
    assert "\n00:01:00.500 --> 00:01:01.500\nheard: Dog\n" in (tmp_path / "timeline.vtt").read_text()


def test_names_are_escaped_in_subtitles_and_silence_has_no_cue(make_long, tmp_path: Path) -> None:
    audio = np.zeros((5000, 1), np.float32)
    audio[4000] = 1
    timeline = make_long(
        5000,
        1,
        audio=audio,
        audio_on=audio > 0,
        visual=audio,
        visual_on=audio > 1,
        display=("<i>&--></i>",),
        name="a-->b",
    )
    write_vtt(timeline, tmp_path / "timeline.vtt")
    text = (tmp_path / "timeline.vtt").read_text()
    assert re.findall(r"^.* --> .*$", text, flags=re.MULTILINE) == ["01:06:40.000 --> 01:06:41.000"]
    assert "heard: &lt;i&gt;&amp;--&gt;&lt;/i&gt;" in text
    assert "NOTE a--&gt;b: LEAP checkpoint" in text


def test_the_figure_is_a_picture_with_the_same_bytes_each_time(make, tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        write_figure(make(display=("a $5 and $6", "Dog", "Cat")), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert matplotlib.image.imread(tmp_path / "one.png").shape[1] == 1440


@pytest.mark.parametrize(("segments", "classes"), [(1, 1), (3, 2), (2500, 40)])
def test_figures_of_any_size_are_drawn(make_long, tmp_path: Path, segments: int, classes: int) -> None:
    write_figure(make_long(segments, classes), tmp_path / "timeline.png")
    assert matplotlib.image.imread(tmp_path / "timeline.png").std() > 0


def test_what_was_not_judged_is_hatched_and_named(make) -> None:
    from leap_avvp.timeline.figure import timeline_figure

    figure = timeline_figure(make(notes=("no sound behind 0:05",)))
    (axes,) = [axes for axes in figure.axes if "probability" in axes.get_xlabel()]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "Dog, heard",
        "Dog, seen",
        "Speech, heard",
        "Speech, seen",
    ]
    assert [text.get_text() for text in axes.texts] == ["0.99", "0.95", "0.99", "not judged"]
    written = " ".join(text.get_text() for text in figure.texts)
    assert "Zero-shot, not LEAP" in written
    assert "No sound behind 0:05" in written


def test_all_outputs_of_one_video(make, tmp_path: Path) -> None:
    paths = write_outputs(make(), tmp_path / "new" / "folder")
    assert {name: path.name for name, path in paths.items()} == FILES
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(FILES.values())


def test_a_folder_that_cannot_be_written_is_one_line(make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file"):
        write_outputs(make(), tmp_path / "file")


def test_a_failed_writing_leaves_the_old_file(make, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "timeline.png"
    path.write_bytes(b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(DataError, match="No space"):
        write_figure(make(), path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["timeline.png"]
    assert path.read_bytes() == b"old"


def test_the_dataclass_is_frozen(make) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().name = "other"
