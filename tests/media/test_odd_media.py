"""Odd and broken media: each is decoded as far as it goes, or refused in one line that names the file; none hangs."""

from __future__ import annotations

import dataclasses
import itertools
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from leap_avvp.errors import DataError
from leap_avvp.media.decode import Clip, audio_blocks, constant_rate, frames_at, probe, stretched
from tests.media.conftest import number_of, numbered, tone, write_media

pytest.importorskip("av", reason="PyAV is not installed (the extra `media`)")
pytest.importorskip("soxr", reason="soxr is not installed (the extra `media`)")

LONG = 15.0  # seconds of a file that are looked at
RATE = 16_000


@dataclasses.dataclass(frozen=True)
class Seen:
    """What was decoded of a file."""

    numbers: list[int | None]  # of the pictures ten times a second
    constant: int
    seconds: float  # of sound
    spans: list[tuple[float, float]]
    size: tuple[int, int]
    rotation: int
    peak: float

    @property
    def pictures(self) -> list[int]:
        return [number for number in self.numbers if number is not None]


def look(path: Path) -> Seen:
    """Decode everything that there is, as the rest of the package would."""
    info = probe(path)
    clip = Clip(path)
    times = np.arange(0, min(info.duration, LONG) - 1e-6, 0.1)
    pictures = list(frames_at(clip, times))
    assert len(pictures) == len(times)
    for picture in pictures:
        assert picture is None or (picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3)
    constant = list(itertools.islice(constant_rate(clip), 200))
    assert len(list(stretched(clip, 8))) == 8
    blocks = audio_blocks(clip, RATE, seconds=1.0)
    sound = list(itertools.islice(blocks, int(LONG)))
    samples = np.concatenate([np.zeros(0, np.float32), *sound])
    assert np.isfinite(samples).all()
    return Seen(
        [number_of(picture) for picture in pictures],
        len(constant),
        len(samples) / RATE,
        blocks.spans,
        (info.width, info.height),
        info.rotation,
        float(np.abs(samples).max(initial=0)),
    )


