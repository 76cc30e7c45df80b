"""From a media file to a timeline: what is judged, windows without seams, and the command."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from leap_avvp.card import named_features
from leap_avvp.card.read import card_from
from leap_avvp.cli import main
from leap_avvp.inference import Parser, ParseResult
from leap_avvp.media.decode import Clip
from leap_avvp.media.names import Names
from leap_avvp.media.recipes import extract_stream
from leap_avvp.models import HAN, MMILDecoder, VideoParser
from leap_avvp.models.frontend import Frontend
from leap_avvp.timeline.trained import TrainedTimeline
from leap_avvp.timeline.zero_shot import parse_zero_shot, segments_in
from tests.media.conftest import numbered, tone, write_media
from tests.media.pretrained import VIDEO, needs, needs_video

RATE = 16_000
NAMES = Names(("loud", "bright_one"), ((0,), (1,)), ((), (0,)))


class Pair:
    """Hears how loud a segment is, sees how bright a picture is; nothing that needs weights."""

    class ear:  # noqa: N801  (a network of the pair)
        rate = RATE

    def hear(self, samples: NDArray[np.float32], segments: int, seconds: float, names: Names) -> NDArray[np.float32]:
        scores = np.full((segments, 2), np.nan, np.float32)
        for segment in range(segments):
            part = samples[round(segment * seconds * RATE) : round((segment + 1) * seconds * RATE)]
            if len(part) >= seconds * RATE / 2:
                scores[segment] = min(1.0, 2 * float(np.abs(part).mean()))
        return scores

    def see(
        self, frames: Iterable[tuple[float, NDArray[np.uint8] | None]], segments: int, seconds: float, names: Names
    ) -> NDArray[np.float32]:
        scores = np.full((segments, 2), np.nan, np.float32)
        for time, picture in frames:
            if picture is not None:
                scores[int(time // seconds), 1] = picture.mean() / 255
        return scores


@pytest.mark.parametrize(
    ("duration", "seconds", "number"),
    [
        (10.028, 1.0, 10),
        (10.0, 1.0, 10),
        (9.6, 1.0, 10),
        (9.4, 1.0, 9),
        (0.1, 1.0, 1),
        (3.3, 0.5, 7),
        (7200.0, 1.0, 7200),
    ],
)
def test_a_rest_of_less_than_half_a_segment_is_left_out(duration: float, seconds: float, number: int) -> None:
    assert segments_in(duration, seconds) == number


def test_what_is_heard_and_seen(tmp_path: Path) -> None:
    loud = np.concatenate([tone(3, RATE), 0.01 * tone(2, RATE)])
    pictures = [np.full((32, 48, 3), 30 if frame < 20 else 240, np.uint8) for frame in range(50)]
    path = write_media(tmp_path / "clip.mkv", pictures=pictures, rate=10, sound=loud)
    timeline = parse_zero_shot(Clip(path, name="a clip"), Pair(), NAMES)  # type: ignore[arg-type]
    assert (timeline.name, timeline.segments, timeline.zero_shot) == ("a clip", 5, True)
    assert timeline.display == ("loud", "bright one")
    assert timeline.audio_on[:, 0].tolist() == [True, True, True, False, False]
    assert timeline.visual_on[:, 1].tolist() == [False, False, True, True, True]
    assert np.isnan(timeline.visual[:, 0]).all(), "no class of the image network: not judged"
    stretch = parse_zero_shot(Clip(path, start=2.0, end=5.0), Pair(), NAMES)  # type: ignore[arg-type]
    assert (stretch.start, stretch.segments) == (2.0, 3)
    assert stretch.audio_on[:, 0].tolist() == [True, False, False]
    assert stretch.visual_on[:, 1].tolist() == [True, True, True]


def test_what_has_no_sound_or_no_picture_is_not_judged(tmp_path: Path) -> None:
    silent = write_media(tmp_path / "silent.mkv", pictures=20, rate=10)
    timeline = parse_zero_shot(Clip(silent), Pair(), NAMES)  # type: ignore[arg-type]
    assert np.isnan(timeline.audio).all()
    assert "No sound: nothing was judged by ear." in timeline.notes
    dark = write_media(tmp_path / "dark.wav", sound=tone(2, RATE))
    timeline = parse_zero_shot(Clip(dark), Pair(), NAMES)  # type: ignore[arg-type]
    assert np.isnan(timeline.visual).all()
    assert not timeline.visual_on.any()
    assert timeline.audio_on.any()
    assert "No pictures: nothing was judged by eye." in timeline.notes


def test_a_gap_in_the_sound_is_no_silence(tmp_path: Path) -> None:
    path = write_media(tmp_path / "gap.mkv", sound=tone(8, RATE), sound_gap=(3.0, 6.0))  # from second 3 on, six seconds
    timeline = parse_zero_shot(Clip(path), Pair(), NAMES)  # type: ignore[arg-type]
    judged = ~np.isnan(timeline.audio[:, 0])
    assert judged[:3].all(), judged
    assert not judged[4:9].any(), judged  # it begins in a packet that begins before
    assert judged[9:].all(), judged


@pytest.mark.parametrize("seconds", [1.0, 0.7, 2.5])
def test_a_long_sound_is_heard_in_parts_without_seams(tmp_path: Path, seconds: float) -> None:
    loudness = np.repeat(np.random.default_rng(0).uniform(0, 1, 170), RATE // 20)  # 8.5 s, then again and again
    sound = np.tile(loudness, 20)[: 165 * RATE, None].astype(np.float32) * np.sign(tone(165, RATE))
    path = write_media(tmp_path / "long.wav", sound=sound)
    timeline = parse_zero_shot(Clip(path), Pair(), NAMES, seconds=seconds)  # type: ignore[arg-type]
    whole = Pair().hear(sound[:, 0], timeline.segments, seconds, NAMES)
    np.testing.assert_allclose(timeline.audio, whole, atol=2e-3)


# A trained model

FEATURES = named_features("embedded")


class Ear:
    def embed_audio(self, samples: NDArray[np.float32], segments: int, seconds: float) -> NDArray[np.float32]:
        parts = np.array_split(samples, 4 * segments)
        return np.stack([np.full(1024, np.abs(part).mean()) for part in parts]).astype(np.float32)


class Eye:
    width = 1280

    def shrink(self, picture: NDArray[np.uint8]) -> float:
        return float(picture.mean() / 255)

    def embed(self, shrunk: Sequence[float]) -> NDArray[np.float32]:
        return np.repeat(np.array(shrunk, np.float32)[:, None], 1280, axis=1)


@pytest.fixture
def trained() -> TrainedTimeline:
    """A model of three classes in five segments of half a second, untrained, which is enough to say something."""
    card = card_from({"name": "own", "classes": ["a", "b", "c"], "segments": 5, "seconds": 0.5, "features": "embedded"})
    torch.manual_seed(0)
    model = VideoParser(HAN(16, feed_forward_dim=16), MMILDecoder(16, 3), Frontend(16, FEATURES, 5))
    parser = Parser(model, card, source="there", trained_on="own")
    return TrainedTimeline(parser, backbones={"audio": Ear(), "video_2d": Eye()})


def clip_of(path: Path, seconds: float) -> Path:
    pictures = [np.full((32, 48, 3), 40 + 3 * (frame % 60), np.uint8) for frame in range(round(10 * seconds))]
    return write_media(path, pictures=pictures, rate=10, sound=tone(seconds, RATE))


def test_a_model_says_what_its_parser_says(trained: TrainedTimeline, tmp_path: Path) -> None:
    timeline = trained(Clip(clip_of(tmp_path / "clip.mkv", 2.5), name="clip"))
    assert (timeline.segments, timeline.seconds, timeline.zero_shot) == (5, 0.5, False)
    assert timeline.model == "MMIL checkpoint there"
    assert timeline.classes == ("a", "b", "c")
    assert np.isfinite(timeline.audio).all()
    assert np.isfinite(timeline.visual).all()
    streams = {
        stream: extract_stream(Clip(tmp_path / "clip.mkv"), recipe, trained.backbones[stream], 5, 0.5)
        for stream, recipe in trained.recipes.items()
    }
    said = trained.parser.parse(streams)
    assert isinstance(said, ParseResult)
    np.testing.assert_allclose(timeline.audio, said.audio, atol=1e-5)
    np.testing.assert_allclose(timeline.visual, said.visual, atol=1e-5)
    np.testing.assert_array_equal(timeline.audio_on, said.audio_events)


def test_a_long_video_is_parsed_in_windows(trained: TrainedTimeline, tmp_path: Path) -> None:
    timeline = trained(Clip(clip_of(tmp_path / "long.mkv", 9.0)))
    assert timeline.segments == 18
    assert np.isfinite(timeline.audio).all()
    assert any("windows of 5 segments that overlap" in note for note in timeline.notes)
    # What lies in the middle of a window only depends on that window: the first segments are those of a short clip.
    short = trained(Clip(clip_of(tmp_path / "short.mkv", 9.0), end=2.5))
    np.testing.assert_allclose(timeline.audio[0], short.audio[0], atol=1e-6)


def test_a_video_without_sound_is_judged_by_eye_alone(trained: TrainedTimeline, tmp_path: Path) -> None:
    path = write_media(tmp_path / "silent.mkv", pictures=[numbered(n) for n in range(12)], rate=10)
    timeline = trained(Clip(path))
    assert timeline.segments == 2, "of five that the model takes"
    assert np.isnan(timeline.audio).all()
    assert not timeline.audio_on.any()
    assert np.isfinite(timeline.visual).all()
    assert any("No sound" in note for note in timeline.notes)


# The command


def test_what_cannot_be_parsed_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for words, line in (
        ([str(tmp_path / "nowhere.mp4")], "nowhere.mp4"),
        ([str(tmp_path / "text.mp4"), "--classes", ","], "--classes: expected names"),
        ([str(tmp_path / "text.mp4"), "--seconds", "0"], "--seconds: expected a number from 0.1 to 3600, found 0"),
        (
            [str(tmp_path / "text.mp4"), "--checkpoint", str(tmp_path), "--classes", "a"],
            "--classes: the checkpoint brings",
        ),
    ):
        assert main(["parse", *words, "--out", str(tmp_path / "out")]) == 2
        (said,) = capsys.readouterr().err.strip().splitlines()
        assert line in said
        assert not (tmp_path / "out").exists()


@needs("yamnet", "efficientnet_lite0")
@needs_video
def test_the_sample_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Issue of the field: a person with one video and nothing else. LLP's weak label of it is Speech, Dog."""
    assert main(["parse", str(VIDEO), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "not judged" in said
    assert "Zero-shot, not LEAP" in said
    folder = tmp_path / VIDEO.stem
    assert {path.name for path in folder.iterdir()} == {
        *("timeline.html", "events.csv", "timeline.json", "timeline.vtt", "timeline.png"),
    }
    rows = [line.split("\t") for line in (folder / "events.csv").read_text().splitlines()[1:]]
    seconds: dict[tuple[str, str], set[int]] = {}
    for _, onset, offset, name, modality, _ in rows:
        seconds.setdefault((name, modality), set()).update(range(int(onset), int(offset)))
    assert {name for name, _ in seconds} == {"Dog", "Speech"}
    assert len(seconds["Dog", "audio"]) >= 8
    assert len(seconds["Dog", "visual"]) >= 7
    assert seconds["Speech", "audio"] & {5, 6}
    assert ("Speech", "visual") not in seconds
    content: dict[str, Any] = json.loads((folder / "timeline.json").read_text())
    assert content["format"] == "leap-avvp/timeline/1"


@needs("yamnet", "efficientnet_lite0")
def test_one_of_several_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "videos").mkdir()
    write_media(tmp_path / "videos" / "b.mkv", pictures=10, rate=10, sound=tone(1, RATE))
    (tmp_path / "videos" / "a.mp4").write_bytes(b"\0" * 1000)
    words = ["--classes", "dog,Speech", "--out", str(tmp_path / "out")]
    assert main(["parse", str(tmp_path / "videos"), *words]) == 1
    said = capsys.readouterr().out
    assert "a: not parsed" in said
    assert "1 of 2 videos were not parsed" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b"]
