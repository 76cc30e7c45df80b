"""The pictures of a clip: first when each is shown, from the packets alone, then those decoded that are wanted."""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import itertools
import math
from array import array
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.media.opening import Clip, Opened, opened, pyav

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["EARLY", "Reel", "read_reel", "seeks"]

EARLY = 1e-4
"""Seconds before it begins at which a picture counts as shown: clocks of files are rounded."""
_NEAR = 2.0  # seconds from the beginning up to which nothing is gained by seeking
_EARLIER = 10.0  # seconds to go back further where the first try came too late
_BEHIND = 64  # packets behind the end after which none from before it can come any more
_USUAL_RATE = 25.0  # FFmpeg's own, where a file states none
# Formats whose times FFmpeg counts up from where it stands, so that after a seek they may be wrong.
_COUNTED = {"mp3", "aac", "ac3", "eac3", "dts", "h264", "hevc", "mpegvideo", "m4v", "vc1", "gif", "apng"}
# Formats that say when a packet is decoded, not when its picture is shown: what FFmpeg makes up for that is no order.
_IN_ORDER = {"avi"}


def seeks(source: Opened, start: float) -> list[float | None]:
    """Return where to begin reading for a stretch that begins at ``start``, to try in turn; None: at the beginning."""
    names = set(source.container.format.name.split(","))
    if start <= _NEAR or names & _COUNTED or source.container.format.name.endswith("_pipe"):
        return [None]
    return [start, *([start - _EARLIER] if start > _EARLIER + _NEAR else []), None]


