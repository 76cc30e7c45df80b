"""Pictures and sound of undamaged media: each at its time, against plain loops, soxr on whole arrays, and FFmpeg."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.media import extras, opening
from leap_avvp.media.decode import (
    TOLERANCE,
    Clip,
    audio_blocks,
    constant_rate,
    count_constant_rate,
    frames_at,
    probe,
    read_audio,
    sound_spans,
    stretched,
)
from leap_avvp.media.sampling import linspace_rows
from tests.media.conftest import number_of, numbered, tone, write_media

av = pytest.importorskip("av", reason="PyAV is not installed (the extra `media`)")
soxr = pytest.importorskip("soxr", reason="soxr is not installed (the extra `media`)")

REAL = Path(__file__).parents[3] / "shared" / "llp" / "video" / "BjCEufrlXm4.mp4"
needs_real = pytest.mark.skipif(not REAL.is_file(), reason=f"LLP's sample video is not at {REAL}")
FFMPEG = shutil.which("ffmpeg")


def plain_frames(path: Path) -> list[tuple[float, np.ndarray]]:
    """Return the time and the picture of each frame, by PyAV's own loop."""
    with av.open(str(path)) as container:
        begins = (container.start_time or 0) / 1e6
        return [
            (frame.time - begins, frame.to_ndarray(format="rgb24", interpolation="BICUBIC"))
            for frame in container.decode(video=0)
        ]


def plain_at(frames: list[tuple[float, np.ndarray]], time: float) -> np.ndarray:
    return max((pair for pair in frames if pair[0] <= time + 1e-4), key=lambda pair: pair[0])[1]


# The real video


@needs_real
@pytest.mark.skipif(FFMPEG is None, reason="the command ffmpeg is not installed")
def test_frames_of_the_real_video_are_those_of_the_command_ffmpeg(tmp_path: Path) -> None:
    assert FFMPEG is not None
    subprocess.run([FFMPEG, "-v", "error", "-i", str(REAL), "-r", "8", str(tmp_path / "%06d.png")], check=True)
    files = sorted(tmp_path.glob("*.png"))
    assert len(files) == 82, "as many as AVVP-ECCV20's own frames of this video"
    written = []
    for file in files:
        with av.open(str(file)) as container:
            written.append(next(container.decode(video=0)).to_ndarray(format="rgb24"))
    ours = list(constant_rate(Clip(REAL)))
    assert len(ours) == count_constant_rate(Clip(REAL)) == 82
    assert all(np.array_equal(one, other) for one, other in zip(ours, written, strict=True))
    chosen = list(stretched(Clip(REAL)))
    assert all(
        np.array_equal(one, written[row]) for one, row in zip(chosen, linspace_rows(82, 80).tolist(), strict=True)
    )


@needs_real
def test_pictures_of_the_real_video_by_time() -> None:
    frames = plain_frames(REAL)
    times = np.arange(80) / 8 + 1 / 16
    for time, picture in zip(times.tolist(), frames_at(Clip(REAL), times), strict=True):
        assert np.array_equal(picture, plain_at(frames, time))
    part = frames_at(Clip(REAL, 9.0, 9.9), times[:7])
    assert all(np.array_equal(one, plain_at(frames, 9 + t)) for one, t in zip(part, times[:7].tolist(), strict=True))


@needs_real
def test_sound_of_the_real_video() -> None:
    info = probe(REAL)
    assert (info.width, info.height, info.rotation, info.audio_rate, info.channels) == (320, 240, 0, 44_100, 2)
    assert info.duration == pytest.approx(10.028, abs=1e-3)
    assert info.fps == pytest.approx(29.917, abs=1e-3)
    with av.open(str(REAL)) as container:
        raw = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    whole = soxr.resample(raw.mean(axis=0, dtype=np.float32), 44_100, 16_000)
    np.testing.assert_allclose(read_audio(Clip(REAL), 16_000), whole, atol=1e-6)
    assert sound_spans(Clip(REAL)) == [(0.0, len(raw[0]) / 44_100)]


# Pictures


