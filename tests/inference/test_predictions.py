"""What is written of the videos of a folder."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import leap_avvp
from leap_avvp.data.annotations.rows import read_dense_rows
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.inference import Event, Parser, open_videos, predict
from leap_avvp.scoring.predictions import read_predictions
from tests.inference.helpers import write_videos

FILES = ["events.json", "events_audio.csv", "events_visual.csv", "predictions.npz"]


@pytest.fixture
def parser(own_checkpoint: Path) -> Parser:
    return leap_avvp.load(own_checkpoint)


@pytest.fixture
def arguments(parser: Parser, own_folder: Path) -> tuple[Any, ...]:
    return parser, open_videos(own_folder, parser.card, parser.source)


def written(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir() if not path.name.startswith("."))


def test_the_arrays_are_what_the_parser_says(parser: Parser, own_folder: Path, tmp_path: Path) -> None:
    done = predict(parser, open_videos(own_folder, parser.card), tmp_path / "out", batch_size=2)
    assert written(tmp_path / "out") == FILES
    with np.load(tmp_path / "out" / "predictions.npz") as arrays:
        found = dict(arrays)
    names = [f"test clip {index}" for index in range(5)]
    assert found["video_id"].tolist() == names
    assert {name: (array.dtype.name, array.shape) for name, array in found.items() if name != "video_id"} == {
        **{name: ("bool", (5, 5, 3)) for name in ("audio", "visual")},
        **{name: ("float32", (5, 5, 3)) for name in ("segment_audio_prob", "segment_visual_prob")},
        **{name: ("float32", (5, 3)) for name in ("audio_prob", "visual_prob", "video_prob")},
        "video": ("bool", (5, 3)),
    }
    events = dict.fromkeys(("audio", "visual"), 0)
    for row, name in enumerate(names):
        result = parser.parse_files(own_folder, name)
        np.testing.assert_allclose(found["segment_audio_prob"][row], result.audio, rtol=0, atol=1e-6)
        np.testing.assert_allclose(found["segment_visual_prob"][row], result.visual, rtol=0, atol=1e-6)
        np.testing.assert_allclose(found["video_prob"][row], result.video, rtol=0, atol=1e-6)
        np.testing.assert_allclose(found["audio_prob"][row], result.heard, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(found["audio"][row], result.audio_events)
        np.testing.assert_array_equal(found["visual"][row], result.visual_events)
        for event in result.events:
            events[event.modality] += 1
    assert dict(done.events) == events
    assert min(events.values()) > 0, "else nothing is compared"
    ids, audio, _ = read_predictions(tmp_path / "out" / "predictions.npz", parser.card)
    assert (list(ids), audio.tolist()) == (names, found["audio"].tolist())


@pytest.mark.parametrize("unlabelled", [False, True])
def test_the_tables_are_read_again_as_the_same_grids(
    parser: Parser, own_folder: Path, tmp_path: Path, unlabelled: bool
) -> None:
    videos = open_videos(own_folder, parser.card, unlabelled=unlabelled)
    predict(parser, videos, tmp_path)
    with np.load(tmp_path / "predictions.npz") as arrays:
        found = dict(arrays)
    names = found["video_id"].tolist()
    for modality in ("audio", "visual"):
        path = tmp_path / f"events_{modality}.csv"
        grid = np.zeros_like(found[modality])
        for row in read_dense_rows(path, card=videos.card):
            grid[names.index(row.name), row.onset : row.offset, row.event] = True
        np.testing.assert_array_equal(grid, found[modality])
        header, *lines = path.read_text().splitlines()
        assert header == "filename\tonset\toffset\tevent_labels\tprobability"
        name, onset, offset, event, probability = lines[0].split("\t")
        place = names.index(name), slice(round(float(onset) / 0.5), round(float(offset) / 0.5))
        mean = found[f"segment_{modality}_prob"][(*place, parser.card.classes.index(event))].mean()
        assert float(probability) == pytest.approx(mean, abs=1e-5)


def test_the_json_says_what_it_is_of(arguments: tuple[Any, ...], tmp_path: Path, own_checkpoint: Path) -> None:
    parser, videos = arguments
    predict(parser, videos, tmp_path)
    content = json.loads((tmp_path / "events.json").read_text())
    assert content["format"] == "leap-avvp/events/1"
    assert content["checkpoint"] == str(own_checkpoint)
    assert content["card"] == {"name": "garden", "segments": 5, "seconds": 0.5}
    assert content["protocol"] == {"name": parser.protocol.name}
    assert (content["data_source"], content["trained_on"], content["split"]) == ("garden", "garden", "test")
    assert "note" not in content
    for video in content["videos"]:
        events = [Event(**event) for event in video["events"]]
        expected = parser.parse_files(videos.facts["root"], video["video_id"]).events
        assert [astuple(event)[:-1] for event in events] == [astuple(event)[:-1] for event in expected]
        sure = [event.probability for event in expected]
        assert [event.probability for event in events] == pytest.approx(sure, abs=1e-6)


def test_simulated_videos_are_marked(parser: Parser, own_folder: Path, tmp_path: Path) -> None:
    root = shutil.copytree(own_folder, tmp_path / "data")
    (root / "SIMULATED.txt").touch()
    predict(parser, open_videos(root, parser.card), tmp_path / "out")
    content = json.loads((tmp_path / "out" / "events.json").read_text())
    assert content["data_source"] == "simulated"
    assert content["note"].startswith("simulated videos")
    parser.trained_on = "simulated"
    predict(parser, open_videos(own_folder, parser.card), tmp_path / "real")
    content = json.loads((tmp_path / "real" / "events.json").read_text())
    assert (content["data_source"], content["trained_on"]) == ("garden", "simulated")
    assert content["note"].startswith("the model was trained on simulated data")


def test_what_is_left_out_is_written_down(parser: Parser, tmp_path: Path) -> None:
    root = write_videos(tmp_path / "data", parser.card, ["a", "b", "c", "d"])
    (root / "feats" / "a" / "b.npy").unlink()
    np.save(root / "feats" / "a" / "c.npy", np.zeros((2, 6), np.float32))
    done = predict(parser, open_videos(root, parser.card, allow_missing=True), tmp_path / "out", batch_size=1)
    assert (done.videos, sorted(done.left_out)) == (2, ["b", "c"])
    content = json.loads((tmp_path / "out" / "events.json").read_text())
    assert [video["video_id"] for video in content["videos"]] == ["a", "d"]
    assert sorted(content["left_out"]) == ["b", "c"]
    with np.load(tmp_path / "out" / "predictions.npz") as arrays:
        assert {len(array) for array in arrays.values()} == {2}


def test_videos_that_are_all_cut_short_are_no_videos(parser: Parser, tmp_path: Path) -> None:
    root = write_videos(tmp_path / "data", parser.card, ["a"])
    np.save(root / "feats" / "a" / "a.npy", np.zeros((2, 6), np.float32))
    with pytest.raises(DataError, match="not one of 1 videos has all its files"):
        predict(parser, open_videos(root, parser.card, allow_missing=True), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_when_a_file_is_damaged_or_the_model_says_nan(
    parser: Parser, own_folder: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(own_folder, tmp_path / "data")
    (root / "feats" / "v" / "test clip 4.npy").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"test clip 4\.npy"):
        predict(parser, open_videos(root, parser.card), tmp_path / "out", batch_size=2)
    with torch.no_grad():
        parser.model.frontend.audio.bias[0] = float("inf")
    with pytest.raises(DataError, match="expected finite probabilities, found NaN or Inf for 5 of 5 videos"):
        predict(parser, open_videos(own_folder, parser.card), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_is_replaced_by_the_same_and_by_nothing_else(
    arguments: tuple[Any, ...], own_folder: Path, tmp_path: Path
) -> None:
    parser, videos = arguments
    predict(parser, videos, tmp_path)
    (tmp_path / "mine.txt").write_text("kept")
    before = (tmp_path / "predictions.npz").read_bytes()
    predict(parser, videos, tmp_path)
    assert (tmp_path / "predictions.npz").read_bytes() == before
    others = open_videos(own_folder, parser.card, split="val")
    with pytest.raises(ConfigError, match="holds predictions of something else: split is test there and val here"):
        predict(parser, others, tmp_path)
    assert (tmp_path / "predictions.npz").read_bytes() == before
    predict(parser, others, tmp_path, overwrite=True)
    assert json.loads((tmp_path / "events.json").read_text())["split"] == "val"
    parser.protocol = dataclasses.replace(parser.protocol, segment_threshold=0.75)
    with pytest.raises(ConfigError, match=r"protocol is .*segment>=0\.5.* there and .*segment>=0\.75"):
        predict(parser, others, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "kept"


@pytest.mark.parametrize("damage", ["missing", "{", "[]", '{"format": "other"}'])
def test_predictions_that_do_not_say_what_they_are_stay(
    arguments: tuple[Any, ...], tmp_path: Path, damage: str
) -> None:
    predict(*arguments, tmp_path)
    (tmp_path / "events.json").unlink()
    if damage != "missing":
        (tmp_path / "events.json").write_text(damage)
    with pytest.raises(ConfigError, match="something else or unfinished"):
        predict(*arguments, tmp_path)
    predict(*arguments, tmp_path, overwrite=True)
    assert written(tmp_path) == FILES


def test_a_file_is_no_folder(arguments: tuple[Any, ...], tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(DataError, match="expected a folder, found a file"):
        predict(*arguments, tmp_path / "out")


def test_a_write_that_fails_leaves_no_half_file(
    arguments: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Any, **_: object) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("leap_avvp.inference.predictions.np.savez", full)
    with pytest.raises(DataError, match="No space left on device"):
        predict(*arguments, tmp_path / "out")
    assert written(tmp_path / "out") == []
