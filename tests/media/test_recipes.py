"""Recipes of every feature set: which pictures and which pieces of sound make which row, with stand-ins for networks.

The networks have tests of their own; here each is a function of which every row can be traced back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from leap_avvp.card.features import known_features, named_features
from leap_avvp.card.reduce import reduce_rows, row_weights
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.media.backbones.vggish import as_moviepy
from leap_avvp.media.opening import Clip
from leap_avvp.media.pieces import centre_rows, equal_pieces, map_places, second_pieces
from leap_avvp.media.recipes import RECIPES, Recipe, extract_stream, fit, recipes_of
from leap_avvp.media.rows import clap_map
from leap_avvp.media.weights import WEIGHTS, weights_of
from tests.media.conftest import number_of, numbered
from tests.media.pretrained import VIDEO, needs, needs_video

av = pytest.importorskip("av", reason="needs the extra `media`")

EVERY = [(name, stream) for name, streams in RECIPES.items() for stream in streams]


class Eye:
    """A backbone that says which pictures it was shown: their numbers, in the first column of a row."""

    def __init__(self, width: int, per_row: int = 1) -> None:
        self.width, self.per_row, self.shown = width, per_row, []

    def shrink(self, frame: np.ndarray) -> Any:
        return int(frame.max()) if frame.ndim != 3 else number_of(frame)

    def embed(self, shrunk: Sequence[Any]) -> np.ndarray:
        self.shown = list(shrunk)
        rows = np.zeros((len(shrunk) // self.per_row, self.width), np.float32)
        rows[:, 0] = shrunk[:: self.per_row]
        return rows


class Ear:
    """A backbone that hears of each piece its mean and its length."""

    def __init__(self, width: int) -> None:
        self.width, self.heard = width, []

    def __call__(self, pieces: Sequence[np.ndarray]) -> np.ndarray:
        self.heard = list(pieces)
        rows = np.zeros((len(pieces), self.width), np.float32)
        rows[:, 0] = [piece.mean() if len(piece) else 0 for piece in pieces]
        rows[:, 1] = [len(piece) for piece in pieces]
        return rows

    def map(self, samples: np.ndarray) -> np.ndarray:
        self.heard = [*self.heard, samples]
        places = np.resize(samples, 480_000) if len(samples) < 480_000 else samples
        rows = np.zeros((64, self.width), np.float32)
        rows[:32, 0] = places.reshape(32, -1).mean(axis=1)
        rows[32:, 0] = rows[:32, 0] + 1000
        return rows

    def embed_audio(self, samples: np.ndarray, segments: int, seconds: float) -> np.ndarray:
        return np.full((4 * segments, self.width), len(samples), np.float32)


def stand_in(recipe: Recipe) -> Any:
    return Ear(recipe.width) if recipe.kind == "sound" else Eye(recipe.width, 8 if recipe.stream == "video_3d" else 1)


def material(recipe: Recipe, segments: int = 10, seconds: float = 1.0) -> Any:
    """Return a clip's as long as its segments: pictures numbered, sound that says at which second it is."""
    if recipe.times is not None:
        return list(range(len(recipe.times(segments, seconds))))
    count = round(recipe.rate * segments * seconds)
    return list(range(count)) if recipe.kind == "pictures" else (np.arange(count) / recipe.rate).astype(np.float32)


# What all have in common


def test_each_feature_set_has_recipes_of_its_streams_and_weights() -> None:
    assert set(RECIPES) == set(known_features())
    for name in RECIPES:
        streams = named_features(name).streams
        assert list(recipes_of(name)) == list(streams)
        for stream, recipe in recipes_of(name).items():
            assert (recipe.stream, recipe.per_file, recipe.width) == (
                stream,
                streams[stream].rows,
                streams[stream].width,
            )
            assert recipe.weights in WEIGHTS
            assert recipe.weights in weights_of(name)
            assert recipe.about
            assert recipe.kind == ("sound" if stream == "audio" else "pictures")
    with pytest.raises(
        ConfigError, match=r"features: expected one of embedded, llp, .*, found 'lpl'; did you mean 'llp'"
    ):
        recipes_of("lpl")