CODECS: dict[str, dict[str, Any]] = {
    "x264.mp4": {"options": {"bf": "3", "b-pyramid": "normal", "g": "40"}},
    "x264.mkv": {"options": {"bf": "2", "x264-params": "open-gop=1:keyint=12:min-keyint=12:log-level=none"}},
    "x265.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"bf": "2"}},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12", "svtav1-params": "verbose=0"}},
    "ffv1.mkv": {"codec": "ffv1"},
    "mpeg4.avi": {"codec": "mpeg4"},
}


def make(path: Path, **options: Any) -> Path:
    try:
        return write_media(path, **options)
    except (av.FFmpegError, av.codec.codec.UnknownCodecError, ValueError) as error:
        pytest.skip(f"this PyAV does not encode {options.get('codec')}: {error}")


@pytest.mark.parametrize("name", CODECS)
def test_skipping_pictures_changes_none(name: str, tmp_path: Path) -> None:
    path = make(tmp_path / name, pictures=80, rate=20, **CODECS[name])
    frames = plain_frames(path)
    assert len(frames) == 80
    for times in (
        np.arange(40) / 10 + 0.01,
        np.arange(80) / 20 + 0.01,
        [0.0, 1.66, 3.9],
        [2.22],
        np.arange(0, 4, 1e-2),
    ):
        moments = np.asarray(times)
        for time, picture in zip(moments.tolist(), frames_at(Clip(path), moments), strict=True):
            assert np.array_equal(picture, plain_at(frames, time)), f"at {time}"


@pytest.mark.parametrize("name", CODECS)
def test_stretches_that_begin_late(name: str, tmp_path: Path) -> None:
    path = make(tmp_path / name, pictures=400, rate=20, **CODECS[name])
    for start in (0.5, 2.5, 7.3, 13.01, 19.8):
        clip = Clip(path, start, start + 1.0)
        times = np.arange(0, min(1.0, 19.99 - start), 0.09)
        found = [number_of(picture) for picture in frames_at(clip, times)]
        assert found == [int((start + time) * 20 + 2e-3) for time in times.tolist()]


def test_a_late_stretch_reads_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_media(
        tmp_path / "v.mp4", pictures=1000, rate=20, options={"g": "20"}, sound=tone(50, 8000), sound_rate=8000
    )
    read = 0
    packets = opening.Opened.packets

    def counted(self: opening.Opened, stream: Any) -> Iterator[Any]:
        nonlocal read
        for packet in packets(self, stream):
            read += 1
            yield packet

    monkeypatch.setattr(opening.Opened, "packets", counted)
    assert [number_of(one) for one in frames_at(Clip(path, 40.0, 41.0), [0.0, 0.5])] == [800, 810]
    assert read < 200
    assert len(read_audio(Clip(path, 40.0, 41.0), 8000)) == 8000
    assert read < 400