def refusal(path: Path) -> str:
    """Return the one line with which a file is refused."""
    with pytest.raises(DataError) as caught:
        look(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


# Files that are no media

RANDOM = np.random.default_rng(0).integers(0, 256, 100_000, np.uint8).tobytes()
NO_MEDIA = {
    "empty.mp4": b"",
    "zero.mp4": b"\0",
    "zeros.mp4": bytes(100_000),
    "text.mp4": b"This is no video.\n" * 100,
    "table.csv.mp4": b"filename\tevent_labels\nabc\tDog\n",
    "random.bin": RANDOM,
    "random.mp4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + RANDOM,
    "random.mkv": b"\x1a\x45\xdf\xa3" + RANDOM,
    "random.avi": b"RIFF\xff\xff\0\0AVI LIST" + RANDOM,
    "random.webm": bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d") + RANDOM,
    "random.ogg": b"OggS\0\2" + bytes(8) + RANDOM,
    "random.flac": b"fLaC\0\0\0\x22" + RANDOM,
    "random.png": b"\x89PNG\r\n\x1a\n" + RANDOM,
    "random.gif": b"GIF89a" + RANDOM[:6],
    "id3.mp3": b"ID3\4\0\0\0\0\0\x0a" + bytes(10),
    "playlist.mp4": b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n",
    "concat.mp4": b"ffconcat version 1.0\nfile other.mp4\n",
    "dash.mp4": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>http://localhost/</BaseURL></MPD>',
    "words.srt": b"1\n00:00:00,000 --> 00:00:02,000\nHello\n",
    "words.vtt": b"WEBVTT\n\n00:00.000 --> 00:02.000\nHello\n",
    "pointer.mp4": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    "page.html": b"<!doctype html><html><body>404</body></html>",
    "archive.zip": b"PK\3\4" + RANDOM[:1000],
}


@pytest.mark.parametrize("name", NO_MEDIA)
def test_what_is_no_medium_is_refused(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    path.write_bytes(NO_MEDIA[name])
    refusal(path)
    said = capfd.readouterr()
    assert said.out + said.err == "", "FFmpeg's own messages reached the terminal"


def test_a_folder_a_pipe_and_nothing(tmp_path: Path) -> None:
    assert "found a folder" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "pipe" in refusal(tmp_path / "pipe.mp4")
    assert refusal(tmp_path / "absent.mp4").endswith("missing")
    (tmp_path / "link.mp4").symlink_to("nowhere")
    assert "which is not there" in refusal(tmp_path / "link.mp4")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    refusal(tmp_path / "loop.mp4")
    assert "git lfs pull" in refusal_of_pointer(tmp_path)


def refusal_of_pointer(folder: Path) -> str:
    (folder / "p.mp4").write_bytes(NO_MEDIA["pointer.mp4"])
    return refusal(folder / "p.mp4")


# Sizes that would fill the memory


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(30_000, 30_000), (20_000, 10), (10, 20_000), (16_000, 16_000), (0, 10)])
def test_pictures_that_are_too_large(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(png(*size))
    refusal(tmp_path / "large.png")


@pytest.mark.parametrize("rate", [1, 999, 4_000_000])
def test_sound_at_rates_that_nobody_records(rate: int, tmp_path: Path) -> None:
    path = write_media(tmp_path / "s.wav", sound=tone(0.5, RATE), sound_rate=RATE)
    content = bytearray(path.read_bytes())
    content[24:32] = struct.pack("<II", rate, 2 * rate)
    path.write_bytes(content)
    assert "expected sound of 1,000 to 768,000 Hz" in refusal(path)


# Files that are odd, and good


def whole(path: Path, **options: object) -> Path:
    """Write four seconds of pictures at 25 a second and of sound."""
    made: dict[str, object] = {"pictures": 100, "sound": tone(4.0, 48_000, 2), "sound_rate": 48_000} | options
    return write_media(path, **made)  # type: ignore[arg-type]


def everything(seen: Seen, shift: int = 0) -> None:
    """Hold four seconds of :func:`whole` to what was written."""
    expected = [(25 * n + shift) // 10 for n in range(40)]
    assert len(seen.numbers) >= 40
    assert all(
        abs((number if number is not None else 999) - want) <= 1
        for number, want in zip(seen.numbers, expected, strict=False)
    )
    assert 32 <= seen.constant <= 34
    assert 3.9 < seen.seconds < 4.15
    assert 0.3 < seen.peak < 1.0
    assert len(seen.spans) == 1


VP8 = {"codec": "libvpx", "options": {"deadline": "realtime"}}
CONTAINERS: dict[str, dict[str, object]] = {
    "v.mp4": {"sound_codec": "aac"},
    "v.mkv": {"codec": "ffv1", "sound_codec": "flac"},
    "v.mov": {"codec": "prores", "pix_fmt": "yuv422p10le"},
    "v.webm": {**VP8, "sound_codec": "libopus"},
    "v.avi": {"codec": "mpeg4", "sound_codec": "libmp3lame"},
    "v.ts": {"codec": "mpeg2video", "sound_codec": "mp2"},
    "v.mpg": {"codec": "mpeg2video", "sound_codec": "mp2"},
    "v.flv": {"codec": "flv", "sound_codec": "aac"},
    "v.wmv": {"codec": "wmv2", "muxer": "asf", "sound_codec": "mp2"},
    "v.3gp": {"codec": "mpeg4", "sound_codec": "aac"},
    "50%03d|concat:x.mp4": {"sound_codec": "aac"},
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers(name: str, tmp_path: Path) -> None:
    everything(look(whole(tmp_path / name, **CONTAINERS[name])))


def test_no_suffix_and_a_wrong_one(tmp_path: Path) -> None:
    path = whole(tmp_path / "v.mp4", sound_codec="aac")
    for name in ("v", "v.txt", "v.png", "v.mp3"):
        everything(look(path.rename(tmp_path / name)))
        path = tmp_path / name


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("s.wav", "pcm_s16le"), ("s.mp3", "libmp3lame"), ("s.flac", "flac"), ("s.ogg", "libopus"), ("s.m4a", "aac")),
        *(("s.aac", "aac"), ("s.ac3", "ac3"), ("s.mka", "pcm_f32le"), ("s.aiff", "pcm_s16be")),
    ],
)
def test_sound_alone(name: str, codec: str, tmp_path: Path) -> None:
    path = write_media(tmp_path / name, sound=tone(4.0, 48_000, 2), sound_rate=48_000, sound_codec=codec)
    seen = look(path)
    assert seen.pictures == []
    assert seen.constant == 0
    assert seen.size == (0, 0)
    assert seen.seconds == pytest.approx(4.0, abs=0.05)