@pytest.mark.parametrize(("name", "stream"), EVERY)
@pytest.mark.parametrize(("segments", "seconds"), [(10, 1.0), (1, 1.0), (7, 0.5), (20, 2.0), (4, 2.5), (3, 12.0)])
def test_files_have_the_shape_of_the_feature_set(name: str, stream: str, segments: int, seconds: float) -> None:
    recipe = RECIPES[name][stream]
    rows = recipe.run(stand_in(recipe), material(recipe, segments, seconds), segments, seconds)
    card = named_features(name).streams[stream]
    assert rows.dtype == np.float32
    assert rows.shape in card.shapes(segments)
    assert rows.shape == (recipe.rows(segments), recipe.width)
    assert reduce_rows(rows, card.reduce, segments).shape == (segments, recipe.width)


@pytest.mark.parametrize(("name", "stream"), EVERY)
def test_a_clip_without_it(name: str, stream: str) -> None:
    recipe = RECIPES[name][stream]
    nothing = [None] * 40 if recipe.times is not None else material(recipe)[:0]
    with pytest.raises(DataError, match=f"{stream}: expected {recipe.kind} in the clip, found none"):
        recipe.run(stand_in(recipe), nothing)


def test_a_backbone_of_another_width() -> None:
    recipe = RECIPES["lsld"]["video_2d"]
    with pytest.raises(DataError, match=r"video_2d: expected \(80, 512\) of clip_vit_b16, found \(80, 768\)"):
        recipe.run(Eye(768), material(recipe))


def test_weights_are_the_caches_or_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAP_AVVP_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"weights vggish: not in .*`leap-avvp weights get vggish`"):
        RECIPES["llp"]["audio"].make()
    with pytest.raises(DataError, match=r"mine\.pth: expected a file of weights, found none"):
        RECIPES["llp"]["audio"].make(tmp_path / "mine.pth")
    for name, stream in (("valor", "video_2d"), ("uwav", "audio"), ("lsld", "audio"), ("lsld", "video_2d")):
        with pytest.raises(DataError, match=f"weights {RECIPES[name][stream].weights}: not in"):
            RECIPES[name][stream].make()


# Pictures


@pytest.mark.parametrize("count", [80, 82, 300, 37, 1])
def test_llp_takes_80_and_valor_10_evenly(count: int) -> None:
    for name, stream, number in (
        ("llp", "video_2d", 80),
        ("llp", "video_3d", 80),
        ("valor", "video_2d", 10),
        ("lsld", "video_2d", 80),
    ):
        recipe = RECIPES[name][stream]
        eye = stand_in(recipe)
        recipe.run(eye, list(range(count)))
        exact = [(count - 1) * place / (number - 1) for place in range(number)]
        assert len(eye.shown) == number
        assert eye.shown[0] == 0
        assert eye.shown[-1] == count - 1
        assert all(abs(one - other) <= 0.5 + 1e-9 for one, other in zip(eye.shown, exact, strict=True))


def test_a_row_of_motion_is_of_eight_frames_in_a_row() -> None:
    recipe = RECIPES["llp"]["video_3d"]
    rows = recipe.run(stand_in(recipe), list(range(80)))
    np.testing.assert_array_equal(rows[:, 0], np.arange(0, 80, 8))


def test_uwav_takes_the_middle_of_each_second() -> None:
    eye = Eye(768)
    RECIPES["uwav"]["video_2d"].run(eye, list(range(80)))
    assert eye.shown == [4, 12, 20, 28, 36, 44, 52, 60, 68, 76]  # at 8 a second: half past each
    assert centre_rows(82, 10).tolist() == [math.floor((place + 0.5) * 8.2) for place in range(10)]
    assert centre_rows(3, 10).tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    assert centre_rows(1, 4).tolist() == [0] * 4


