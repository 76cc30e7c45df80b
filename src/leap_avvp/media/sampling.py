"""Which pictures and which stretches of a video are looked at: plain arithmetic on times and row numbers.

T is the number of segments of a window, N that of a whole video.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leap_avvp.errors import ConfigError

__all__ = [
    "CLIP_FRAMES",
    "LLP_FRAMES",
    "LLP_RATE",
    "Window",
    "constant_rate_copies",
    "linspace_rows",
    "segment_count",
    "segment_times",
    "stitch",
    "stitch_weights",
    "windows",
]

LLP_RATE = 8.0
"""Pictures a second that AVVP-ECCV20's ``extract_frames.py`` asks FFmpeg for (``-r 8``)."""
LLP_FRAMES = 80
"""Pictures that its extractors take of these, whatever their number."""
CLIP_FRAMES = 10
"""Pictures that VALOR's CLIP extractor takes of the same."""
_FAR = 1.1  # frames that FFmpeg's output may lie off before it repeats or drops one
_TOO_MANY = 3600 * 30  # repeats at once that FFmpeg takes for a broken clock
_ROUNDING = 1e-6  # segments: 10.0000001 s are ten seconds


def linspace_rows(n: int, k: int) -> NDArray[np.int64]:
    """Return the ``k`` of ``n`` rows that LLP's extractors take: ``round(linspace(0, n - 1, k))``, half to even.

    So a video of another length is stretched, never padded: of fewer rows some are taken twice.

    Returns:
        (k,) row numbers, ascending; of LLP 80, or of CLIP 10, of the pictures at 8 a second.

    Raises:
        ConfigError: ``n`` or ``k`` is below 1.
    """
    if n < 1 or k < 1:
        raise ConfigError(f"rows to choose from and to choose: expected both to be 1 or more, found {n} and {k}")
    return np.round(np.linspace(0, n - 1, k)).astype(np.int64)


def segment_times(segments: int, seconds: float = 1.0, per_segment: int = 1) -> NDArray[np.float64]:
    """Return the centres of equal parts of each segment: of one part the centre of the segment.

    Returns:
        (segments * per_segment,) seconds, ascending.

    Raises:
        ConfigError: a number that is not positive.
    """
    if segments < 1 or per_segment < 1 or not 0 < seconds < math.inf:
        raise ConfigError(
            f"segments, their seconds and the times in each: expected positive numbers, found {segments}, {seconds} "
            f"and {per_segment}"
        )
    return np.asarray((np.arange(segments * per_segment) + 0.5) * (seconds / per_segment), np.float64)


def constant_rate_copies(
    times: ArrayLike, durations: ArrayLike, fps: float, rate: float = LLP_RATE
) -> NDArray[np.int64]:
    """Return how often ``ffmpeg -r RATE`` writes each picture of a video to numbered image files.

    As the command does it (``-vsync cfr``), not as FFmpeg's filter ``fps``: a picture is dropped only once the output
    is more than 1.1 pictures ahead, so that ten seconds of 30 pictures a second end in 82 files, the first three of
    them early, and from then on each shows what was to be seen about 1/8 s before. The filter (``fps=8``, which rounds
    to the nearest) gives 80.

    Args:
        times: (n,) seconds at which each picture is first shown, ascending.
        durations: (n,) seconds that the file gives each picture; 0 where it does not say.
        fps: pictures a second that the file states; 0 if it does not.
        rate: pictures a second of the output.

    Returns:
        (n,) copies of each picture.

    Raises:
        ConfigError: a rate that is not positive, or arrays of different lengths.
    """
    moments, lengths = np.asarray(times, np.float64), np.asarray(durations, np.float64)
    if not 0 < rate < math.inf or moments.ndim != 1 or moments.shape != lengths.shape:
        raise ConfigError(
            f"expected a positive rate, and as many durations as times, found {rate}, {lengths.shape} and "
            f"{moments.shape}"
        )
    copies = np.zeros(len(moments), np.int64)
    usual = min(rate / fps, 1.0) if fps > 0 else 1.0  # in pictures of the output
    written, repeats = 0, [0, 0, 0]
    for index, (moment, length) in enumerate(zip(moments.tolist(), lengths.tolist(), strict=True)):
        place = moment * rate
        place += math.copysign(2.0**-17, place) if place else 0.0  # FFmpeg's own step off exact halves
        ahead = place - written
        behind = ahead + (round(length * rate) or usual)
        now, before = 1, 0
        if behind < -_FAR:
            now = 0
        elif behind > _FAR:
            now = round(behind)
            if ahead > _FAR:
                before = min(round(ahead - 0.6), now)
        if now > _TOO_MANY:
            continue
        repeats = [before, *repeats[:2]]
        copies[max(index - 1, 0)] += before
        copies[index] += now - before
        written += now
    if len(copies):
        copies[-1] += sorted(repeats)[1]
    return copies


