"""Pictures of a clip, upright and in RGB: those at given times, at a constant rate, or a fixed number of them."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leap_avvp.errors import ConfigError
from leap_avvp.media.opening import Clip, check_size, pyav
from leap_avvp.media.reel import EARLY, Reel, read_reel
from leap_avvp.media.sampling import LLP_FRAMES, LLP_RATE, constant_rate_copies, linspace_rows

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

__all__ = ["TOLERANCE", "Upright", "constant_rate", "count_constant_rate", "frames_at", "stretched", "turns"]

TOLERANCE = 0.125
"""Seconds before the first picture and behind the last at which that one still counts as shown."""
_Picture = NDArray[np.uint8]


def turns(frame: VideoFrame) -> int:
    """Return how many quarters of a turn, counter-clockwise, bring a picture upright: 0 to 3."""
    return round(frame.rotation / 90) % 4


class Upright:
    """Makes (H, W, 3) RGB arrays of decoded pictures, turned upright as the file's display matrix says.

    Any pixel format: grey becomes three equal channels, more than 8 bits are rounded to 8, transparency is dropped.
    Pixels that are not square are left as they are, so that such a picture is as narrow or wide as it is stored.
    """

    def __init__(self) -> None:
        self._reformatter = pyav().video.reformatter.VideoReformatter()
        self._options: dict[str, Any] = {"format": "rgb24", "interpolation": "BICUBIC"}  # as the command ffmpeg does
        if _has_threads(self._reformatter):
            self._options["threads"] = 1

    def __call__(self, clip: Clip, frame: VideoFrame) -> _Picture:
        """Return the array.

        Raises:
            DataError: a picture beyond the sizes of :mod:`leap_avvp.media.opening`.
        """
        check_size(clip.path, frame.width, frame.height)
        picture = self._reformatter.reformat(frame, **self._options).to_ndarray()
        turn = turns(frame)
        return np.ascontiguousarray(np.rot90(picture, turn)) if turn else picture


def _has_threads(reformatter: Any) -> bool:
    try:
        return "threads" in inspect.signature(reformatter.reformat).parameters
    except (TypeError, ValueError):  # compiled without its signature
        return int(pyav().__version__.partition(".")[0]) >= 17


def frames_at(clip: Clip, times: ArrayLike) -> Iterator[_Picture | None]:
    """Yield the picture that is shown at each of some times: the last one that began by then.

    Pictures have their times from the file, whatever its rate; one stands until the next begins. Only those asked for
    are converted, and of the others only those decoded that they depend on. Memory is that of three pictures.

    Args:
        clip: a stretch of a file.
        times: (k,) seconds from the clip's start, ascending.

    Yields:
        (H, W, 3) RGB, upright, non-square pixels left as they are; the same array again where a picture stands long, so
        copy before writing into it. None where there is no picture to judge: no video stream, more than
        :data:`TOLERANCE` before the first picture or behind the last, a stretch that cannot be decoded.

    Raises:
        ConfigError: times that do not ascend; PyAV is not installed.
        DataError: no media file.
    """
    moments = np.asarray(times, np.float64)
    if moments.ndim != 1 or not np.isfinite(moments).all() or (np.diff(moments) < 0).any():
        raise ConfigError(f"times of pictures: expected ascending seconds, found {moments.tolist()!r:.100}")
    reel = read_reel(clip) if len(moments) else None
    if reel is None:
        return iter([None] * len(moments))
    return _shown(reel, moments, reel.owners(moments, TOLERANCE))


def _shown(reel: Reel, moments: NDArray[np.float64], owners: NDArray[np.int64]) -> Iterator[_Picture | None]:
    """Yield the picture of each row of ``owners``; where it cannot be decoded one within the tolerance, else None."""
    wanted = bytearray(len(reel))
    for owner in owners[owners >= 0].tolist():
        wanted[owner] = 1
    upright = Upright()
    with contextlib.closing(reel.decoded(wanted)) as pictures:
        older: _Held | None = None
        held: _Held | None = None
        for moment, owner in zip(moments.tolist(), owners.tolist(), strict=True):
            if owner < 0:
                yield None
                continue
            while held is None or held.row < owner:
                coming = next(pictures, None)
                if coming is None:
                    break
                older, held = held, _Held(*coming)
            near = [one for one in (held, older) if one is not None and one.is_near(reel, moment, owner)]
            yield near[0].picture(reel.clip, upright) if near else None


class _Held:
    """A decoded picture, converted when it is first asked for."""

    def __init__(self, row: int, frame: VideoFrame) -> None:
        self.row = row
        self._frame: VideoFrame | None = frame
        self._picture: _Picture | None = None

    def is_near(self, reel: Reel, moment: float, owner: int) -> bool:
        if self.row == owner:
            return True
        if self.row > owner:
            return float(reel.times[self.row]) - moment <= TOLERANCE
        return moment - float(reel.times[self.row + 1]) <= TOLERANCE

    def picture(self, clip: Clip, upright: Upright) -> _Picture:
        if self._picture is None:
            assert self._frame is not None
            self._picture, self._frame = upright(clip, self._frame), None
        return self._picture


def _constant_rows(reel: Reel | None, rate: float) -> NDArray[np.int64]:
    """Return the row of each picture that ``ffmpeg -r RATE`` writes, (n,)."""
    if reel is None:
        return np.zeros(0, np.int64)
    # As `-ss START` before `-i`: what began before the start is not written.
    first = int(np.searchsorted(reel.times, -EARLY)) if reel.clip.start else 0
    copies = constant_rate_copies(reel.times[first:], reel.durations[first:], reel.fps, rate)
    return np.repeat(np.arange(first, len(reel)), copies)


def count_constant_rate(clip: Clip, rate: float = LLP_RATE) -> int:
    """Return how many pictures :func:`constant_rate` yields of an undamaged file, without decoding any.

    Raises:
        DataError: no media file.
    """
    return len(_constant_rows(read_reel(clip), rate))


def constant_rate(clip: Clip, rate: float = LLP_RATE) -> Iterator[_Picture]:
    """Yield the pictures that ``ffmpeg -ss START -i FILE -t SECONDS -r RATE %06d.png`` writes, one at a time.

    The choice is that of FFmpeg 4 to 5.1, which made LLP's frames: see
    :func:`~leap_avvp.media.sampling.constant_rate_copies`. What cannot be decoded is replaced by the picture before it;
    at the beginning by the first that can, and at the end by nothing.

    Args:
        clip: a stretch of a file.
        rate: pictures a second.

    Yields:
        (H, W, 3) RGB, as :func:`frames_at`; nothing where there is no video.

    Raises:
        DataError: no media file.
    """
    reel = read_reel(clip)
    rows = _constant_rows(reel, rate)
    if reel is None:
        return
    owed, last = 0, None
    for picture in _shown(reel, reel.times[rows], rows):
        if picture is None:
            owed += 1
            continue
        for _ in range(owed):
            yield picture if last is None else last
        owed, last = 0, picture
        yield picture


def stretched(clip: Clip, number: int = LLP_FRAMES, rate: float = LLP_RATE) -> Iterator[_Picture | None]:
    """Yield LLP's choice: ``number`` of the pictures at a constant rate, evenly from the first to the last of them.

    The same pictures as rows :func:`~leap_avvp.media.sampling.linspace_rows` of ``list(constant_rate(clip, rate))``,
    without holding them: a shorter or longer clip is stretched, never padded.

    Args:
        clip: a stretch of a file.
        number: of pictures; VALOR's CLIP features take 10 of the same.
        rate: pictures a second to choose from.

    Yields:
        ``number`` times (H, W, 3) RGB, as :func:`frames_at`; None where it cannot be decoded, or there is no video.

    Raises:
        DataError: no media file.
    """
    reel = read_reel(clip)
    rows = _constant_rows(reel, rate)
    if reel is None or not len(rows):
        yield from [None] * number
        return
    chosen = rows[linspace_rows(len(rows), number)]
    yield from _shown(reel, reel.times[chosen], chosen)
