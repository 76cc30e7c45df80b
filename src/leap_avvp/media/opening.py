"""Media files, opened without surprises: which streams are judged, and their packets in spite of damage."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leap_avvp.errors import DataError
from leap_avvp.files.links import absence, pointer
from leap_avvp.media.extras import need

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["MOST_PIXELS", "MOST_SIDE", "Clip", "Opened", "check_size", "check_sound", "opened", "pyav"]

MOST_SIDE = 16_384
"""Pixels a side of a picture; larger ones are refused before they are decoded."""
MOST_PIXELS = 2**27
"""Pixels of a picture, 400 MB as RGB."""
_RATES = range(1_000, 768_001)  # Hz of a stream of sound
_MOST_CHANNELS = 64
_MOST_FAILURES = 64  # of reading, one after the other, after which a file is given up
_JUMP = 1.0  # seconds that a stream's clock may go back before it counts as set anew
_ALONE = {
    "protocol_whitelist": "none",
    "max_pixels": str(MOST_PIXELS),
}  # a playlist opens no other file, nor the network


@dataclasses.dataclass(frozen=True)
class Clip:
    """A stretch of a media file, in seconds of the file's clock, which begins at 0 with its first sound or picture."""

    path: Path
    start: float = 0.0
    end: float | None = None
    """Seconds from the file's beginning; None: to the end of the file."""
    name: str = ""
    """The video's id or file name, as annotation files have it."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.start < float("inf")) or (self.end is not None and not self.start < self.end):
            raise DataError(
                f"{self.name or self.path}: expected 0 <= start < end, found start={self.start} and end={self.end}"
            )


@functools.cache
def pyav() -> Any:
    """Return the module ``av``, with FFmpeg's own messages kept off the terminal.

    Raises:
        ConfigError: PyAV is not installed.
    """
    av = need("av", "media")
    need("av.logging", "media").set_level(None)
    return av


class Opened:
    """A media file that is open.

    Cover pictures and thumbnails are no video. Of several streams the one marked as default counts, then the largest
    picture, then the first. Decoders work on one thread: many files are decoded side by side, not parts of one.
    """

    def __init__(self, path: Path, container: InputContainer) -> None:
        self.path = path
        self.container = container
        begins = container.start_time
        self.origin = 0.0 if begins is None else begins / 1e6
        """The container's clock, in seconds, where the file begins."""
        self.video: VideoStream | None = _first(
            [s for s in container.streams.video if s.codec_context is not None and _moves(s) and s.codec_context.width],
            key=lambda s: (_is_default(s), s.codec_context.width * s.codec_context.height),
        )
        self.audio: AudioStream | None = _first(
            [s for s in container.streams.audio if s.codec_context is not None and s.codec_context.sample_rate],
            key=_is_default,
        )
        self._check()

    def _check(self) -> None:
        if self.video is not None:
            check_size(self.path, self.video.codec_context.width, self.video.codec_context.height)
        if self.audio is not None:
            check_sound(self.path, self.audio.codec_context.sample_rate, self.audio.codec_context.channels)

    @property
    def streams(self) -> str:
        """What the file holds, for a message: ``subtitle (subrip)``."""
        kinds = [
            f"{s.type}{f' ({s.codec_context.name})' if s.codec_context is not None else ''}"
            for s in self.container.streams
        ]
        return ", ".join(kinds[:6]) + (", ..." if len(kinds) > 6 else "") if kinds else "none"

    def seek(self, stream: VideoStream | AudioStream, time: float) -> bool:
        """Go to a key frame at or before ``time`` (seconds of the file); say whether FFmpeg could."""
        base = stream.time_base
        if base is None:
            return False
        try:
            self.container.seek(int((time + self.origin) / base), stream=stream)
        except (pyav().FFmpegError, OverflowError):
            return False
        return True

    def packets(self, stream: VideoStream | AudioStream) -> Iterator[Packet[Any]]:
        """Yield the packets of a stream in the order of the file; damage in between is stepped over.

        Where the clock of the stream is set anew (recordings one behind the other in one file), time goes on.
        """
        failures, place, last, shift = 0, -1, None, 0
        back = int(_JUMP / stream.time_base) if stream.time_base else 0
        for other in self.container.streams:
            with contextlib.suppress(AttributeError):  # of a PyAV that does not have it: packets are read and dropped
                other.discard = pyav().stream.Discard["default" if other.index == stream.index else "all"]
        while failures < _MOST_FAILURES:
            try:
                for packet in self.container.demux(stream):
                    if not packet.size:  # a picture that repeats, or PyAV's end: to a decoder both would be the end
                        continue
                    if packet.pos is not None and packet.pos > place:  # a reader that stands still is given up, too
                        place, failures = packet.pos, 0
                    if packet.dts is not None:
                        if last is not None and back and packet.dts + shift < last - back:
                            shift = last + (packet.duration or 0) - packet.dts
                        last = packet.dts + shift
                        packet.dts = last
                    if shift and packet.pts is not None:
                        packet.pts += shift
                    yield packet
            except (EOFError, IndexError):  # PyAV stumbles at the end where streams came up that no head told of
                return
            except (pyav().FFmpegError, OSError):
                failures += 1
            else:
                return