@dataclasses.dataclass(frozen=True)
class Window:
    """T segments of a longer video."""

    first: int
    """Segment of the video at which it begins."""
    segments: int
    """T."""
    seconds: float
    """Of a segment."""

    @property
    def start(self) -> float:
        """Second of the video at which it begins."""
        return self.first * self.seconds

    @property
    def end(self) -> float:
        """Second of the video at which it ends; it may lie behind the end of the video."""
        return (self.first + self.segments) * self.seconds


def segment_count(duration: float, seconds: float = 1.0) -> int:
    """Return N: how many segments a video has, the last one maybe not whole; at least 1.

    Raises:
        ConfigError: a number that is not positive.
    """
    if not (0 < seconds < math.inf and 0 <= duration < math.inf):
        raise ConfigError(f"duration and seconds of a segment: expected positive numbers, found {duration}, {seconds}")
    return max(1, math.ceil(duration / seconds - _ROUNDING))


def windows(duration: float, segments: int, seconds: float = 1.0, overlap: int = 0) -> Iterator[Window]:
    """Yield windows of T segments that cover a video, each ``T - overlap`` segments behind the one before.

    The last one is shifted back to end with the last segment, so it may overlap more. A video of T segments or fewer is
    one window from its beginning.

    Args:
        duration: seconds of the video.
        segments: T.
        seconds: of a segment.
        overlap: segments that neighbours share at least.

    Raises:
        ConfigError: T below 1, an overlap that is negative or not below T, a duration that is no number.
    """
    if segments < 1 or not 0 <= overlap < segments:
        raise ConfigError(f"windows: expected 0 <= overlap < segments, found overlap={overlap} and segments={segments}")
    last = max(0, segment_count(duration, seconds) - segments)
    step = segments - overlap
    return (Window(min(first, last), segments, seconds) for first in range(0, last + step, step))


def stitch_weights(segments: int) -> NDArray[np.float64]:
    """Return how much each segment of a window counts where windows overlap.

    They rise linearly from the edges, where a model has seen half of the surroundings, to the middle; so one window
    fades into the next, and no seam is left.

    Returns:
        (T,) positive, symmetric, at most 1.

    Raises:
        ConfigError: T below 1.
    """
    if segments < 1:
        raise ConfigError(f"segments of a window: expected 1 or more, found {segments}")
    rising = np.minimum(np.arange(1, segments + 1), np.arange(segments, 0, -1)).astype(np.float64)
    return np.asarray(rising / rising.max())


def stitch(placed: Sequence[Window], values: Sequence[ArrayLike], total: int) -> NDArray[np.float64]:
    """Join what was found in windows that overlap: the mean with :func:`stitch_weights`.

    What is NaN ("not judged") in one window is taken from the others, and is NaN where it is in all of them. What a
    single window covers, or all agree on, stays what it was to the bit.

    Args:
        placed: the windows.
        values: (T, ...) of each window.
        total: N segments of the video.

    Returns:
        (N, ...); what windows hold behind the last segment is dropped.

    Raises:
        ConfigError: as many values as windows are expected, each with T rows and all with the same further axes.
    """
    if len(placed) != len(values) or not placed:
        raise ConfigError(f"expected values of each window, found {len(values)} for {len(placed)} windows")
    arrays = [np.asarray(array, np.float64) for array in values]
    for window, array in zip(placed, arrays, strict=True):
        if array.shape != (window.segments, *arrays[0].shape[1:]):
            raise ConfigError(
                f"values of a window: expected {(window.segments, *arrays[0].shape[1:])}, found {array.shape}"
            )
    shape = (total, *arrays[0].shape[1:])
    origin, gain, weight = np.full(shape, np.nan), np.zeros(shape), np.zeros(shape)
    for window, array in zip(placed, arrays, strict=True):
        rows = slice(window.first, min(window.first + window.segments, total))
        part = array[: max(0, rows.stop - rows.start)]
        known = ~np.isnan(part)
        share = stitch_weights(window.segments)[: len(part)].reshape(-1, *[1] * (part.ndim - 1)) * known
        # The first value plus weighted differences to it: equal values stay equal, which no sum of shares would hold.
        origin[rows] = np.where(np.isnan(origin[rows]), part, origin[rows])
        gain[rows] += share * np.where(known, part - origin[rows], 0.0)
        weight[rows] += share
    return np.asarray(origin + gain / np.where(weight > 0, weight, 1.0))
