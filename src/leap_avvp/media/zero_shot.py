"""What the embedded pair hears and sees of any clip, without training: scores a segment, and features of them.

It is zero-shot, not LEAP. YAMNet was trained on AudioSet, of which LLP is a part: its scores of LLP are no held-out
result. EfficientNet-Lite0 names the object that is seen, not what it does. T segments, C classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leap_avvp.media.backbones.efficientnet_lite0 import EfficientNetLite0
from leap_avvp.media.backbones.yamnet import SAMPLES, YAMNet
from leap_avvp.media.names import Names

__all__ = ["AUDIO_THRESHOLD", "FRAMES_A_SECOND", "ROWS", "VISUAL_THRESHOLD", "ZeroShot", "frame_times", "row_times"]

AUDIO_THRESHOLD = 0.5
"""From which score on a class is heard: YAMNet holds it for likelier than not."""
VISUAL_THRESHOLD = 0.5
"""From which probability on a class is seen: likelier than all else that ImageNet names. Neither number is tuned."""
FRAMES_A_SECOND = 4
"""Pictures that are looked at; the best of a segment counts, for one of a moving camera may show nothing."""
HOP = 0.12
"""Seconds between windows of 0.975 s. One a second misses short words; at 0.24 a score still depends on where the first
window begins (speech in the last second of the real video: 0.47 or 0.93), at 0.12 and below no longer."""
ROWS = 4
"""Rows of features a segment, of both streams of the feature set ``embedded``."""
_WINDOWS_AT_ONCE, _FRAMES_AT_ONCE = 256, 16


def frame_times(segments: int, seconds: float, rate: float = FRAMES_A_SECOND) -> NDArray[np.float64]:
    """Return (k,) seconds of the pictures to look at: at least one a segment, evenly in it, never at its border."""
    count = max(1, round(seconds * rate))
    return _middles(segments * count, seconds / count)


def row_times(segments: int, seconds: float) -> NDArray[np.float64]:
    """Return (4T,) seconds that the rows of features stand for: the middles of quarters of segments."""
    return _middles(segments * ROWS, seconds / ROWS)


def _middles(count: int, step: float) -> NDArray[np.float64]:
    return np.asarray((np.arange(count) + 0.5) * step, np.float64)


class ZeroShot:
    """The two networks. Their answers to the same clip are the same bytes with the same number of threads."""

    def __init__(self, device: str | torch.device = "cpu") -> None:
        """Load both.

        Raises:
            DataError: weights are missing, with the command that gets them.
        """
        self.ear = YAMNet(device=device)
        self.eye = EfficientNetLite0(device=device)

    def score(
        self,
        samples: NDArray[np.float32],
        frames: Iterable[tuple[float, NDArray[np.uint8] | None]],
        segments: int,
        seconds: float,
        names: Names,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return audio and visual scores, (T, C) each in [0, 1]; NaN where nothing was judged, which is not "absent".

        Args:
            samples: as :meth:`hear` takes them.
            frames: as :meth:`see` takes them.
            segments: T.
            seconds: of a segment.
            names: of C classes.
        """
        return self.hear(samples, segments, seconds, names), self.see(frames, segments, seconds, names)

    def hear(self, samples: NDArray[np.float32], segments: int, seconds: float, names: Names) -> NDArray[np.float32]:
        """Return (T, C): of the windows centred in a segment the highest score of a class' names.

        Windows are centred every 0.12 s; near the ends they are moved inside the sound. A segment is judged where the
        sound reaches its middle.

        Args:
            samples: (n,) mono in [-1, 1] at 16 kHz from the clip's start; empty where there is no sound.
            segments: T.
            seconds: of a segment.
            names: of C classes.
        """
        scores = np.full((segments, len(names.classes)), np.nan, np.float32)
        duration = len(samples) / self.ear.rate
        judged = [one for one in range(segments) if (one + 0.5) * seconds <= duration]
        if not judged:
            return scores
        # The middles too: one in each segment, however short.
        centres = np.append(np.arange(int(segments * seconds / HOP) + 1) * HOP, _middles(segments, seconds))
        starts = self._starts(centres, len(samples))
        heard, back = np.unique(starts, return_inverse=True)
        every = self._windows(samples, heard)[1][back]  # (windows, 521)
        owner = np.floor(centres / seconds).astype(np.int64)
        for segment in judged:
            best = every[owner == segment].max(axis=0)
            for place, outputs in enumerate(names.audio):
                if outputs:
                    scores[segment, place] = best[list(outputs)].max()
        return scores

    def see(
        self,
        frames: Iterable[tuple[float, NDArray[np.uint8] | None]],
        segments: int,
        seconds: float,
        names: Names,
    ) -> NDArray[np.float32]:
        """Return (T, C): of a segment's pictures the highest probability of a class, its names' added.

        A segment without a picture is not judged, nor is a class that ImageNet does not name.

        Args:
            frames: seconds from the clip's start and (H, W, 3) RGB, or None where there is none; some are held at a
                time, so that they may be decoded as they are looked at. :func:`frame_times` says which to take.
            segments: T.
            seconds: of a segment.
            names: of C classes.
        """
        scores = np.full((segments, len(names.classes)), np.nan, np.float32)
        shown = (
            (int(time // seconds), self.eye.shrink(picture))
            for time, picture in frames
            if picture is not None and 0 <= time < segments * seconds
        )
        while some := list(itertools.islice(shown, _FRAMES_AT_ONCE)):
            probabilities = self.eye.see([picture for _, picture in some])[1].astype(np.float64)
            for (segment, _), row in zip(some, probabilities, strict=True):
                for place, outputs in enumerate(names.image):
                    if outputs:
                        found = np.float32(min(1.0, row[list(outputs)].sum()))
                        scores[segment, place] = np.fmax(scores[segment, place], found)
        return scores

    def embed_audio(self, samples: NDArray[np.float32], segments: int, seconds: float) -> NDArray[np.float32]:
        """Return (4T, 1024): YAMNet's embedding of the window around each of :func:`row_times`.

        Args:
            samples: (n,) mono in [-1, 1] at 16 kHz; silence is added to fewer than T segments.
            segments: T.
            seconds: of a segment.
        """
        wanted = round(segments * seconds * self.ear.rate)
        samples = np.pad(np.asarray(samples, np.float32)[:wanted], (0, max(0, wanted - len(samples))))
        return self._windows(samples, self._starts(row_times(segments, seconds), len(samples)))[0]

    def embed_frames(self, frames: Sequence[NDArray[np.uint8] | None]) -> NDArray[np.float32]:
        """Return (n, 1280): EfficientNet-Lite0's embedding of n pictures; zeros of None, where there is no picture.

        Args:
            frames: n = 4T pictures (H, W, 3) at :func:`row_times`.
        """
        rows = np.zeros((len(frames), self.eye.width), np.float32)
        there = [place for place, picture in enumerate(frames) if picture is not None]
        rows[there] = self.eye([picture for picture in frames if picture is not None])
        return rows

    def _starts(self, centres: NDArray[Any], length: int) -> NDArray[np.int64]:
        """Return where windows around these seconds begin, in samples; moved to lie inside the sound."""
        starts = np.round(centres * self.ear.rate).astype(np.int64) - SAMPLES // 2
        return np.clip(starts, 0, max(0, length - SAMPLES))

    def _windows(
        self, samples: NDArray[np.float32], starts: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (k, 1024) embeddings and (k, 521) scores of the windows that begin there."""
        samples = np.pad(np.asarray(samples, np.float32), (0, max(0, SAMPLES - len(samples))))
        windows = np.lib.stride_tricks.sliding_window_view(samples, SAMPLES)
        parts = [
            self.ear.hear(windows[starts[first : first + _WINDOWS_AT_ONCE]])
            for first in range(0, len(starts), _WINDOWS_AT_ONCE)
        ]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