def test_pictures_alone(tmp_path: Path) -> None:
    seen = look(write_media(tmp_path / "v.mp4", pictures=100))
    assert seen.pictures == [25 * n // 10 for n in range(40)]
    assert (seen.seconds, seen.spans) == (0.0, [])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("v.gif", {"codec": "gif", "pix_fmt": "rgb8"}),
        ("v.apng", {"codec": "apng", "pix_fmt": "rgb24", "muxer": "apng"}),
    ],
)
def test_pictures_that_move_without_a_container(name: str, options: dict[str, str], tmp_path: Path) -> None:
    seen = look(write_media(tmp_path / name, pictures=20, rate=10, **options))  # type: ignore[arg-type]
    assert seen.pictures == list(range(20))


def test_a_photo(tmp_path: Path) -> None:
    for name, codec, pix_fmt in (("p.png", "png", "rgb24"), ("p.jpg", "mjpeg", "yuvj420p")):
        seen = look(
            write_media(tmp_path / name, pictures=[numbered(5)], codec=codec, pix_fmt=pix_fmt, muxer="image2pipe")
        )
        assert set(seen.pictures) == {5}
        assert seen.seconds == 0


def test_one_picture_and_one_sample(tmp_path: Path) -> None:
    seen = look(write_media(tmp_path / "one.mp4", pictures=[numbered(7)]))
    assert seen.pictures == [7]
    assert seen.constant == 1
    seen = look(write_media(tmp_path / "one.wav", sound=np.full((1, 1), 0.5, np.float32), sound_rate=RATE))
    assert seen.seconds * RATE == 1
    assert seen.peak == pytest.approx(0.5)


def test_a_tenth_of_a_second(tmp_path: Path) -> None:
    path = whole(
        tmp_path / "v.mp4", pictures=[numbered(n) for n in range(3)], sound=tone(0.1, 48_000), sound_codec="aac"
    )
    seen = look(path)
    assert seen.pictures[0] == 0
    assert 0.05 < seen.seconds < 0.2


def test_eight_thousand_hertz_and_eight_channels(tmp_path: Path) -> None:
    for rate, channels in ((8_000, 1), (48_000, 8), (192_000, 2)):
        seen = look(write_media(tmp_path / f"{rate}.wav", sound=tone(1.0, rate, channels), sound_rate=rate))
        assert seen.seconds == pytest.approx(1.0, abs=1e-3)
        assert seen.peak > 0.1


@pytest.mark.parametrize("size", [(97, 63), (1, 1), (2, 2), (3, 1000), (1000, 3)])
def test_odd_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    pictures = [numbered(n, *size) for n in range(10)]
    seen = look(write_media(tmp_path / "v.mkv", pictures=pictures, codec="ffv1", pix_fmt="yuv444p"))
    assert seen.size == size
    assert len(seen.pictures) == 4


def test_a_hundred_and_twenty_pictures_a_second(tmp_path: Path) -> None:
    seen = look(write_media(tmp_path / "v.mp4", pictures=480, rate=120))
    assert seen.pictures == [12 * n for n in range(40)]
    assert 32 <= seen.constant <= 34


def test_a_variable_rate(tmp_path: Path) -> None:
    times = [0.0, 0.05, 0.12, 1.0, 1.01, 1.02, 3.0, 3.5]
    seen = look(write_media(tmp_path / "v.mkv", pictures=8, times=times, codec="ffv1"))
    moments = np.arange(len(seen.numbers)) * 0.1
    expected = [int(np.searchsorted(times, moment + 1e-3, side="right")) - 1 for moment in moments]
    assert seen.numbers[:36] == expected[:36]


@pytest.mark.parametrize("muxer", ["matroska", "mpegts"])
def test_negative_times(muxer: str, tmp_path: Path) -> None:
    import av

    kept = {"avoid_negative_ts": "disabled"}
    times = [index / 25 - 1.0 for index in range(50)]
    path = write_media(tmp_path / "v", pictures=50, times=times, codec="mpeg4", muxer=muxer, muxer_options=kept)
    with av.open(str(path)) as made:
        assert made.start_time == -1_000_000, "the test's own file has no negative times"
    seen = look(path)
    assert seen.pictures == [25 * n // 10 for n in range(20)]
    late = frames_at(Clip(path, 1.0, 1.5), [0.0, 0.2, 0.4, 0.7])
    assert [number_of(picture) for picture in late] == [25, 30, 35, None]


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    import av

    plain = write_media(tmp_path / "plain.mp3", sound=tone(2.0, 44_100), sound_rate=44_100, sound_codec="libmp3lame")
    path = tmp_path / "cover.mp3"
    picture = write_media(tmp_path / "p.png", pictures=[numbered(3)], codec="png", pix_fmt="rgb24", muxer="image2pipe")
    with av.open(str(plain)) as sound, av.open(str(picture)) as image, av.open(str(path), "w") as out:
        audio = out.add_stream_from_template(sound.streams.audio[0])
        cover = out.add_stream_from_template(image.streams.video[0])
        cover.disposition = av.stream.Disposition.attached_pic.value
        for source, stream in ((image, cover), (sound, audio)):
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = stream
                    out.mux(packet)
    with av.open(str(path)) as made:
        assert len(made.streams.video) == 1, "the test's own file has no cover"
    seen = look(path)
    assert seen.pictures == []
    assert seen.size == (0, 0)
    assert seen.seconds == pytest.approx(2.0, abs=0.05)


def test_subtitles_alone_are_refused_by_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "w.srt").write_bytes(NO_MEDIA["words.srt"])
    assert "subtitle (srt)" in refusal(tmp_path / "w.srt")