@dataclasses.dataclass(frozen=True)
class Reel:
    """When each of the n pictures of a clip is shown. 24 bytes a picture, whatever their size."""

    clip: Clip
    times: NDArray[np.float64]
    """(n,) seconds from the clip's start, ascending; that which is shown at the start may have begun before it."""
    durations: NDArray[np.float64]
    """(n,) seconds that the file gives each; 0 where it does not say."""
    end: float
    """Seconds from the clip's start at which the last one goes."""
    fps: float
    """Pictures a second that the file states."""
    _ticks: array[int]  # (n,) the times as the file has them
    _timed: bool  # False: packets do not say when their picture is shown; the n-th that is decoded is the n-th
    _tries: tuple[float | None, ...]

    def __len__(self) -> int:
        return len(self._ticks)

    def owners(self, times: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
        """Return which picture is shown at each time (seconds from the clip's start).

        Returns:
            (k,) row numbers; -1 more than ``tolerance`` before the first picture, or behind the end.
        """
        rows = np.searchsorted(self.times, times + EARLY, side="right").astype(np.int64) - 1
        rows[(rows < 0) & (times + tolerance + EARLY >= self.times[0])] = 0
        rows[times >= self.end + tolerance] = -1
        return rows

    def decoded(self, wanted: bytearray) -> Generator[tuple[int, VideoFrame]]:
        """Yield rows and pictures, ascending, of all that are wanted and can be decoded.

        Args:
            wanted: (n,) 1 for a picture that is wanted. Others are not even decoded where no other picture needs them.

        Raises:
            DataError: the file is not what it was.
        """
        first = wanted.find(1)
        if first < 0:
            return
        for place in self._tries:
            late = False
            with contextlib.closing(self._decode(wanted, place)) as pictures:
                for row, frame in pictures:
                    # After a seek: what it needs lies further back.
                    late = late or (row > first and place is not None and place != self._tries[-1])
                    if late:
                        break
                    first = len(self)
                    yield row, frame
            if not late:
                return

    def _decode(self, wanted: bytearray, place: float | None) -> Generator[tuple[int, VideoFrame]]:
        failures = (pyav().FFmpegError, OSError)
        last, before, count, tick = wanted.rfind(1), -1, -1, 0
        with opened(self.clip.path) as source:
            stream = source.video
            if stream is None or (place is not None and not source.seek(stream, place)):
                return
            codec, skips = stream.codec_context, False
            usual = max(1, round(1 / (_rate(stream) * stream.time_base))) if stream.time_base else 1
            packets: Iterator[Any] = itertools.chain(source.packets(stream), [None])
            for number, packet in enumerate(packets):
                # The first packet never: some decoders take the setting once, when they are opened.
                skip = number > 0 and self._timed and packet is not None and not self._is_wanted(packet.pts, wanted)
                if skip != skips:
                    codec.skip_frame, skips = ("NONREF" if skip else "DEFAULT"), skip
                try:
                    frames = codec.decode(packet)
                except failures:
                    continue
                for frame in frames:
                    count += 1
                    tick = tick + usual if frame.pts is None else frame.pts
                    row = bisect.bisect_right(self._ticks, tick) - 1 if self._timed else min(count, len(self) - 1)
                    if frame.is_corrupt or row <= before:
                        continue
                    if wanted[row]:
                        before = row
                        yield row, frame
                    if row >= last:
                        return

    def _is_wanted(self, tick: int | None, wanted: bytearray) -> bool:
        if tick is None:
            return True
        row = bisect.bisect_right(self._ticks, tick) - 1
        return row >= 0 and bool(wanted[row])


def _rate(stream: VideoStream) -> float:
    return float(stream.guessed_rate or stream.average_rate or _USUAL_RATE)


def read_reel(clip: Clip) -> Reel | None:
    """Read when each picture of a clip is shown; None where there is no video stream or no picture in the clip.

    Nothing is decoded. Begins at the key frame from which the picture at the clip's start can be decoded.

    Raises:
        DataError: no media file, or pictures beyond the sizes of :mod:`leap_avvp.media.opening`.
    """
    path = Path(clip.path)
    with opened(path) as source:
        if source.video is None:
            return None
        tries = seeks(source, clip.start)
        for number, place in enumerate(tries):
            if number == 0:
                reel = _read(source, source.video, clip, tries)
            else:
                with opened(path) as again:
                    if again.video is None:
                        return None
                    reel = _read(again, again.video, clip, tries[number:])
            if reel is not None or place is None:
                return reel
    return None


def _read(source: Opened, stream: VideoStream, clip: Clip, tries: list[float | None]) -> Reel | None:
    place, base = tries[0], stream.time_base
    if not base or (place is not None and not source.seek(stream, place)):
        return None
    rate, zero = _rate(stream), clip.start + source.origin
    start = int((zero + EARLY) / base)
    stop = math.inf if clip.end is None else (clip.end + source.origin - EARLY) / float(base)
    found = _collect(source, stream, stop, max(1, round(1 / (rate * base))))
    if not found.shown or (place is not None and (found.key > start or not found.dated)):
        return None
    found.shown.sort()
    ticks = np.array([tick for tick, _ in found.shown], np.int64)
    durations = np.array([length for _, length in found.shown], np.int64)
    if found.timed:  # from the picture on that is shown at the start; of two at one time the first
        keep = np.append(True, np.diff(ticks) > 0)
        keep[: max(0, int(np.searchsorted(ticks, start, side="right")) - 1)] = False
        ticks, durations = ticks[keep], durations[keep]
        if not len(ticks):
            return None
    times = np.asarray(ticks * float(base) - zero, np.float64)
    lengths = np.asarray(durations * float(base), np.float64)
    last = times[-1] + (lengths[-1] or 1 / rate)
    if clip.end is not None:
        last = clip.end - clip.start if found.more else min(last, clip.end - clip.start)
    return Reel(clip, times, lengths, float(last), rate, array("q", ticks.tolist()), found.timed, tuple(tries))


@dataclasses.dataclass
class _Found:
    """What the packets of a clip say, in the ticks of their stream."""

    shown: list[tuple[int, int]] = dataclasses.field(default_factory=list)  # when and how long, as they lie in the file
    timed: bool = False  # packets say when their pictures are shown
    dated: bool = False  # or at least when they are decoded
    more: bool = False  # pictures follow behind the clip
    key: float = math.inf  # the first picture that needs no other


def _collect(source: Opened, stream: VideoStream, stop: float, usual: int) -> _Found:
    found, tick, behind = _Found(), -usual, 0
    in_order = source.container.format.name in _IN_ORDER
    for packet in source.packets(stream):
        pts = None if in_order else packet.pts
        if packet.is_discard or (found.timed and pts is None):  # cut away by an edit list; or it tells no time
            continue
        if pts is not None and not found.timed:
            found.timed, found.shown = True, []
        found.dated = found.dated or pts is not None or packet.dts is not None
        tick = next((tick for tick in (pts, packet.dts) if tick is not None), tick + usual)
        if packet.is_keyframe:
            found.key = min(found.key, tick)
        if tick < stop:
            found.shown.append((tick, packet.duration or 0))
            continue
        found.more, behind = True, behind + 1
        if behind > _BEHIND or (packet.dts is not None and packet.dts >= stop):
            break
    return found