def test_no_picture_is_a_row_of_zeros_in_the_embedded_set() -> None:
    recipe = RECIPES["embedded"]["video_2d"]
    assert recipe.times is not None
    np.testing.assert_allclose(recipe.times(2, 1.0), np.arange(8) / 4 + 1 / 8)
    rows = recipe.run(Eye(1280), [None, 5, 7, None, 9, None, None, 3], 2, 1.0)
    np.testing.assert_array_equal(rows[:, 0], [0, 5, 7, 0, 9, 0, 0, 3])


# Sound


def test_llp_hears_whole_seconds() -> None:
    recipe, ear = RECIPES["llp"]["audio"], Ear(128)
    sound = np.random.default_rng(0).uniform(-0.9, 0.9, 10 * 44_100 + 900).astype(np.float32)
    recipe.run(ear, sound)
    written = as_moviepy(sound)
    assert len(ear.heard) == 10
    for place, piece in enumerate(ear.heard):
        np.testing.assert_array_equal(piece, written[place * 16_000 : (place + 1) * 16_000])
    recipe.run(ear, sound[: 3 * 44_100 + 22_050])
    assert [len(piece) for piece in ear.heard] == [16_000] * 3 + [8_000] + [0] * 6


@pytest.mark.parametrize(
    ("seconds", "starts", "length"),
    [
        (1.0, [0.0], 1.0),
        (0.5, [0.0], 0.5),
        (2.0, [0.0, 1.0], 1.0),
        (2.5, [0.0, 0.75, 1.5], 1.0),
        (1.5, [0.0, 0.5], 1.0),
    ],
)
def test_whole_seconds_of_other_segments(seconds: float, starts: list[float], length: float) -> None:
    rate = 100
    pieces = second_pieces(np.arange(3000), 4, seconds, rate)
    assert len(pieces) == 4
    for segment, some in enumerate(pieces):
        assert [piece[0] for piece in some] == [round((segment * seconds + start) * rate) for start in starts]
        assert [len(piece) for piece in some] == [round(length * rate)] * len(starts)


def test_a_long_segment_is_the_mean_of_its_seconds() -> None:
    recipe = RECIPES["llp"]["audio"]
    rows = recipe.run(Ear(128), np.full(44_100 * 8, 0.25, np.float32), 2, 4.0)
    np.testing.assert_allclose(rows[:, 0], 0.25, atol=1e-4)
    assert rows[:, 1].tolist() == [16_000, 16_000]