def _options() -> dict[str, dict[str, str]]:
    """Return :data:`_ALONE` for opening; PyAV below 18 crashes where they are for the first look at pictures, too."""
    return {"options" if int(pyav().__version__.partition(".")[0]) >= 18 else "container_options": _ALONE}


def _moves(stream: VideoStream) -> bool:
    kinds = pyav().stream.Disposition
    return not stream.disposition & (kinds.attached_pic | kinds.timed_thumbnails)


def _is_default(stream: Any) -> bool:
    return bool(stream.disposition & pyav().stream.Disposition.default)


def _first(streams: list[Any], key: Any) -> Any:
    return max(streams, key=key, default=None)  # max keeps the first of equals


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse pictures that would fill the memory.

    Raises:
        DataError: more than :data:`MOST_SIDE` a side or :data:`MOST_PIXELS`.
    """
    if max(width, height) > MOST_SIDE or width * height > MOST_PIXELS:
        raise DataError(
            f"{path}: expected pictures of at most {MOST_SIDE} pixels a side and {MOST_PIXELS:,} in all, found "
            f"{width} x {height}; scale it down first: ffmpeg -i IN -vf scale=1280:-2 OUT"
        )


def check_sound(path: Path, rate: int, channels: int) -> None:
    """Refuse sound at rates that nobody records.

    Raises:
        DataError: a rate out of 1,000 to 768,000 Hz, or more than 64 channels.
    """
    if rate not in _RATES or not 0 < channels <= _MOST_CHANNELS:
        raise DataError(
            f"{path}: expected sound of {_RATES.start:,} to {_RATES[-1]:,} Hz in up to {_MOST_CHANNELS} channels, "
            f"found {rate:,} Hz in {channels}"
        )


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Open a media file; nothing but this one file is read, whatever it names.

    Raises:
        DataError: no such file, not a plain file, or nothing that FFmpeg knows; one line that names the file.
        ConfigError: PyAV is not installed.
    """
    av = pyav()
    path = Path(path)
    with contextlib.ExitStack() as stack:
        try:
            missing = absence(path)
            if missing is not None:
                raise DataError(f"{path}: {missing}")
            mode = path.stat().st_mode
            if not stat.S_ISREG(mode):
                what = "a folder" if stat.S_ISDIR(mode) else "neither file nor folder (a pipe or a device)"
                raise DataError(f"{path}: expected a media file, found {what}")
            away = pointer(path)
            if away is not None:
                raise DataError(f"{path}: {away}")
            if not path.stat().st_size:
                raise DataError(f"{path}: expected a media file, found an empty one")
            # A file object, not a name: FFmpeg reads `concat:`, `%03d` and the like out of names.
            file = stack.enter_context(open(os.fspath(path), "rb", buffering=0))
            container = stack.enter_context(av.open(file, metadata_errors="replace", **_options()))
        except (av.FFmpegError, OSError, RuntimeError, ValueError, OverflowError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{path}: expected a media file that FFmpeg reads, found none: {_reason(error)}") from error
        source = Opened(path, container)
        for stream in (source.video, source.audio):
            if stream is not None:
                stream.codec_context.thread_count = 1
                stream.codec_context.thread_type = "NONE"
                stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
        yield source


def _reason(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(said)[:200]
