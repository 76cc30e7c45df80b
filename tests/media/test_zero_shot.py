"""Scores and features of clips by the embedded pair: which windows and pictures count where, and the real video."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from leap_avvp.llp import CLASSES
from leap_avvp.media.backbones.yamnet import SAMPLES
from leap_avvp.media.names import Names, names_for
from leap_avvp.media.zero_shot import (
    AUDIO_THRESHOLD,
    VISUAL_THRESHOLD,
    ZeroShot,
    frame_times,
    row_times,
)
from tests.media.pretrained import VIDEO, needs, needs_video

RATE = 16_000
NAMES = Names(("loud", "louder", "unheard"), ((0,), (1, 2), ()), ((0, 1), (), (2,)))


class Ear:
    """Hears how loud a window is: class 0 its mean, class 1 half of it, class 2 where it begins."""

    rate = RATE

    def __init__(self) -> None:
        self.windows = 0

    def hear(self, pieces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert pieces.shape[1] == SAMPLES
        self.windows += len(pieces)
        scores = np.zeros((len(pieces), 521), np.float32)
        scores[:, 0], scores[:, 1], scores[:, 2] = pieces.mean(1), pieces.mean(1) / 2, pieces[:, 0]
        return np.repeat(pieces[:, :1], 1024, axis=1), scores


class Eye:
    """Sees a picture's brightness: classes 0 and 1 a quarter of it each, class 2 half."""

    width = 1280

    def __init__(self) -> None:
        self.most = 0

    def shrink(self, picture: np.ndarray) -> np.ndarray:
        return picture[:1, :1]

    def see(self, shrunk: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        self.most = max(self.most, len(shrunk))
        bright = np.array([one[0, 0, 0] for one in shrunk], np.float32) / 255
        probabilities = np.zeros((len(shrunk), 1000), np.float32)
        probabilities[:, 0], probabilities[:, 1], probabilities[:, 2] = bright / 4, bright / 4, bright / 2
        return np.repeat(bright[:, None], 1280, axis=1), probabilities

    def __call__(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        return self.see([self.shrink(one) for one in frames])[0] if len(frames) else np.zeros((0, 1280), np.float32)


@pytest.fixture
def pair() -> Any:
    made = ZeroShot.__new__(ZeroShot)
    made.ear, made.eye = Ear(), Eye()  # type: ignore[assignment]
    return made


def picture(value: int) -> np.ndarray:
    return np.full((4, 6, 3), value, np.uint8)


@pytest.mark.parametrize(("segments", "seconds"), [(10, 1.0), (3, 2.5), (40, 0.1), (7, 0.96)])
def test_a_segments_score_is_the_best_window_centred_in_it(segments: int, seconds: float, pair: Any) -> None:
    rng = np.random.default_rng(0)
    samples = np.repeat(rng.random(-(-int(segments * seconds * RATE) // 800)), 800).astype(np.float32)
    got = pair.hear(samples, segments, seconds, NAMES)
    assert got.shape == (segments, 3)
    assert got.dtype == np.float32
    assert np.isnan(got[:, 2]).all()
    for segment in range(segments):
        centres = [0.12 * n for n in range(int(segments * seconds / 0.12) + 1)] + [(segment + 0.5) * seconds]
        inside = [one for one in centres if segment * seconds <= one < (segment + 1) * seconds]
        best = 0.0
        for centre in inside:
            start = min(max(round(centre * RATE) - SAMPLES // 2, 0), len(samples) - SAMPLES)
            best = max(best, float(samples[start : start + SAMPLES].mean()))
        assert got[segment, 0] == pytest.approx(best, abs=1e-5)
    assert (got[:, 1] >= got[:, 0] / 2 - 1e-6).all()  # the higher of its two names


def test_windows_that_fall_together_are_heard_once(pair: Any) -> None:
    pair.hear(np.zeros(10 * RATE, np.float32), 10, 1.0, NAMES)
    assert pair.ear.windows < 10 / 0.12 + 10 - 5


@pytest.mark.parametrize(
    ("seconds_of_sound", "judged"), [(0, 0), (0.1, 0), (0.5, 1), (3.4, 3), (3.5, 4), (9.6, 10), (30, 10)]
)
def test_where_no_sound_is_nothing_is_judged(seconds_of_sound: float, judged: int, pair: Any) -> None:
    got = pair.hear(np.full(round(seconds_of_sound * RATE), 0.5, np.float32), 10, 1.0, NAMES)
    np.testing.assert_array_equal(np.isnan(got[:, 0]), [place >= judged for place in range(10)])
    if seconds_of_sound > 1:
        np.testing.assert_allclose(got[:judged, 0], 0.5, rtol=1e-5)


def test_silence_is_judged(pair: Any) -> None:
    assert (pair.hear(np.zeros(10 * RATE, np.float32), 10, 1.0, NAMES)[:, 0] == 0).all()


def test_of_a_segments_pictures_the_best_counts_and_names_are_added(pair: Any) -> None:
    times = frame_times(4, 1.0)
    values = np.arange(1, 17) * 10
    frames = [(float(time), picture(int(value))) for time, value in zip(times, values, strict=True)]
    frames[8:12] = [(time, None) for time, _ in frames[8:12]]
    frames += [(-0.1, picture(255)), (4.0, picture(255))]  # outside of the clip
    got = pair.see(frames, 4, 1.0, NAMES)
    best = np.array([40, 80, np.nan, 160]) / 255
    np.testing.assert_allclose(got[:, 0], best / 2, rtol=1e-5)
    np.testing.assert_allclose(got[:, 2], best / 2, rtol=1e-5)
    assert np.isnan(got[:, 1]).all()
    assert np.isnan(pair.see([], 4, 1.0, NAMES)).all()


def test_pictures_are_looked_at_as_they_come(pair: Any) -> None:
    taken = 0

    def decoded() -> Iterator[tuple[float, np.ndarray]]:
        nonlocal taken
        for time in frame_times(100, 1.0):
            taken += 1
            yield float(time), picture(100)

    def counted(shrunk: Sequence[np.ndarray], see: Any = pair.eye.see) -> Any:
        assert taken <= looked.setdefault("at", 0) + 16
        looked["at"] += len(shrunk)
        return see(shrunk)

    looked: dict[str, int] = {}
    pair.eye.see = counted
    pair.see(decoded(), 100, 1.0, NAMES)
    assert looked["at"] == taken == 400


@pytest.mark.parametrize(("segments", "seconds", "count"), [(10, 1.0, 40), (3, 2.5, 30), (40, 0.1, 40), (2, 0.3, 2)])
def test_times_of_pictures_lie_evenly_inside_segments(segments: int, seconds: float, count: int) -> None:
    times = frame_times(segments, seconds)
    assert len(times) == count
    assert (np.bincount((times / seconds).astype(int), minlength=segments) == count // segments).all()
    np.testing.assert_allclose(np.diff(times), segments * seconds / count)
    rows = row_times(segments, seconds)
    assert len(rows) == 4 * segments
    np.testing.assert_allclose(rows[:4], np.array([1, 3, 5, 7]) * seconds / 8)


def test_rows_of_sound_are_the_windows_around_their_times(pair: Any) -> None:
    samples = (np.arange(8 * RATE) / RATE).astype(np.float32)  # each says when it is heard
    rows = pair.embed_audio(samples, 10, 1.0)
    assert rows.shape == (40, 1024)
    expected = np.clip(row_times(10, 1.0) - SAMPLES / 2 / RATE, 0, 10 - SAMPLES / RATE)
    inside = expected < 8 - 1 / RATE
    np.testing.assert_allclose(rows[inside, 0], expected[inside], atol=2 / RATE)
    assert (rows[~inside] == 0).all()  # silence behind the end
    longer = np.concatenate([samples, samples])
    np.testing.assert_array_equal(pair.embed_audio(longer, 8, 1.0), pair.embed_audio(samples, 8, 1.0))
    assert pair.embed_audio(np.zeros(0, np.float32), 2, 0.1).shape == (8, 1024)


def test_rows_of_pictures_are_zeros_where_there_is_none(pair: Any) -> None:
    rows = pair.embed_frames([picture(255), None, picture(51)])
    np.testing.assert_allclose(rows[:, 0], [1, 0, 0.2], rtol=1e-6)
    assert rows.shape == (3, 1280)
    assert pair.embed_frames([None]).sum() == 0


@needs("yamnet", "efficientnet_lite0")
@needs_video
def test_the_real_video_is_heard_and_seen() -> None:
    pytest.importorskip("av")
    decode = pytest.importorskip("leap_avvp.media.decode")
    clip = decode.Clip(VIDEO)
    pair, names, times = ZeroShot(), names_for(CLASSES), frame_times(10, 1.0)
    samples = decode.read_audio(clip, RATE)
    frames = list(zip(times, decode.frames_at(clip, times), strict=True))
    audio, visual = pair.score(samples, frames, 10, 1.0, names)
    heard, seen = audio >= AUDIO_THRESHOLD, visual >= VISUAL_THRESHOLD
    speech, dog = CLASSES.index("Speech"), CLASSES.index("Dog")
    assert heard[:, dog].sum() >= 8
    assert seen[:, dog].sum() >= 7
    assert heard[5:7, speech].any()
    assert not heard[:2, speech].any()
    assert np.isnan(visual[:, speech]).all()
    others = [place for place in range(25) if place not in (speech, dog)]
    assert not heard[:, others].any()
    assert not seen[:, others].any()
    assert np.nanmax(audio[:, others]) < 0.2
    assert np.nanmax(visual[:, others]) < 0.2
    again = pair.score(samples, frames, 10, 1.0, names)
    np.testing.assert_array_equal(audio, again[0])
    np.testing.assert_array_equal(visual, again[1])

    rows = list(decode.frames_at(clip, row_times(10, 1.0)))
    assert pair.embed_audio(samples, 10, 1.0).shape == (40, 1024)
    features = pair.embed_frames(rows)
    assert features.shape == (40, 1280)
    assert 0 <= features.min() < features.max() <= 6
    assert math.isfinite(float(features.sum()))
