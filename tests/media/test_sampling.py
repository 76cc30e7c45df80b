"""Which pictures and segments are looked at, against plain Python, and FFmpeg's own choice where it is installed."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from leap_avvp.errors import ConfigError
from leap_avvp.media.sampling import (
    CLIP_FRAMES,
    LLP_FRAMES,
    Window,
    constant_rate_copies,
    linspace_rows,
    segment_count,
    segment_times,
    stitch,
    stitch_weights,
    windows,
)
from tests.media.conftest import numbered, tone, write_media

FFMPEG = shutil.which("ffmpeg")


@pytest.mark.parametrize("k", [1, 2, LLP_FRAMES, CLIP_FRAMES])
@pytest.mark.parametrize("n", [1, 2, 7, 79, 80, 81, 82, 240, 1001])
def test_rows_are_spread_evenly_and_rounded_half_to_even(n: int, k: int) -> None:
    exact = [Fraction((n - 1) * index, k - 1) if k > 1 else Fraction(0) for index in range(k)]
    assert linspace_rows(n, k).tolist() == [round(value) for value in exact]


def test_rows_of_llp() -> None:
    assert linspace_rows(80, LLP_FRAMES).tolist() == list(range(80))
    assert len(set(linspace_rows(82, LLP_FRAMES).tolist())) == 80
    assert linspace_rows(82, LLP_FRAMES)[[0, -1]].tolist() == [0, 81]
    assert linspace_rows(40, LLP_FRAMES).tolist() == sorted(linspace_rows(40, LLP_FRAMES).tolist())
    assert linspace_rows(81, CLIP_FRAMES).tolist() == [0, 9, 18, 27, 36, 44, 53, 62, 71, 80]


@pytest.mark.parametrize(("n", "k"), [(0, 80), (80, 0), (-1, 2)])
def test_rows_of_nothing(n: int, k: int) -> None:
    with pytest.raises(ConfigError, match="expected both to be 1 or more"):
        linspace_rows(n, k)


def test_segment_times() -> None:
    assert segment_times(3).tolist() == [0.5, 1.5, 2.5]
    assert segment_times(2, 0.5, 2).tolist() == [0.125, 0.375, 0.625, 0.875]
    with pytest.raises(ConfigError, match="positive"):
        segment_times(0)


# Of what `ffmpeg -r 8` writes


def plain_copies(times: list[float], durations: list[float], fps: float, rate: float) -> list[int]:
    """Return what :func:`constant_rate_copies` does, picture by picture and in other words, for a steady rate."""
    written: list[int] = []
    for index, time in enumerate(times):
        lasts = round(durations[index] * rate) or min(1.0, rate / fps)
        end = time * rate + lasts - len(written)
        number = 0 if end < -1.1 else round(end) if end > 1.1 else 1
        early = round(time * rate - len(written) - 0.6) if time * rate - len(written) > 1.1 and number > 1 else 0
        written += [max(index - 1, 0)] * min(early, number) + [index] * (number - min(early, number))
    return [written.count(index) for index in range(len(times))]


@pytest.mark.parametrize("fps", [1, 5, 7.5, 10, 12, 15, 24, 29.97, 30, 50, 60, 120])
def test_copies_of_steady_rates(fps: float) -> None:
    times = [index / fps for index in range(round(10 * fps))]
    copies = constant_rate_copies(times, [1 / fps] * len(times), fps)
    assert copies.tolist() == plain_copies(times, [1 / fps] * len(times), fps, 8.0)
    assert abs(copies.sum() - 80) <= 3


def test_ten_seconds_of_thirty_are_82() -> None:
    copies = constant_rate_copies(np.arange(300) / 29.92, np.full(300, 1 / 29.92), 29.92)
    assert copies.sum() == 82
    assert copies[:3].tolist() == [1, 1, 0]


def test_copies_stop_at_a_broken_clock() -> None:
    copies = constant_rate_copies([0.0, 1e9, 1e9 + 0.1], [0.1, 0.1, 0.1], 10)
    assert copies.sum() < 10
    assert constant_rate_copies([], [], 10).tolist() == []


@pytest.mark.parametrize(("times", "durations", "rate"), [([0.0], [], 8), ([0.0], [0.1], 0), ([0.0], [0.1], np.nan)])
def test_copies_of_nonsense(times: list[float], durations: list[float], rate: float) -> None:
    with pytest.raises(ConfigError, match="expected a positive rate"):
        constant_rate_copies(times, durations, 25, rate)


JITTER = np.cumsum(np.random.default_rng(0).choice([0.02, 0.03, 0.05, 0.3, 0.9], 60, p=[0.3, 0.3, 0.3, 0.07, 0.03]))


@pytest.mark.skipif(FFMPEG is None, reason="the command ffmpeg is not installed")
@pytest.mark.parametrize("seconds", [None, (1.0, 1.5)], ids=["whole", "stretch"])
@pytest.mark.parametrize("rate", [8, 3])
@pytest.mark.parametrize("fps", [1, 3, 5, 8, 10, 12, 16, 25, 30, 60, 120, 0], ids=lambda fps: f"{fps or 'variable'}")
def test_the_command_ffmpeg_writes_the_same(
    fps: int, rate: int, seconds: tuple[float, float] | None, tmp_path: Path
) -> None:
    from leap_avvp.media.decode import Clip, constant_rate

    assert FFMPEG is not None
    times = None if fps else [0.0, *JITTER]
    number = max(3 * fps, 61 * (not fps))
    # The whole variable one has sound, too, which begins before its pictures: a file has one clock for both. (Of a
    # stretch the command counts the seconds from its first picture then; ours ends by the clock.)
    sound = None if fps or seconds else tone(2.0, 16_000)
    late = None if times is None else [0.3 + time for time in times]
    video = write_media(tmp_path / "v.mkv", pictures=number, rate=fps or 25, times=late, codec="ffv1", sound=sound)
    cut = [] if seconds is None else ["-ss", str(seconds[0]), "-t", str(seconds[1])]
    command = [FFMPEG, "-v", "error", *cut, "-i", str(video), "-r", str(rate), "-f", "rawvideo", "-pix_fmt", "rgb24"]
    # As the numbered pictures: a container without times, that does not want a constant rate of its own accord.
    raw = subprocess.run([*command, "-vsync", "cfr", "-"], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    written = np.frombuffer(raw.stdout, np.uint8).reshape(-1, *numbered(0).shape)
    start, length = seconds or (0.0, None)
    clip = Clip(video, start, None if length is None else start + length)
    assert np.array_equal(np.array(list(constant_rate(clip, rate))).reshape(-1, *numbered(0).shape), written)


# Windows


@pytest.mark.parametrize("overlap", [0, 1, 3, 4])
@pytest.mark.parametrize("duration", [0.0, 0.2, 4.9, 5.0, 5.1, 7.0, 23.4, 60.0])
def test_windows_cover_every_segment(duration: float, overlap: int) -> None:
    placed = list(windows(duration, 5, 1.0, overlap))
    total = segment_count(duration)
    covered = [0] * max(total, 5)
    for window in placed:
        for segment in range(window.first, window.first + 5):
            covered[segment] += 1
    assert min(covered) >= 1
    for before, after in itertools.pairwise(placed):
        assert 1 <= after.first - before.first <= 5 - overlap
    assert placed[-1].first + 5 == max(total, 5)
    assert placed[0] == Window(0, 5, 1.0)


def test_windows_in_seconds() -> None:
    assert [(w.first, w.start, w.end) for w in windows(11.0, 10, 0.5, 2)] == [
        (0, 0.0, 5.0),
        (8, 4.0, 9.0),
        (12, 6.0, 11.0),
    ]
    assert segment_count(10.0000001) == 10
    assert segment_count(10.027) == 11
    assert segment_count(0.0) == 1


@pytest.mark.parametrize("bad", [(10.0, 0, 1.0, 0), (10.0, 5, 1.0, 5), (10.0, 5, 1.0, -1), (10.0, 5, 0.0, 0)])
def test_windows_that_cannot_be(bad: tuple[float, int, float, int]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        list(windows(*bad))
    with pytest.raises(ConfigError, match="expected"):
        list(windows(float("nan"), 5))


def plain_stitch(placed: list[Window], values: list[np.ndarray], total: int) -> list[float]:
    joined = []
    for segment in range(total):
        parts = []
        for window, array in zip(placed, values, strict=True):
            row = segment - window.first
            if 0 <= row < window.segments and not np.isnan(array[row]):
                parts.append((min(row + 1, window.segments - row), float(array[row])))
        weight = sum(share for share, _ in parts)
        joined.append(sum(share * value for share, value in parts) / weight if parts else float("nan"))
    return joined


@pytest.mark.parametrize("overlap", [0, 2, 5])
def test_stitching_is_a_weighted_mean_of_what_is_judged(overlap: int) -> None:
    rng = np.random.default_rng(overlap)
    placed = list(windows(17.0, 6, 1.0, overlap))
    values = [rng.random(6) for _ in placed]
    for array in values:
        array[rng.random(6) < 0.3] = np.nan
    joined = stitch(placed, values, 17)
    np.testing.assert_allclose(joined, plain_stitch(placed, values, 17), rtol=1e-12)
    wide = stitch(placed, [np.stack([array, 1 - array], axis=1) for array in values], 17)
    np.testing.assert_allclose(wide, np.stack([joined, 1 - joined], axis=1), rtol=1e-12)


def test_what_windows_agree_on_stays_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((23, 3))
    placed = list(windows(23.0, 10, 1.0, 4))
    values = [truth[w.first : w.first + 10] for w in placed]
    assert np.array_equal(stitch(placed, values, 23), truth)
    short = list(windows(3.0, 10))
    assert np.array_equal(stitch(short, [np.arange(10.0)], 3), np.arange(3.0))


def test_no_seam_where_windows_differ() -> None:
    placed = list(windows(30.0, 10, 1.0, 8))
    joined = stitch(placed, [np.full(10, index % 2, float) for index in range(len(placed))], 30)
    assert np.abs(np.diff(joined)).max() < 0.5
    weights = stitch_weights(10)
    assert weights.tolist() == weights[::-1].tolist()
    assert weights.min() > 0
    assert weights.max() == 1


def test_stitching_what_does_not_fit() -> None:
    placed = list(windows(17.0, 6))
    with pytest.raises(ConfigError, match="expected values of each window"):
        stitch(placed, [np.zeros(6)], 17)
    with pytest.raises(ConfigError, match=r"expected \(6,\), found \(5,\)"):
        stitch(placed, [np.zeros(6), np.zeros(5), np.zeros(6)], 17)
    with pytest.raises(ConfigError, match="expected 1 or more"):
        stitch_weights(0)