@pytest.mark.parametrize("count", [480_000, 481_344, 479_999, 10, 123_457])
def test_valors_cut(count: int) -> None:
    pieces = equal_pieces(np.arange(count), 10)
    assert [len(piece) for piece in pieces] == [count // 10] * 10
    assert all(abs(piece[0] - place * count / 10) <= 0.5 for place, piece in enumerate(pieces))
    with pytest.raises(DataError, match="expected a sample of sound for each of 10 segments, found 9"):
        equal_pieces(np.arange(9), 10)


def test_claps_embedding_of_a_segment_longer_than_its_ten_seconds() -> None:
    recipe, ear = RECIPES["uwav"]["audio"], Ear(512)
    sound = np.repeat(np.float32([0.1, 0.2, 0.3, 0.4]), 12 * 48_000)
    rows = recipe.run(ear, sound, 2, 24.0)
    assert [len(piece) for piece in ear.heard] == [480_000] * 6  # three in each segment
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    short = RECIPES["lsld"]["audio"].run(Ear(512), sound[:480_000])
    assert short[:, 1].tolist() == [48_000] * 10  # as the network says it


def test_the_map_of_ten_seconds_is_of_the_stretched_sound() -> None:
    recipe, ear = RECIPES["valor"]["audio"], Ear(768)
    sound = np.arange(470_001, dtype=np.float32)
    rows = recipe.run(ear, sound)
    (heard,) = ear.heard
    assert len(heard) == 480_000
    assert (heard[0], heard[-1], heard[239_999]) == (0, 470_000, round(239_999 * 470_000 / 479_999))
    np.testing.assert_array_equal(rows, Ear(768).map(heard))
    recipe.run(ear := Ear(768), sound, 20, 0.5)
    assert len(ear.heard[0]) == 480_000


@pytest.mark.parametrize("duration", [0.3, 3.0, 10.0, 10.5, 25.0, 60.0])
def test_where_maps_of_ten_seconds_lie(duration: float) -> None:
    starts, weights = map_places(duration)
    assert len(starts) == max(1, math.ceil(duration / 10))
    assert weights.shape == (32, 32 * len(starts))
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert starts[0] == 0
    if duration >= 10:
        assert starts[-1] + 10 == duration
    middles = (starts[:, None] + (np.arange(32) + 0.5) * 10 / 32).ravel()
    np.testing.assert_allclose(weights @ middles, (np.arange(32) + 0.5) * duration / 32, atol=10 / 32)
    if duration == 10.0:
        np.testing.assert_allclose(weights, np.eye(32))


def test_a_map_of_thirty_seconds_keeps_its_times() -> None:
    """VALOR's reading of the map (``clap_map``) then gives each segment about what was heard in it."""
    seconds = np.arange(30 * 48_000, dtype=np.float64) / 48_000
    rows = clap_map(Ear(768), seconds.astype(np.float32), 30, 1.0)
    np.testing.assert_allclose(rows[:32, 0], (np.arange(32) + 0.5) * 30 / 32, atol=0.2)
    np.testing.assert_allclose(rows[32:, 0] - rows[:32, 0], 1000, atol=1e-3)
    heard = reduce_rows(rows, "clap_map", 30)[:, 0] - 500
    np.testing.assert_allclose(heard[1:-1], np.arange(1, 29) + 0.5, atol=0.5)
    assert row_weights("clap_map", 64, 30).shape == (30, 64)
    short = clap_map(Ear(768), seconds[: 4 * 48_000].astype(np.float32), 4, 1.0)
    # The last place of 10/32 s that reaches into the 4 s also hears their repetition.
    np.testing.assert_allclose(short[:30, 0], (np.arange(30) + 0.5) * 4 / 32, atol=0.2)


# A clip of another length than its segments


def test_fit_lays_a_clip_at_its_own_times() -> None:
    pictures, sound = RECIPES["llp"]["video_2d"], RECIPES["valor"]["audio"]
    assert fit(pictures, list(range(40)), 10, 1.0) == [*range(40), *[39] * 40]
    assert fit(pictures, list(range(200)), 10, 1.0) == list(range(82))
    assert fit(pictures, list(range(78)), 10, 1.0) == list(range(78))  # a quarter of a second is nothing
    assert fit(pictures, [], 10, 1.0) == []
    filled = fit(sound, np.ones(48_000, np.float32), 10, 1.0)
    assert (len(filled), filled.sum()) == (480_000, 48_000)
    assert len(fit(sound, np.ones(960_000, np.float32), 10, 1.0)) == 480_000
    assert fit(RECIPES["embedded"]["video_2d"], [1, None], 10, 1.0) == [1, None]


def write_clip(path: Path, seconds: float, rate: int = 16, sound: bool = True) -> None:
    """Write numbered pictures, and a tone that falls silent in the second half."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=rate)
        video.width, video.height, video.pix_fmt, video.bit_rate = 192, 128, "yuv420p", 4_000_000
        audio = container.add_stream("pcm_s16le", rate=44_100, layout="mono") if sound else None
        for number in range(round(seconds * rate)):
            frame = av.VideoFrame.from_ndarray(numbered(number, 192, 128), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            time = np.arange(round(seconds * 44_100)) / 44_100
            wave = (8000 * np.sin(2 * np.pi * 500 * time) * (time < seconds / 2)).astype(np.int16)
            block = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
            block.sample_rate = 44_100
            container.mux(audio.encode(block))
            container.mux(audio.encode())


@pytest.mark.parametrize(("name", "stream"), EVERY)
def test_streams_of_a_clip(name: str, stream: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    write_clip(path, 4.0)
    recipe = RECIPES[name][stream]
    backbone = stand_in(recipe)
    rows = extract_stream(Clip(path, name="clip"), recipe, backbone, 4, 1.0)
    assert rows.shape == (recipe.rows(4), recipe.width)
    if recipe.kind == "pictures":  # 16 pictures a second were written: number / 16 is the time
        assert all(one <= other for one, other in zip(backbone.shown, backbone.shown[1:], strict=False))
        middles = (np.arange(len(backbone.shown)) + 0.5) * 4 / len(backbone.shown)
        assert np.abs(np.array(backbone.shown) / 16 - middles).max() < (0.6 if name == "valor" else 0.3)


def test_a_short_clip_is_stretched_or_laid_at_its_times(tmp_path: Path) -> None:
    path = tmp_path / "short.mkv"
    write_clip(path, 2.0)
    recipe = RECIPES["uwav"]["video_2d"]
    stretched, laid = Eye(768), Eye(768)
    extract_stream(Clip(path), recipe, stretched, 4, 1.0)
    extract_stream(Clip(path), recipe, laid, 4, 1.0, stretch=False)
    assert np.ptp(np.diff(stretched.shown)) <= 3  # evenly, but for FFmpeg's choice
    assert laid.shown[2] == laid.shown[3] >= 29  # the last of the pictures at 8 a second
    assert laid.shown[0] == pytest.approx(8, abs=4)  # half a second, less what ffmpeg -r 8 is early
    sound = RECIPES["lsld"]["audio"]
    rows = extract_stream(Clip(path), sound, Ear(512), 4, 1.0, stretch=False)
    assert rows[:, 1].tolist() == [48_000] * 4


def test_a_clip_without_sound_or_pictures(tmp_path: Path) -> None:
    path = tmp_path / "silent.mkv"
    write_clip(path, 1.0, sound=False)
    for stretch in (True, False):
        with pytest.raises(DataError, match="audio: expected sound in the clip, found none"):
            extract_stream(Clip(path), RECIPES["llp"]["audio"], Ear(128), 1, stretch=stretch)
        with pytest.raises(DataError, match="video_2d: expected pictures in the clip, found none"):
            extract_stream(Clip(path, start=5.0, end=6.0), RECIPES["llp"]["video_2d"], Eye(2048), 1, stretch=stretch)


@needs("yamnet", "efficientnet_lite0")
def test_the_embedded_set_is_what_zero_shot_embeds(tmp_path: Path) -> None:
    from leap_avvp.media.decode import frames_at, read_audio
    from leap_avvp.media.zero_shot import ZeroShot, row_times

    path = tmp_path / "clip.mkv"
    write_clip(path, 1.5)
    pair, clip = ZeroShot(), Clip(path)
    audio, video_2d = RECIPES["embedded"].values()
    heard = extract_stream(clip, audio, audio.make(), 2, 1.0)
    np.testing.assert_array_equal(heard, pair.embed_audio(read_audio(clip, 16_000), 2, 1.0))
    seen = extract_stream(clip, video_2d, video_2d.make(), 2, 1.0)
    np.testing.assert_allclose(seen, pair.embed_frames(list(frames_at(clip, row_times(2, 1.0)))), atol=1e-4)
    assert (seen[-1] == 0).all()
    assert seen[0].any()


@needs_video
def test_the_real_video() -> None:
    clip = Clip(VIDEO, name="BjCEufrlXm4_30_40")
    looked = SimpleNamespace(
        shrink=lambda frame: frame.shape, embed=lambda some: np.zeros((len(some), 2048), np.float32)
    )
    recipe = RECIPES["llp"]["video_2d"]
    assert extract_stream(clip, recipe, looked).shape == (80, 2048)
    ear = Ear(128)
    extract_stream(clip, RECIPES["llp"]["audio"], ear)
    assert [len(piece) for piece in ear.heard] == [16_000] * 10
    assert all(piece.std() > 0 for piece in ear.heard)