def test_a_codec_that_nobody_knows(tmp_path: Path) -> None:
    path = write_media(tmp_path / "v.mp4", pictures=10)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    assert "can be decoded" in refusal(path)


def test_words_in_another_encoding(tmp_path: Path) -> None:
    path = whole(tmp_path / "v.mkv", codec="ffv1", prepare=lambda out: out.metadata.update(title="TITLETITLE"))
    content = path.read_bytes()
    assert b"TITLETITLE" in content
    path.write_bytes(content.replace(b"TITLETITLE", b"\xff\xfe\xe4\xf6\xfc\xdf\xe9\xe8\xea\xeb"))
    everything(look(path))


def test_numbers_that_are_none(tmp_path: Path) -> None:
    path = write_media(tmp_path / "s.wav", sound=tone(1.0, RATE), sound_rate=RATE, sound_codec="pcm_f32le")
    content = bytearray(path.read_bytes())
    content[8000:8004], content[9000:9004] = struct.pack("<f", np.nan), struct.pack("<f", np.inf)
    path.write_bytes(content)
    seen = look(path)
    assert seen.seconds == pytest.approx(1.0)
    assert seen.peak < 1


def test_a_wave_of_unknown_length(tmp_path: Path) -> None:
    path = write_media(tmp_path / "s.wav", sound=tone(1.0, RATE), sound_rate=RATE)
    content = bytearray(path.read_bytes())
    place = content.index(b"data")
    content[4:8] = content[place + 4 : place + 8] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert look(path).seconds == pytest.approx(1.0, abs=0.01)


# Damage


@pytest.mark.parametrize("kind", ["random", "zeros", "text"])
@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.webm", "v.avi", "v.ts"])
def test_what_follows_the_end(name: str, kind: str, tmp_path: Path) -> None:
    path = whole(tmp_path / name, **CONTAINERS[name])
    behind = {"random": RANDOM, "zeros": bytes(100_000), "text": b"no video\n" * 10_000}[kind]
    path.write_bytes(path.read_bytes() + behind)
    everything(look(path))


FAST = {"muxer_options": {"movflags": "+faststart"}}
CUT: dict[str, dict[str, object]] = {
    "v.mp4": {"sound_codec": "aac", **FAST, "options": {"g": "12"}},
    "v.mkv": {"sound_codec": "flac", "options": {"g": "12"}},
    "v.webm": CONTAINERS["v.webm"],
    "v.avi": CONTAINERS["v.avi"],
    "v.ts": CONTAINERS["v.ts"],
    "v.mpg": CONTAINERS["v.mpg"],
    "v.flv": CONTAINERS["v.flv"],
}


@pytest.mark.parametrize("part", [0.01, 0.1, 0.3, 0.5, 0.77, 0.9, 0.99])
@pytest.mark.parametrize("name", CUT)
def test_truncated(name: str, part: float, tmp_path: Path) -> None:
    path = whole(tmp_path / name, **CUT[name])
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    if part < 0.3 and not _is_media(path):
        refusal(path)
        return
    seen = look(path)
    if part >= 0.3:
        assert len(seen.pictures) >= 10 * 4 * part - 15
        assert seen.seconds >= 4 * part - 1.5
    ended = len(seen.pictures)
    assert seen.numbers[:ended] == seen.pictures, "a picture is missing in the middle"
    # The last one stands for 1/8 s more, the tolerance; and AVI counts pictures, of which it leaves some out.
    near = 6.5 if name == "v.avi" else 4.5
    assert all(abs(number - 2.5 * n) <= near for n, number in enumerate(seen.pictures)), "a picture at a wrong time"