@pytest.mark.parametrize("lands", [25.0, 49.0, None], ids=["late", "at the end", "refused"])
def test_a_file_that_seeks_wrongly_is_read_from_its_beginning(
    lands: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_media(
        tmp_path / "v.mkv",
        pictures=500,
        rate=10,
        codec="mpeg4",
        sound=tone(50, 8000),
        sound_codec="flac",
        sound_rate=8000,
    )
    clip = Clip(path, 20.0, 22.0)
    expected = read_audio(clip, 8000)
    seek = opening.Opened.seek
    monkeypatch.setattr(
        opening.Opened, "seek", lambda self, stream, time: False if lands is None else seek(self, stream, lands)
    )
    assert [number_of(one) for one in frames_at(clip, [0.05, 1.95, 2.0, 2.2])] == [200, 219, 219, None]
    assert np.array_equal(read_audio(clip, 8000), expected)


def test_before_behind_and_between(tmp_path: Path) -> None:
    path = write_media(tmp_path / "v.mkv", pictures=4, times=[0.0, 0.2, 0.25, 2.0], codec="ffv1")
    times = [-0.2, -0.1, 0.0, 0.19, 0.2, 0.26, 1.9, 2.0]
    assert [number_of(one) for one in frames_at(Clip(path), times)] == [None, 0, 0, 0, 1, 2, 2, 3]
    clip = Clip(path, 0.21, 0.5)
    assert [number_of(one) for one in frames_at(clip, [0.0, 0.1, 0.29, 0.4, 0.45])] == [1, 2, 2, 2, None]
    assert list(frames_at(Clip(path, 30.0, 40.0), [0.0, 1.0])) == [None, None]
    assert list(frames_at(clip, [])) == []
    with pytest.raises(ConfigError, match="expected ascending seconds"):
        frames_at(clip, [1.0, 0.5])
    with pytest.raises(ConfigError, match="expected ascending seconds"):
        frames_at(clip, [float("nan")])


def test_pictures_that_begin_after_the_sound(tmp_path: Path) -> None:
    times = [1.0 + index / 10 for index in range(20)]
    path = write_media(
        tmp_path / "v.mkv", pictures=20, times=times, codec="ffv1", sound=tone(3, 16_000), sound_codec="flac"
    )
    found = [number_of(one) for one in frames_at(Clip(path), [0.0, 0.8, 1 - TOLERANCE, 1.0, 2.95])]
    assert found == [None, None, 0, 0, 19]


@pytest.mark.parametrize(
    ("pix_fmt", "codec"),
    [
        *(
            ("gray", "ffv1"),
            ("yuv420p", "ffv1"),
            ("yuva420p", "ffv1"),
            ("yuv422p10le", "ffv1"),
            ("yuv444p16le", "ffv1"),
        ),
        *(("bgr0", "ffv1"), ("rgba", "png"), ("rgb48be", "png"), ("gray16be", "png")),
    ],
)
def test_pixel_formats(pix_fmt: str, codec: str, tmp_path: Path) -> None:
    grey = np.full((48, 64, 3), 100, np.uint8)
    path = make(tmp_path / f"v.{'mov' if codec == 'png' else 'mkv'}", pictures=[grey] * 3, codec=codec, pix_fmt=pix_fmt)
    (picture,) = frames_at(Clip(path), [0.05])
    assert picture is not None
    assert picture.shape == (48, 64, 3)
    assert picture.dtype == np.uint8
    assert np.abs(picture.astype(int) - 100).max() <= 4


def test_a_picture_is_held_and_two_more(tmp_path: Path) -> None:
    import weakref

    path = write_media(tmp_path / "v.mkv", pictures=60, codec="mjpeg", pix_fmt="yuvj420p", rate=10)
    alive: list[weakref.ref[Any]] = []
    most = 0
    for picture in constant_rate(Clip(path), 10):
        alive.append(weakref.ref(picture))
        del picture
        most = max(most, sum(one() is not None for one in alive))
    assert len(alive) >= 60
    assert most <= 3


def test_the_same_bytes_again(tmp_path: Path) -> None:
    path = write_media(tmp_path / "v.mkv", pictures=60, sound=tone(2, 44_100, 2), sound_rate=44_100)
    first, second = ([one.tobytes() for one in constant_rate(Clip(path))] for _ in range(2))
    assert first == second
    assert read_audio(Clip(path), 16_000).tobytes() == read_audio(Clip(path), 16_000).tobytes()


# Sound


@pytest.mark.parametrize(
    ("codec", "step"),
    [
        *(
            ("pcm_u8", 2**-7),
            ("pcm_s16le", 2**-15),
            ("pcm_s24le", 2**-23),
            ("pcm_s32le", 2**-24),
            ("pcm_f32le", 2**-24),
        ),
        *(("pcm_f64le", 2**-24), ("pcm_alaw", 2**-5)),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_sample_formats(codec: str, step: float, channels: int, tmp_path: Path) -> None:
    sound = tone(0.25, 16_000, channels)
    path = write_media(tmp_path / "s.mka", sound=sound, sound_codec=codec)
    kept = read_audio(Clip(path), 16_000, mono=False)
    assert kept.dtype == np.float32
    np.testing.assert_allclose(kept, sound, atol=2 * step)
    np.testing.assert_allclose(read_audio(Clip(path), 16_000), sound.mean(axis=1), atol=2 * step)


@pytest.mark.parametrize("wanted", [8_000, 16_000, 32_000, 48_000])
@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_rates(rate: int, wanted: int, tmp_path: Path) -> None:
    sound = tone(2.3, rate, 2)
    path = write_media(tmp_path / "s.wav", sound=sound, sound_rate=rate, sound_codec="pcm_f32le")
    whole = sound if rate == wanted else soxr.resample(sound, rate, wanted, "HQ")
    streamed = read_audio(Clip(path), wanted, mono=False)
    np.testing.assert_allclose(streamed, whole, atol=1e-6)


def test_blocks_do_not_change_the_samples(tmp_path: Path) -> None:
    path = write_media(tmp_path / "s.flac", sound=tone(5.3, 44_100, 2), sound_rate=44_100, sound_codec="flac")
    whole = read_audio(Clip(path), 16_000)
    for seconds in (0.001, 0.96, 1.0, 5.3, 100.0):
        blocks = list(audio_blocks(Clip(path), 16_000, seconds=seconds))
        size = round(seconds * 16_000)
        assert all(len(block) == size for block in blocks[:-1])
        assert 0 < len(blocks[-1]) <= size
        assert np.array_equal(np.concatenate(blocks), whole)
    channels = list(audio_blocks(Clip(path), 16_000, mono=False, seconds=2.0))
    assert [block.shape for block in channels] == [(32_000, 2), (32_000, 2), (20_800, 2)]
    for rate, seconds in ((0, 1.0), (16_000, 0.0), (10**9, 1.0)):
        with pytest.raises(ConfigError, match="sound: expected a rate"):
            audio_blocks(Clip(path), rate, seconds=seconds)


@pytest.mark.parametrize("name", ["s.wav", "s.flac", "s.mov", "s.aiff"])
def test_stretches_are_cut_to_the_sample(name: str, tmp_path: Path) -> None:
    codec = {"s.flac": "flac", "s.aiff": "pcm_s16be"}.get(name, "pcm_s16le")
    rate = 44_100
    sound = np.linspace(-0.9, 0.9, 30 * rate, dtype=np.float32)[:, None]
    path = write_media(tmp_path / name, sound=sound, sound_rate=rate, sound_codec=codec)
    whole = read_audio(Clip(path), rate)
    for start, end in ((0.0, 0.5), (1.7, 2.9), (12.34, 13.46), (29.5, None), (29.5, 40.0)):
        first = round(start * rate)
        last = None if end is None else first + round((end - start) * rate)
        assert np.array_equal(read_audio(Clip(path, start, end), rate), whole[first:last])
    assert read_audio(Clip(path, 31.0, 32.0), rate).shape == (0,)
    assert read_audio(Clip(path, 31.0, 32.0), rate, mono=False).shape == (0, 0)


@pytest.mark.parametrize(
    ("name", "codec"), [("s.m4a", "aac"), ("s.mp3", "libmp3lame"), ("s.ogg", "libopus"), ("s.ts", "mp2")]
)
def test_stretches_of_compressed_sound(name: str, codec: str, tmp_path: Path) -> None:
    rate = 48_000
    path = write_media(tmp_path / name, sound=tone(20, rate), sound_rate=rate, sound_codec=codec)
    whole = read_audio(Clip(path), rate)
    for start in (1.0, 7.77, 15.2):
        part = read_audio(Clip(path, start, start + 1.0), rate)
        assert len(part) == rate
        first = round(start * rate)
        shifts = [np.abs(part - whole[first + shift : first + shift + rate]).max() for shift in range(-48, 49)]
        assert min(shifts) < 0.02, "not the same sound within a millisecond"


@pytest.mark.parametrize(
    ("name", "codec", "channels"),
    [("s.mp4", "aac", 8), ("s.mkv", "libopus", 8), ("s.flac", "flac", 8), ("s.wav", "pcm_s64le", 2)],
)
def test_many_channels_and_wide_numbers(name: str, codec: str, channels: int, tmp_path: Path) -> None:
    sound = tone(2.0, 48_000, channels)
    path = write_media(tmp_path / name, sound=sound, sound_rate=48_000, sound_codec=codec)
    kept = read_audio(Clip(path), 48_000, mono=False)
    assert kept.shape[1] == channels
    middle = slice(20_000, 80_000)
    loud = np.sqrt((kept[middle] ** 2).mean(axis=0))
    expected = np.sqrt((sound[middle] ** 2).mean(axis=0))
    right = np.abs(loud / expected - 1) < 0.15
    assert right.sum() >= channels - (channels == 8)  # the one for low tones may lose what is not low
    np.testing.assert_allclose(read_audio(Clip(path), 48_000), kept.mean(axis=1), atol=1e-6)


def test_rate_and_channels_that_change_on_the_way(tmp_path: Path) -> None:
    parts = []
    for index, (rate, channels) in enumerate(((48_000, 2), (44_100, 1), (48_000, 2))):
        path = tmp_path / f"{index}.ts"
        write_media(path, sound=tone(2.0, rate, channels), sound_rate=rate, sound_codec="mp2")
        parts.append(path.read_bytes())
    (tmp_path / "s.ts").write_bytes(b"".join(parts))
    clip = Clip(tmp_path / "s.ts")
    mono = read_audio(clip, 16_000)
    assert len(mono) == pytest.approx(96_000, abs=4_000)
    kept = read_audio(clip, 16_000, mono=False)
    assert kept.shape == (len(mono), 2)
    assert not kept[40_000:56_000, 1].any()
    assert np.abs(kept[8_000:24_000, 1]).max() > 0.1
    assert np.abs(kept[72_000:88_000, 1]).max() > 0.1


def test_sound_that_claims_to_come_days_later(tmp_path: Path) -> None:
    path = write_media(tmp_path / "s.mkv", sound=tone(3.0, 16_000), sound_codec="flac", sound_gap=(1.0, 500_000.0))
    content = path.read_bytes()
    place = content.index(bytes.fromhex("4489"))  # the head's own duration, eight bytes
    path.write_bytes(content[: place + 3] + np.array([3000.0], ">f8").tobytes() + content[place + 11 :])
    blocks = audio_blocks(Clip(path), 16_000)
    assert sum(map(len, blocks)) == pytest.approx(48_000, abs=100)
    blocks.close()
    assert list(blocks) == []


def test_sound_that_begins_late(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "v.mkv",
        pictures=75,
        codec="ffv1",
        sound=tone(1.5, 16_000) + 0.1,
        sound_codec="flac",
        sound_start=1.0,
    )
    blocks = audio_blocks(Clip(path), 16_000, seconds=1.0)
    samples = np.concatenate(list(blocks))
    assert len(samples) == 40_000
    assert not samples[:16_000].any()
    np.testing.assert_allclose(samples[16_000:], tone(1.5, 16_000)[:, 0] + 0.1, atol=1e-4)
    assert blocks.spans == sound_spans(Clip(path)) == [(1.0, 2.5)]
    assert sound_spans(Clip(path, 0.5, 2.0)) == [(0.5, 1.5)]
    assert sound_spans(Clip(path, 0.0, 0.9)) == []
    assert len(read_audio(Clip(path, 0.0, 0.9), 16_000)) == 0


def test_a_gap_in_the_sound(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "s.mka", sound=tone(2.048, 16_000) + 0.1, sound_codec="pcm_s16le", sound_gap=(1.0, 1.5)
    )
    spans = sound_spans(Clip(path))
    np.testing.assert_allclose(spans, [(0.0, 1.024), (2.524, 3.548)], atol=1e-9)
    samples = read_audio(Clip(path), 16_000)
    assert len(samples) == round(3.548 * 16_000)
    assert not samples[round(1.024 * 16_000) : round(2.524 * 16_000)].any()
    assert abs(samples[: round(1.02 * 16_000)]).min() >= 0
    np.testing.assert_allclose(samples[-1000:], tone(2.048, 16_000)[-1000:, 0] + 0.1, atol=1e-4)


def test_no_sound_and_no_pictures(tmp_path: Path) -> None:
    video = write_media(tmp_path / "v.mkv", pictures=5, codec="ffv1")
    assert read_audio(Clip(video), 16_000).shape == (0,)
    assert list(audio_blocks(Clip(video), 16_000)) == []
    sound = write_media(tmp_path / "s.wav", sound=tone(1, 16_000))
    assert list(frames_at(Clip(sound), [0.0, 0.5])) == [None, None]
    assert list(constant_rate(Clip(sound))) == []
    assert list(stretched(Clip(sound), 3)) == [None] * 3
    info = probe(sound)
    assert (info.has_video, info.width, info.height, info.fps, info.rotation) == (False, 0, 0, 0.0, 0)
    assert (info.has_audio, info.audio_rate, info.channels, info.duration) == (True, 16_000, 1, 1.0)


def test_the_stream_that_counts(tmp_path: Path) -> None:
    from fractions import Fraction

    path = tmp_path / "two.mkv"
    packets = []
    with av.open(str(path), "w") as out:
        sizes = {False: (192, 128), True: (96, 64)}
        streams = {default: out.add_stream("ffv1", rate=10) for default in sizes}
        for default, stream in streams.items():
            stream.width, stream.height = sizes[default]
            stream.pix_fmt = "yuv420p"
            stream.disposition = av.stream.Disposition.default.value if default else 0
            picture = numbered(7 + default, *sizes[default])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = 0, Fraction(1, 10)
            packets += [*stream.encode(frame), *stream.encode(None)]
        for packet in packets:
            out.mux(packet)
    assert [number_of(one) for one in frames_at(Clip(path), [0.0])] == [8]


# A clip, and what is needed for it


@pytest.mark.parametrize(
    ("start", "end"), [(-1.0, None), (2.0, 2.0), (2.0, 1.0), (float("nan"), None), (float("inf"), None)]
)
def test_stretches_that_cannot_be(start: float, end: float | None) -> None:
    with pytest.raises(DataError, match="x: expected 0 <= start < end"):
        Clip(Path("v.mp4"), start, end, "x")


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"nowhere_at_all is not installed.*pip install 'leap-avvp\[media\]'"):
        extras.need("nowhere_at_all", "media")
    assert extras.need("json", "media").loads("1") == 1
    monkeypatch.setitem(sys.modules, "av", None)
    opening.pyav.cache_clear()
    with pytest.raises(ConfigError, match="extra `media`"):
        probe(Path(__file__))
    opening.pyav.cache_clear()


def test_media_are_imported_when_they_are_used() -> None:
    heavy = (
        "import sys, leap_avvp.media; print([m for m in ('av', 'soxr', 'torch', 'transformers') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", heavy], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "[]"


MEMORY = """
import resource, sys
from pathlib import Path
from leap_avvp.media.decode import Clip, audio_blocks, constant_rate, frames_at, probe
import numpy as np
clip = Clip(Path(sys.argv[1]))
duration = int(probe(clip.path).duration)
pictures = sum(one is not None for one in frames_at(clip, np.arange(0.0, duration, 1.0)))
constant = sum(1 for _ in constant_rate(clip, 1.0))
samples = sum(map(len, audio_blocks(clip, 16_000)))
print(pictures, constant, samples, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_two_hours_need_no_more_memory_than_a_minute(tmp_path: Path) -> None:
    used = []
    for seconds in (60, 7200):
        path = write_media(
            tmp_path / f"{seconds}.mkv",
            pictures=[numbered(n, 320, 240) for n in range(2)] * (seconds // 2),
            rate=1,
            codec="mpeg4",
            sound=np.zeros((4_000 * seconds, 1), np.float32),
            sound_rate=4_000,
            sound_codec="pcm_u8",
        )
        ran = subprocess.run([sys.executable, "-c", MEMORY, str(path)], check=True, capture_output=True, text=True)
        shown, constant, samples, megabytes = map(int, ran.stdout.split())
        assert shown == seconds
        assert abs(constant - seconds) <= 3
        assert samples == 16_000 * seconds
        used.append(megabytes)
    # All pictures would be 1.6 GB, all sound 460 MB.
    assert used[1] - used[0] < 40, f"{used} MB"
