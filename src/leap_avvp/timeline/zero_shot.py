"""A timeline of any video without training: what the embedded pair hears and sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.media.decode import Clip, MediaInfo, audio_blocks, frames_at, probe
from leap_avvp.timeline.result import Timeline

if TYPE_CHECKING:
    from leap_avvp.media.names import Names
    from leap_avvp.media.zero_shot import ZeroShot

__all__ = ["MODEL", "parse_zero_shot", "segments_in", "stretch_of", "weight_facts"]

MODEL = "zero-shot: YAMNet and EfficientNet-Lite0"
_CHUNK, _MARGIN = 60.0, 3.0  # seconds of sound at once, and around them
_MOST_STEPS = 300


def segments_in(duration: float, seconds: float) -> int:
    """Return T, the segments of a video, at least one: a rest of less than half a segment is left out."""
    return max(1, int(duration / seconds + 0.5 + 1e-6))


def stretch_of(clip: Clip, info: MediaInfo) -> float:
    """Return how many seconds a clip has."""
    end = info.duration if clip.end is None else min(clip.end, info.duration)
    return max(0.0, end - clip.start)


def parse_zero_shot(
    clip: Clip,
    pair: ZeroShot,
    names: Names,
    display: Sequence[str] | None = None,
    seconds: float = 1.0,
) -> Timeline:
    """Return what is heard and seen in a clip of any length.

    Sound is heard a minute at a time, with three seconds around it, so that a score does not depend on where a minute
    begins. What has no sound, no picture, or no class that a network can name is not judged.

    Args:
        clip: a stretch of a media file.
        pair: the two networks.
        names: of C classes, what stands for them.
        display: (C,) as people read them; None shows underscores as blanks.
        seconds: of a segment.

    Raises:
        DataError: no media file.
    """
    from leap_avvp.media.zero_shot import AUDIO_THRESHOLD, FRAMES_A_SECOND, HOP, VISUAL_THRESHOLD, frame_times

    info = probe(clip.path)
    duration = stretch_of(clip, info)
    segments = segments_in(duration, seconds)
    audio = _hear(clip, pair, names, segments, seconds, HOP)
    times = frame_times(segments, seconds)
    visual = pair.see(zip(times.tolist(), frames_at(clip, times), strict=True), segments, seconds, names)
    notes = [
        *([] if info.has_audio else ["No sound: nothing was judged by ear."]),
        *([] if info.has_video else ["No pictures: nothing was judged by eye."]),
        "YAMNet was trained on AudioSet, of which LLP is a part: its scores of LLP are no held-out result.",
        "The eye names objects; that one is to be seen does not say that it does what its class is called after.",
    ]
    return Timeline(
        name=clip.name or clip.path.stem,
        duration=duration,
        seconds=seconds,
        classes=names.classes,
        display=tuple(display or (name.replace("_", " ") for name in names.classes)),
        audio=audio,
        visual=visual,
        audio_on=np.nan_to_num(audio) >= AUDIO_THRESHOLD,
        visual_on=np.nan_to_num(visual) >= VISUAL_THRESHOLD,
        model=MODEL,
        zero_shot=True,
        facts={
            "audio_threshold": AUDIO_THRESHOLD,
            "visual_threshold": VISUAL_THRESHOLD,
            "seconds_between_windows_of_sound": HOP,
            "pictures_a_second": FRAMES_A_SECOND,
            **weight_facts("yamnet", "efficientnet_lite0"),
        },
        video=clip.path,
        start=clip.start,
        notes=tuple(notes),
    )


def weight_facts(*names: str) -> dict[str, Any]:
    """Return where weights come from and under which licence, by name."""
    from leap_avvp.media.weights import WEIGHTS

    return {f"weights_{name}": f"{WEIGHTS[name].source}; {WEIGHTS[name].licence}" for name in names}


def _hear(clip: Clip, pair: ZeroShot, names: Names, segments: int, seconds: float, hop: float) -> NDArray[np.float32]:
    """Return (T, C) audio scores; NaN where the file has no sound."""
    scores = np.full((segments, len(names.classes)), np.nan, np.float32)
    blocks = audio_blocks(clip, pair.ear.rate)
    step, margin = _steps(seconds, hop)
    sound = _Sound(blocks, pair.ear.rate)
    for first in range(0, segments, step):
        before, last = max(0, first - margin), min(segments, first + step)
        samples = sound.between(before * seconds, (last + margin) * seconds)
        heard = pair.hear(samples, last + margin - before, seconds, names)
        scores[first:last] = heard[first - before : last - before]
    for segment in range(segments):
        begin, end = segment * seconds, (segment + 1) * seconds
        if not any(start < end and stop > begin for start, stop in blocks.spans):
            scores[segment] = np.nan  # zeros that fill a gap are no silence
    return scores


def _steps(seconds: float, hop: float) -> tuple[int, int]:
    """Return how many segments are heard at once, and how many around them: whole numbers of windows' distances."""
    unit = next((n for n in range(1, _MOST_STEPS) if abs(n * seconds / hop - round(n * seconds / hop)) < 1e-6), 1)
    return tuple(unit * max(1, round(length / (unit * seconds))) for length in (_CHUNK, _MARGIN))  # type: ignore[return-value]


class _Sound:
    """The samples between two times of a stream that goes forward; what lies before the first is forgotten."""

    def __init__(self, blocks: Iterator[NDArray[np.float32]], rate: int) -> None:
        self._blocks, self._rate = blocks, rate
        self._held, self._begin = np.zeros(0, np.float32), 0

    def between(self, start: float, end: float) -> NDArray[np.float32]:
        """Return (n,) samples; fewer where the sound ends."""
        first, last = round(start * self._rate), round(end * self._rate)
        parts, length = [self._held], self._begin + len(self._held)
        while length < last and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            length += len(block)
        self._held = np.concatenate(parts)
        if first > self._begin:
            self._held = self._held[first - self._begin :].copy()
            self._begin = first
        return self._held[: max(0, last - self._begin)]