def _is_media(path: Path) -> bool:
    try:
        probe(path)
    except DataError:
        return False
    return True


def test_an_index_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = whole(tmp_path / "v.mp4", sound_codec="aac")  # its index lies at the end
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refusal(path)


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.ts", "v.avi"])
def test_a_hole_in_the_middle(name: str, tmp_path: Path) -> None:
    made = {**CUT[name], "options": {"g": "6"}}
    path = whole(tmp_path / name, **made)
    content = bytearray(path.read_bytes())
    begin, end = int(0.45 * len(content)), int(0.55 * len(content))
    content[begin:end] = bytes(end - begin)
    path.write_bytes(content)
    seen = look(path)
    assert seen.numbers[0] == 0
    assert len(seen.pictures) >= 25
    assert seen.pictures[-1] > 90, "nothing was decoded behind the hole"
    if name != "v.avi":  # it has no clock: what lies behind the hole moves up
        right = [number for n, number in enumerate(seen.numbers) if number is not None and abs(number - 2.5 * n) <= 3]
        assert right[-1] > 90
        assert seen.spans[-1][1] > 3.9


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.ts", "v.avi", "v.webm", "v.flv"])
def test_bytes_that_are_wrong(name: str, seed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = whole(tmp_path / name, **CUT[name])
    rng = np.random.default_rng(seed)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    places = rng.integers(0, len(content), 1 + 10 * seed)
    content[places] = rng.integers(0, 256, len(places))
    path.write_bytes(content.tobytes())
    capfd.readouterr()
    if _is_media(path):
        look(path)
    else:
        refusal(path)
    said = capfd.readouterr()
    assert said.out + said.err == ""


def test_a_clock_that_is_set_anew(tmp_path: Path) -> None:
    first = whole(tmp_path / "a.ts", **CONTAINERS["v.ts"])
    second = whole(tmp_path / "b.ts", **{**CONTAINERS["v.ts"], "pictures": [numbered(n) for n in range(100, 200)]})
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    pictures = [number_of(picture) for picture in frames_at(Clip(both), np.arange(0, 8, 0.1))]
    assert all(number is not None and abs(number - 2.5 * n) <= 3 for n, number in enumerate(pictures))
    blocks = audio_blocks(Clip(both), RATE)
    assert sum(map(len, blocks)) / RATE == pytest.approx(8.0, abs=0.2)


def test_pictures_that_change_their_size(tmp_path: Path) -> None:
    first = write_media(tmp_path / "a.ts", pictures=50, codec="mpeg2video")
    larger = [numbered(n, 192, 128) for n in range(50, 100)]
    second = write_media(tmp_path / "b.ts", pictures=larger, codec="mpeg2video")
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    pictures = list(frames_at(Clip(both), [0.5, 3.5]))
    assert [None if picture is None else picture.shape for picture in pictures] == [(64, 96, 3), (128, 192, 3)]


def matrix(turn: int) -> bytes:
    """Return the display matrix that turns a picture clockwise by quarters, as a track's head has it."""
    a, b, c, d = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)][turn]
    return struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_rotation(turn: int, tmp_path: Path) -> None:
    stored = [np.rot90(numbered(n), turn) for n in range(20)]  # counter-clockwise; the player turns it back
    path = write_media(tmp_path / "v.mp4", pictures=[np.ascontiguousarray(picture) for picture in stored])
    content = path.read_bytes()
    place = content.index(b"tkhd")
    at = content.index(matrix(0), place)
    path.write_bytes(content[:at] + matrix(turn) + content[at + 36 :])
    seen = look(path)
    assert seen.pictures == [25 * n // 10 for n in range(8)]
    assert seen.size == (96, 64)
    assert seen.rotation == (-90 * turn) % 360


@pytest.mark.slow
def test_three_hours_of_silence(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "v.mkv", pictures=[numbered(n % 4096, 32, 16) for n in range(10_800)], rate=1, codec="mpeg4"
    )
    assert probe(path).duration == pytest.approx(10_800, abs=1)
    times = [0.5, 3600.5, 10_798.5, 10_799.5, 10_805.0]
    assert [number_of(picture) for picture in frames_at(Clip(path), times)] == [
        0,
        3600,
        10_798 % 4096,
        10_799 % 4096,
        None,
    ]
    late = Clip(path, 10_000.0, 10_010.0)
    assert [number_of(picture) for picture in frames_at(late, [0.5, 9.5])] == [10_000 % 4096, 10_009 % 4096]
