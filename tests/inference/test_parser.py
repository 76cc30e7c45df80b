"""A parser on features of its callers: what it takes, what it gives, what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import leap_avvp
from leap_avvp.card import LLP
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.inference import Parser, ParseResult
from leap_avvp.metrics import Protocol
from leap_avvp.training.checkpoint import load_checkpoint
from tests.inference.helpers import own_card, rows_of, write_own, write_videos


@pytest.fixture
def own(own_checkpoint: Path) -> Parser:
    return leap_avvp.load(own_checkpoint)


def same(one: ParseResult, other: ParseResult, **tolerance: float) -> None:
    for name in ("audio", "visual", "video", "heard", "seen"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), **{"rtol": 0, "atol": 0} | tolerance)


def test_it_says_what_the_model_and_its_protocol_say(llp_checkpoint: Path) -> None:
    rows = rows_of(LLP)
    result = leap_avvp.load(llp_checkpoint).parse(rows, "-AbCdEf_012")
    model, _ = load_checkpoint(llp_checkpoint)
    with torch.no_grad():
        out = model(**{name: torch.from_numpy(array)[None] for name, array in rows.items()})
    heard, seen = Protocol().apply(out)
    assert result.audio_events.any()
    assert not result.audio_events.all()
    np.testing.assert_array_equal(result.audio_events, heard[0])
    np.testing.assert_array_equal(result.visual_events, seen[0])
    expected = {"audio": "segment_audio_prob", "visual": "segment_visual_prob", "video": "video_prob"}
    for name, field in {**expected, "heard": "audio_prob", "seen": "visual_prob"}.items():
        found = getattr(result, name)
        assert found.dtype == np.float32
        # The frames are pooled by numpy here, as those of files are, and by torch there.
        np.testing.assert_allclose(found, out[field][0], rtol=0, atol=1e-6)
    assert (result.video_id, result.card) == ("-AbCdEf_012", LLP)
    assert result.trained_on == "simulated"


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", "g"])
def test_any_width_of_numbers_and_any_memory(own: Parser, dtype: str) -> None:
    rows = {name: np.round(array, 1).astype(np.float16) for name, array in rows_of(own.card).items()}
    expected = own.parse({name: array.astype(np.float32) for name, array in rows.items()})
    given = {name: np.asfortranarray(array.astype(dtype)) for name, array in rows.items()}
    given["audio"].setflags(write=False)
    assert given["audio"].dtype == np.dtype(dtype)
    same(own.parse(given), expected)
    same(own.parse({name: array[::-1][::-1] for name, array in given.items()}), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors(own: Parser, dtype: torch.dtype) -> None:
    given = {name: torch.from_numpy(rows).to(dtype).requires_grad_() for name, rows in rows_of(own.card).items()}
    same(own.parse(given), own.parse({name: rows.detach().float().numpy() for name, rows in given.items()}))


def test_rows_a_segment_are_taken_as_they_are(own: Parser) -> None:
    rng = np.random.default_rng(1)
    segments = {name: rng.standard_normal((5, width)) for name, width in own.card.features.widths.items()}
    by_rows = {"audio": np.repeat(segments["audio"], 4, axis=0), "video_2d": np.repeat(segments["video_2d"], 3, axis=0)}
    same(own.parse(segments), own.parse(by_rows), atol=1e-6)


def test_several_videos_give_a_list(own: Parser) -> None:
    rng = np.random.default_rng(2)
    # More than are parsed at once.
    batch = {"audio": rng.standard_normal((150, 20, 6)), "video_2d": rng.standard_normal((150, 9, 7))}
    names = [f"v{number}" for number in range(150)]
    results = own.parse(batch, names)
    assert [result.video_id for result in results] == names
    for row in (0, 127, 128, 149):
        alone = own.parse({name: array[row] for name, array in batch.items()}, names[row])
        same(results[row], alone, atol=1e-6)
    assert [result.video_id for result in own.parse({name: array[:2] for name, array in batch.items()})] == ["", ""]
    assert not np.array_equal(results[0].audio, results[1].audio)


def wrong(rows: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {**rows, name: value}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda rows: [rows], "features: expected an array for each of audio, video_2d, found list"),
        (lambda rows: {"audio": rows["audio"]}, r"expected the streams audio, video_2d of tiny .* found audio$"),
        (lambda rows: wrong(rows, "video_3d", rows["audio"]), "found audio, video_2d, video_3d"),
        (lambda rows: wrong(rows, "audio", rows["audio"][:, :5]), r"audio: expected \(20, 6\) or \(5, 6\).*\(20, 5\)"),
        (lambda rows: wrong(rows, "audio", rows["audio"][:19]), r"audio: expected \(20, 6\) or \(5, 6\).*\(19, 6\)"),
        (lambda rows: wrong(rows, "video_2d", rows["video_2d"][:0]), r"video_2d: expected \(any, 7\), .*\(0, 7\)"),
        (lambda rows: wrong(rows, "audio", rows["audio"][0]), r"audio: expected .* found shape \(6,\)"),
        (lambda rows: wrong(rows, "audio", 1.0), r"audio: expected .* found shape \(\)"),
        (lambda rows: wrong(rows, "audio", rows["audio"][None]), r"video_2d: expected .* found shape"),
        (lambda rows: {name: array[None][:0] for name, array in rows.items()}, "at least one"),
        (
            lambda rows: {"audio": np.stack([rows["audio"]] * 2), "video_2d": rows["video_2d"][None]},
            "same number of videos.* audio 2, video_2d 1",
        ),
        (lambda rows: wrong(rows, "audio", np.ones((20, 6), int)), "audio: expected floating-point numbers, found int"),
        (lambda rows: wrong(rows, "audio", np.ones((20, 6), complex)), "found complex128"),
        (lambda rows: wrong(rows, "audio", np.full((20, 6), None)), "audio: expected floating-point.* ndarray"),
        (lambda rows: wrong(rows, "audio", [[1.0, 2.0], [1.0]]), "audio: expected an array, found list"),
        (lambda rows: wrong(rows, "audio", torch.ones(20, 6).to_sparse()), "audio: expected a dense tensor"),
        (lambda rows: wrong(rows, "audio", torch.ones(20, 6, dtype=torch.int64)), "floating-point numbers, found"),
        (lambda rows: wrong(rows, "audio", np.where(rows["audio"] > 1, np.nan, rows["audio"])), "NaN or Inf among 120"),
        (lambda rows: wrong(rows, "audio", np.full((20, 6), 1e39)), "audio: expected finite numbers, found 120"),
    ],
)
def test_other_features_are_refused_in_one_line(own: Parser, change: Any, text: str) -> None:
    with pytest.raises(DataError, match=text) as caught:
        own.parse(change(rows_of(own.card)))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], "a", ("a",)])
def test_names_must_be_as_many_as_the_videos(own: Parser, names: Any) -> None:
    batch = {"audio": np.ones((2, 20, 6)), "video_2d": np.ones((2, 5, 7))}
    with pytest.raises(DataError, match="video_id: expected a list of 2 names"):
        own.parse(batch, names)
    with pytest.raises(DataError, match="video_id: expected one name"):
        own.parse(rows_of(own.card), ["a"])


def test_a_model_that_says_nan_is_refused(own: Parser) -> None:
    with torch.no_grad():
        own.model.decoder.probability.bias[1] = float("nan")
    with pytest.raises(DataError, match=r"mmil\.ckpt: expected finite probabilities, .* 1 of 1 .*: park$|park; the"):
        own.parse(rows_of(own.card), "park")


def test_files_are_parsed_as_their_arrays_are(own: Parser, own_folder: Path) -> None:
    result = own.parse_files(own_folder, "val clip 1")
    streams = own.card.features.streams
    rows = {name: np.load(own_folder / one.folder / "val clip 1.npy") for name, one in streams.items()}
    same(result, own.parse(rows))
    assert result.video_id == "val clip 1"
    assert result.events


def test_llps_videos_go_by_id_and_by_whole_name(llp_checkpoint: Path, tmp_path: Path) -> None:
    parser = leap_avvp.load(llp_checkpoint)
    write_videos(tmp_path, LLP, ["-AbCdEf_012"])
    one = parser.parse_files(tmp_path, "-AbCdEf_012")
    same(one, parser.parse_files(str(tmp_path), "-AbCdEf_012_10.5_20.5"))
    same(one, parser.parse(rows_of(LLP)))


@pytest.mark.parametrize(
    ("name", "text"),
    [("no such", "no such.npy: missing"), ("../x", "expected the name of a video"), ("", "expected the name of a vid")],
)
def test_a_video_that_is_not_there_is_named(own: Parser, own_folder: Path, name: str, text: str) -> None:
    with pytest.raises(DataError, match=text):
        own.parse_files(own_folder, name)


def test_a_folder_of_another_card_is_refused(own: Parser, tmp_path: Path) -> None:
    write_own(tmp_path, own_card(classes=["Bird song", "Rain", "Cat"]))
    with pytest.raises(ConfigError, match=r"class 2 is 'Lawn_mower' and 'Cat'"):
        own.parse_files(tmp_path, "test clip 1")


def test_devices(own: Parser) -> None:
    assert own.to("cpu") is own
    assert own.to("auto").device.type in ("cpu", "cuda")
    for name in ("cuda:77", "gpu", "meta:x"):
        with pytest.raises(ConfigError, match="device: expected cpu, cuda or auto, found"):
            own.to(name)
    assert "3 classes, 5 segments of 0.5 s, features tiny" in repr(own)
    assert not own.model.training
