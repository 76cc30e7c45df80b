"""Media written by the tests themselves, with PyAV; pictures that carry a number; a guard against hanging."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

BITS = 12  # of a picture's number
GUARD_SECONDS = 900  # a slow machine is no fault


@pytest.fixture(autouse=True)
def _hangs_fail() -> Iterator[None]:
    """End a test that hangs in Python or in FFmpeg's own loops, as far as a signal reaches them."""

    def ring(number: int, frame: object) -> None:
        raise TimeoutError(f"the test took more than {GUARD_SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(GUARD_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def numbered(number: int, width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """Return an RGB picture whose upright bars are the bits of a number, white for 1, the lowest first."""
    picture = np.full((height, width, 3), 16, np.uint8)
    edges = np.linspace(0, width, BITS + 1).astype(int)
    for bit in range(BITS):
        picture[:, edges[bit] : edges[bit + 1]] = 235 if number >> bit & 1 else 16
    return picture


def number_of(picture: NDArray[np.uint8] | None) -> int | None:
    """Return the number of a picture, whatever its size and compression; None of None."""
    if picture is None:
        return None
    edges = np.linspace(0, picture.shape[1], BITS + 1).astype(int)
    middle = picture[picture.shape[0] // 4 : -(picture.shape[0] // 4) or None]
    bars = [middle[:, edges[bit] : max(edges[bit + 1], edges[bit] + 1)] for bit in range(BITS)]
    return sum(1 << bit for bit, bar in enumerate(bars) if bar.size and bar.mean() > 128)


def tone(seconds: float, rate: int, channels: int = 1, pitch: float = 440.0) -> NDArray[np.float32]:
    """Return (n, channels) of sines, each channel a third higher and softer than the one before."""
    time = np.arange(round(seconds * rate)) / rate
    waves = [0.5 / (c + 1) * np.sin(2 * np.pi * pitch * 1.25**c * time) for c in range(channels)]
    return np.stack(waves, axis=1).astype(np.float32)


LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def write_media(
    path: Path,
    *,
    pictures: int | Sequence[NDArray[np.uint8]] = 0,
    rate: float = 25,
    times: Sequence[float] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    sound: NDArray[np.float32] | None = None,
    sound_rate: int = 16_000,
    sound_codec: str = "pcm_s16le",
    sound_format: str | None = None,
    sound_start: float = 0.0,
    sound_gap: tuple[float, float] | None = None,
    muxer: str | None = None,
    muxer_options: dict[str, str] | None = None,
    prepare: Callable[[Any], None] | None = None,
) -> Path:
    """Write a file, and return its path.

    Args:
        path: its suffix names the container unless ``muxer`` does.
        pictures: RGB arrays, or how many numbered ones.
        rate: pictures a second.
        times: seconds of each picture, in place of ``rate``.
        codec, pix_fmt, options: of the pictures.
        sound: (n, channels).
        sound_rate, sound_codec, sound_format: Hz, codec, and sample format; None: one that the codec takes.
        sound_start: seconds at which it begins.
        sound_gap: (begin, length) in seconds: from there on times are that much later.
        muxer, muxer_options: of the container.
        prepare: called with the container before anything is written.
    """
    av = pytest.importorskip("av", reason="PyAV is not installed (the extra `media`)")
    av.logging.set_level(None)
    frames = [numbered(n) for n in range(pictures)] if isinstance(pictures, int) else list(pictures)
    with av.open(str(path), "w", format=muxer, options=muxer_options or {}) as out:
        if prepare is not None:
            prepare(out)
        packets: list[Any] = []
        if frames:
            ratio = Fraction(rate).limit_denominator(1001)
            video = out.add_stream(codec, rate=ratio, options={"threads": "1", **(options or {})})
            video.width, video.height = frames[0].shape[1], frames[0].shape[0]
            video.pix_fmt = pix_fmt
            base = 1 / ratio if times is None else Fraction(1, 1000)
            video.codec_context.time_base = base
        if sound is not None:
            audio = out.add_stream(sound_codec, rate=sound_rate, layout=LAYOUTS[sound.shape[1]])
            if sound_format is not None:
                audio.format = sound_format
        for index, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format=pix_fmt)
            frame.time_base = base
            frame.pts = index if times is None else round(times[index] * 1000)
            packets += video.encode(frame)
        if frames:
            packets += video.encode(None)
        if sound is not None:
            packets += _sound_packets(av, audio, sound, sound_rate, sound_start, sound_gap)
        packets.sort(key=lambda packet: float((packet.dts or 0) * packet.time_base))
        for packet in packets:
            out.mux(packet)
    return path


def _sound_packets(
    av: Any, stream: Any, sound: NDArray[np.float32], rate: int, start: float, gap: tuple[float, float] | None
) -> list[Any]:
    context = stream.codec_context
    wanted = context.format.name if context.format is not None else "fltp"
    turn = av.AudioResampler(format=wanted, layout=LAYOUTS[sound.shape[1]], rate=rate)
    packets: list[Any] = []
    context.open()
    size = context.frame_size or 1024
    for begin in range(0, len(sound), size):
        part = np.ascontiguousarray(sound[begin : begin + size]).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="flt", layout=LAYOUTS[sound.shape[1]])
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        later = gap[1] if gap is not None and begin / rate >= gap[0] else 0.0
        frame.pts = begin + round((start + later) * rate)
        for ready in turn.resample(frame):
            packets += stream.encode(ready)
    return packets + stream.encode(None)
