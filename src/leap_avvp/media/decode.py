"""Raw media: what a file holds, and the pictures and the sound of a stretch of it.

Any container and codec that FFmpeg reads. A file that is damaged is judged where it can be decoded; the rest of it has
no picture (None) and no sound (no samples), which is not the same as an empty picture or silence. Nothing is held but
what is being looked at, so that two hours need no more memory than a minute (24 bytes a picture).
"""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

from leap_avvp.errors import DataError
from leap_avvp.media.opening import Clip, Opened, check_size, check_sound, opened, pyav
from leap_avvp.media.pictures import TOLERANCE, constant_rate, count_constant_rate, frames_at, stretched, turns
from leap_avvp.media.sound import AudioBlocks, audio_blocks, read_audio, sound_spans

__all__ = [
    "TOLERANCE",
    "AudioBlocks",
    "Clip",
    "MediaInfo",
    "audio_blocks",
    "constant_rate",
    "count_constant_rate",
    "frames_at",
    "probe",
    "read_audio",
    "sound_spans",
    "stated_duration",
    "stretched",
]

# Formats whose head states how long they are; of others FFmpeg guesses by the bit rate.
_STATED = frozenset({"mov", "matroska", "webm", "avi", "ogg", "flac", "wav", "asf", "flv"})
_LATE = 0.1  # seconds; where the clock of a file begins later, or below 0, heads disagree about what they count
_MOST_READ = 2**28  # bytes of a file that is read through to find its end; of larger ones FFmpeg's guess is taken
_LEAST_RATE = 1_000  # bytes a second; a head that promises more seconds than that is not believed unseen
_MOST_TRIED = 1_000  # packets behind the first ones of a stream in which none can be decoded


@dataclasses.dataclass(frozen=True)
class MediaInfo:
    """What can be decoded of a file. Zeros where a stream is absent, or nothing of it can be decoded."""

    path: Path
    duration: float
    """Seconds from the first sound or picture to the end that the file states; if not, to the last packet."""
    has_audio: bool
    has_video: bool
    width: int
    """Pixels, upright."""
    height: int
    fps: float
    """Pictures a second as stated, or on average; those of a video with a variable frame rate come at other times."""
    audio_rate: int
    """Hz."""
    channels: int
    rotation: int
    """Degrees, counter-clockwise, by which stored pictures are turned to be upright: 0, 90, 180 or 270."""


def probe(path: Path) -> MediaInfo:
    """Say what can be decoded of a file, by decoding the first picture and the first piece of sound.

    Raises:
        DataError: no media file, or one of which no picture and no sound can be decoded; one line that names the file.
        ConfigError: PyAV is not installed.
    """
    with opened(Path(path)) as source:
        frame = _first_frame(source, source.video)
        rate = source.video and (source.video.average_rate or source.video.guessed_rate)
    with opened(Path(path)) as source:
        piece = _first_frame(source, source.audio)
        if frame is None and piece is None:
            raise DataError(
                f"{path}: expected sound or moving pictures that can be decoded, found none; streams: {source.streams}"
            )
        duration = _duration(source)
    turn = 0 if frame is None else turns(frame)
    size = (0, 0) if frame is None else (frame.width, frame.height)
    if frame is not None:
        check_size(Path(path), *size)
    if piece is not None:
        check_sound(Path(path), piece.sample_rate, piece.layout.nb_channels)
    return MediaInfo(
        path=Path(path),
        duration=duration,
        has_audio=piece is not None,
        has_video=frame is not None,
        width=size[turn % 2],
        height=size[1 - turn % 2],
        fps=float(rate) if rate and frame is not None else 0.0,
        audio_rate=0 if piece is None else piece.sample_rate,
        channels=0 if piece is None else piece.layout.nb_channels,
        rotation=90 * turn,
    )


def stated_duration(path: Path) -> float:
    """Return the seconds of a file as :func:`probe` does, without decoding anything.

    Raises:
        DataError: no media file.
    """
    with opened(Path(path)) as source:
        return _duration(source)


def _first_frame(source: Opened, stream: Any) -> Any:
    """Return the first picture or piece of sound that can be decoded; None if there is none."""
    if stream is None:
        return None
    tried = itertools.islice(source.packets(stream), _MOST_TRIED)
    for packet in itertools.chain(tried, [None]):
        try:
            frames = stream.codec_context.decode(packet)
        except (pyav().FFmpegError, OSError):
            continue
        for frame in frames:
            if not frame.is_corrupt and (stream.type == "video" or frame.samples):
                return frame
    return None


def _duration(source: Opened) -> float:
    stated = (source.container.duration or 0) / 1e6
    size = source.container.size
    known = bool(_STATED & set(source.container.format.name.split(","))) and abs(source.origin) <= _LATE
    if stated > 0 and size >= stated * _LEAST_RATE and (known or size > _MOST_READ):
        return stated
    ends = [0.0]
    for stream in (source.audio, source.video):
        if stream is not None:
            with opened(source.path) as again:
                ends.append(_last_packet(again, again.container.streams[stream.index]))
    return max(ends) or max(0.0, stated)


def _last_packet(source: Opened, stream: Any) -> float:
    """Return where the last packet of a stream ends, in seconds of the file."""
    base = float(stream.time_base or 0)
    rate = float((stream.type == "video" and (stream.guessed_rate or stream.average_rate)) or 25)
    last, count, timed = 0.0, 0, False
    for packet in source.packets(stream):
        count += 1
        tick = packet.pts if packet.pts is not None else packet.dts
        if tick is not None:
            timed = True
            length = (packet.duration or 0) * base or (1 / rate if stream.type == "video" else 0.0)
            last = max(last, tick * base - source.origin + length)
    return last if timed else count / rate
