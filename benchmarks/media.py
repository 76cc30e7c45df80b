"""Decoding: pictures alone, with sound, and eight a second, against a plain loop over every frame, in the same run."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Report
from benchmarks.timing import race
from leap_avvp.errors import LeapError
from leap_avvp.media import Clip, constant_rate, read_audio
from leap_avvp.media.opening import pyav
from leap_avvp.media.reel import read_reel

__all__ = ["media"]

RATE = 16_000
FPS = 30
SIZE = (320, 240)
_SAMPLE = Path(__file__).parents[2] / "shared" / "llp" / "video" / "BjCEufrlXm4.mp4"


def pictures(path: Path) -> int:
    """Decode every picture, and convert none."""
    reel = read_reel(Clip(path))
    assert reel is not None
    return sum(1 for _ in reel.decoded(bytearray(b"\1" * len(reel))))


def sound(path: Path) -> int:
    """Decode and resample the sound."""
    return len(read_audio(Clip(path), RATE))


def eight_a_second(path: Path) -> int:
    """Make RGB arrays of eight pictures a second."""
    return sum(picture.shape[0] > 0 for picture in constant_rate(Clip(path)))


def pictures_and_sound(path: Path) -> int:
    """Decode every picture, and resample the sound."""
    return pictures(path) + sound(path)


def everything(path: Path) -> int:
    """Do what extraction needs: eight pictures a second, and the sound."""
    return eight_a_second(path) + sound(path)


def plain_pictures(path: Path) -> int:
    """Make an RGB array of every frame, as loops of the field do."""
    import av

    with av.open(str(path)) as container:
        return sum(frame.to_ndarray(format="rgb24").shape[0] > 0 for frame in container.decode(video=0))


def plain_everything(path: Path) -> int:
    """Do the same in the plain way, and the sound by a second loop with FFmpeg's resampler."""
    import av

    number = plain_pictures(path)
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        pieces = [part.to_ndarray() for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return number + np.concatenate(pieces, axis=1).shape[1]


WAYS: dict[str, tuple[Callable[[Path], int], Callable[[Path], int]]] = {
    "decoding alone": (pictures, plain_pictures),
    "decoding + sound": (pictures_and_sound, plain_everything),
    "8 pictures a second": (eight_a_second, plain_pictures),
    "8 pictures a second + sound": (everything, plain_everything),
}


def media(report: Report, folder: Path, seconds: float) -> None:
    """Time what a video costs, for one process and two.

    Of LLP's sample video, ten seconds long, where it lies beside the repository and ``seconds`` are not fewer; else of
    one of so many seconds that is made here.
    """
    try:
        pyav()
        path = _SAMPLE if _SAMPLE.is_file() and seconds >= 10 else _write(folder / "bench.mp4", seconds)
    except LeapError as error:
        report.facts.append(f"Decoding was not measured: {error}")
        return
    turns, videos = (9, 6) if seconds >= 10 else (2, 1)
    section = report.section(
        *("Decoding videos", "what", "ms a video", "plain loop, ms", "times as fast as the loop", "of processor time"),
        *("videos a second", "with 2 processes", "scaling", "by processor time"),
    )
    # Started once: to import torch takes longer than to decode.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for name, (ours, loop) in WAYS.items():
            result = race(lambda: ours(path), lambda: loop(path), turns)  # noqa: B023
            cost = statistics.median(_processor(loop, path) / _processor(ours, path) for _ in range(turns))
            one, two, clock, cores = _scaling(pool, ours, path, turns, videos)
            section.add(
                *(name, f"{1e3 * result.ours:.0f}", f"{1e3 * result.theirs:.0f}", f"{result.ratio:.2f}"),
                *(f"{cost:.2f}", f"{one:.1f}", f"{two:.1f}", f"{clock:.2f}", f"{cores:.2f}"),
            )
    source = "LLP's sample video" if path == _SAMPLE else f"a video made here, {seconds:g} s"
    section.notes.append(
        f"{source}, {SIZE[0]} x {SIZE[1]}, about {FPS} pictures a second, H.264 and AAC, warm in the system's cache; "
        "one thread a process. The loop makes an RGB array of each frame, with PyAV's own settings (threads as it "
        "likes); with sound it resamples that by FFmpeg, ours by soxr. Decoding alone converts no picture. Scaling: "
        "videos a second of two processes over those of one, medians of turns that alternate; by processor time it is "
        "what two free cores would give, and by the clock less where the machine does other things, too "
        f"(load when this ended: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)."
    )


def _processor(work: Callable[[Path], int], path: Path) -> float:
    """Return the seconds of all cores together that a video costs, which a busy machine changes less."""
    started = time.process_time()
    work(path)
    return time.process_time() - started


def _work(ours: Callable[[Path], int], path: Path, videos: int) -> tuple[float, float, float]:
    started, used = time.monotonic(), time.process_time()
    for _ in range(videos):
        ours(path)
    return started, time.monotonic(), time.process_time() - used


def _rate(
    pool: ProcessPoolExecutor, ours: Callable[[Path], int], path: Path, videos: int, processes: int
) -> NDArray[np.float64]:
    """Return videos a second of so many processes side by side: by the clock, and had each a core for itself."""
    jobs = [pool.submit(_work, ours, path, videos) for _ in range(processes)]
    begins, ends, used = zip(*(job.result() for job in jobs), strict=True)
    return np.array([processes * videos / (max(ends) - min(begins)), processes**2 * videos / sum(used)])


def _scaling(
    pool: ProcessPoolExecutor, ours: Callable[[Path], int], path: Path, turns: int, videos: int
) -> tuple[float, float, float, float]:
    _rate(pool, ours, path, 1, 2)  # imports and caches
    rates = np.array([[_rate(pool, ours, path, videos, number) for number in (1, 2)] for _ in range(turns)])
    one, two = np.median(rates[:, :, 0], axis=0)
    clock, cores = np.median(rates[:, 1] / rates[:, 0], axis=0)
    return float(one), float(two), float(clock), float(cores)


def _write(path: Path, seconds: float) -> Path:
    """Write a video of moving noise that is about as hard to decode as a real one."""
    av = pyav()
    rng = np.random.default_rng(0)
    width, height = SIZE
    scene = np.repeat(np.repeat(rng.integers(0, 256, (height // 8, width // 4, 3), np.uint8), 8, 0), 8, 1)
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"crf": "23", "threads": "1"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = out.add_stream("aac", rate=44_100, layout="stereo")
        packets = []
        for index in range(round(seconds * FPS)):
            shift = int(40 * np.sin(index / 20)) + 40
            noise = rng.integers(0, 12, (height, width, 3), np.uint8)
            picture = np.ascontiguousarray(scene[:, shift : shift + width] // 2 + noise)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            packets += video.encode(frame)
        packets += video.encode(None)
        for begin in range(0, round(seconds * 44_100), 1024):
            piece = av.AudioFrame.from_ndarray(
                rng.standard_normal((2, 1024)).astype(np.float32) / 8, format="fltp", layout="stereo"
            )
            piece.sample_rate, piece.pts, piece.time_base = 44_100, begin, Fraction(1, 44_100)
            packets += audio.encode(piece)
        packets += audio.encode(None)
        for packet in sorted(packets, key=lambda packet: float((packet.dts or 0) * packet.time_base)):
            out.mux(packet)
    return path
