"""A parsed video of any length: what is heard and seen when, how sure the model is, and what was not judged."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import LLP, DataCard
from leap_avvp.errors import DataError
from leap_avvp.figures.parsing import MODALITIES, runs_of

__all__ = ["FORMAT", "MODALITIES", "VERBS", "ZERO_SHOT", "Timeline", "TimelineEvent", "clock", "printable"]

FORMAT = "leap-avvp/timeline/1"
"""Names what :meth:`Timeline.to_dict` holds."""
VERBS = {"audio": "heard", "visual": "seen"}
ZERO_SHOT = (
    "zero-shot, not LEAP; thresholds not tuned; classes the image model cannot name are 'not judged', which does not "
    "mean absent"
)
"""What must be read with every result of the pretrained pair."""
_NO_CLASS = re.compile(r"[\t\r\n\0]")
_TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
_STRONGEST = 1e-6  # probabilities may leave 0 to 1 by rounding


class TimelineEvent(NamedTuple):
    """Something that is heard or seen without a break."""

    name: str
    """The class, as annotation files spell it."""
    display: str
    """The class, as people read it."""
    modality: str
    """``audio`` or ``visual``."""
    onset: float
    """Seconds from the start of the video."""
    offset: float
    """Seconds; the end of the event's last segment."""
    probability: float
    """Mean of the event's segment probabilities."""


@dataclasses.dataclass(frozen=True, eq=False)
class Timeline:
    """One parsed video. T segments, C classes.

    Raises:
        DataError: parts that do not fit one another: shapes, probabilities beyond 0 to 1, an event where nothing was
            judged, or class names that repeat or hold tabs or line breaks.
    """

    name: str
    """Of the video; ``filename`` in annotation files."""
    duration: float
    """Seconds of the video; the last segment may end behind it."""
    seconds: float
    """Of a segment."""
    classes: tuple[str, ...]
    """(C,) as annotation files spell them."""
    display: tuple[str, ...]
    """(C,) as people read them."""
    audio: NDArray[np.float32]
    """(T, C) probability that a class is heard in a segment; NaN: not judged."""
    visual: NDArray[np.float32]
    """(T, C) probability that it is seen; NaN: not judged."""
    audio_on: NDArray[np.bool_]
    """(T, C) what is heard when."""
    visual_on: NDArray[np.bool_]
    """(T, C) what is seen when."""
    model: str
    """What said so, in one line: ``zero-shot: YAMNet + EfficientNet-Lite0`` or ``LEAP checkpoint ...``."""
    zero_shot: bool
    """Whether :data:`ZERO_SHOT` holds."""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Versions, licences, options: plain content, by name."""
    video: Path | None = None
    """The file; None where there is none to play."""
    notes: tuple[str, ...] = ()
    """What else must be known, a sentence each: ``no sound: nothing was judged by ear``."""
    start: float = 0.0
    """Second of the file at which the timeline begins, where that is a stretch of it; other times count from there."""

    def __post_init__(self) -> None:
        shape = self.audio.shape
        if len(shape) != 2 or shape[0] < 1 or shape[1] != len(self.classes) or len(self.display) != len(self.classes):
            raise self._error(f"(segments, {len(self.classes)} classes) in audio", str(shape))
        times = (self.seconds, self.duration, self.start)
        if not (all(map(math.isfinite, times)) and self.seconds > 0 and self.start >= 0):
            raise self._error("finite seconds", f"{self.seconds} a segment, {self.duration} from {self.start}")
        odd = [name for name in (*self.classes, *self.display) if not name.strip() or _NO_CLASS.search(name)]
        odd += [name for name in self.classes if self.classes.count(name) > 1]
        if odd:
            raise self._error("classes named once, without tabs and line breaks", repr(odd[0]))
        for modality in MODALITIES:
            values, on = self.probability(modality), self.on(modality)
            if values.shape != shape or on.shape != shape or on.dtype != np.bool_:
                raise self._error(f"{shape} and bool in {modality}", f"{values.shape}, {on.shape} {on.dtype}")
            judged = values[~np.isnan(values)]
            if judged.size and not (judged.min() >= -_STRONGEST and judged.max() <= 1 + _STRONGEST):
                raise self._error(f"{modality} from 0 to 1", f"{judged.min():g} to {judged.max():g}")
            if (np.isnan(values) & on).any():
                raise self._error(f"{modality} events where something was judged", "one that is not a number")

    def _error(self, expected: str, found: str) -> DataError:
        return DataError(f"timeline of {self.name!r}: expected {expected}, found {found}")

    @property
    def segments(self) -> int:
        """T."""
        return len(self.audio)

    @property
    def caution(self) -> str | None:
        """What must be read first; None of a trained model."""
        return ZERO_SHOT if self.zero_shot else None

    @property
    def card(self) -> DataCard:
        """Classes and segments as the figures and the readers of annotation files take them."""
        return dataclasses.replace(
            LLP, name="timeline", classes=self.classes, display=self.display, segments=self.segments,
            seconds=self.seconds, weak={}, dense={}, ids="filename",
        )  # fmt: skip

    def label(self, index: int) -> str:
        """Return how a class is shown."""
        return printable(self.display[index])

    def probability(self, modality: str) -> NDArray[np.float32]:
        """Return (T, C) probabilities of ``audio`` or ``visual``; NaN: not judged."""
        return self.audio if modality == "audio" else self.visual

    def on(self, modality: str) -> NDArray[np.bool_]:
        """Return (T, C) events of ``audio`` or ``visual``."""
        return self.audio_on if modality == "audio" else self.visual_on

    def judged(self, index: int, modality: str) -> bool:
        """Say whether a class was judged in any segment."""
        return not bool(np.isnan(self.probability(modality)[:, index]).all())

    def highest(self, index: int, modality: str) -> float:
        """Return the highest probability of a class; NaN where it was not judged."""
        own = self.probability(modality)[:, index]
        return float(np.nanmax(own)) if self.judged(index, modality) else math.nan

    def time(self, segment: int) -> float:
        """Return the second at which a segment begins: 0.3, not 0.30000000000000004."""
        return float(f"{segment * self.seconds:.10g}")

    def events(self) -> list[TimelineEvent]:
        """Return what is heard and seen without a break, by onset, offset, class and modality."""
        found = []
        for place, modality in enumerate(MODALITIES):
            values, on = self.probability(modality), self.on(modality)
            for index in np.flatnonzero(on.any(axis=0)).tolist():
                for start, length in runs_of(on[:, index]):
                    mean = float(values[start : start + length, index].mean(dtype=np.float64))
                    times = (self.time(start), self.time(start + length))
                    event = TimelineEvent(self.classes[index], self.display[index], modality, *times, mean)
                    found.append((start, start + length, index, place, event))
        return [entry[-1] for entry in sorted(found, key=lambda entry: entry[:-1])]

    @functools.cached_property
    def _ranked(self) -> list[tuple[int, str]]:
        """All pairs of class and modality: events by their class's first onset, then by the highest probability."""
        first: dict[int, int] = {}
        occurs: set[tuple[int, str]] = set()
        for modality in MODALITIES:
            on = self.on(modality)
            for index in np.flatnonzero(on.any(axis=0)).tolist():
                occurs.add((index, modality))
                first[index] = min(first.get(index, self.segments), int(on[:, index].argmax()))

        def rank(pair: tuple[int, str]) -> tuple[int, float, int, int]:
            index, modality = pair
            place = MODALITIES.index(modality)
            if pair in occurs:
                return 0, first[index], index, place
            highest = self.highest(index, modality)
            return (2, 0.0, index, place) if math.isnan(highest) else (1, -highest, index, place)

        return sorted(((index, modality) for index in range(len(self.classes)) for modality in MODALITIES), key=rank)

    def rows(self, limit: int | None = None) -> list[tuple[int, str]]:
        """Return the pairs (class, modality) that are worth a row, the worthiest first; None returns all.

        Those with an event stand first, by the first onset of their class, so that what is heard and seen of a class
        stands together; then the others, the highest probability first, and those not judged last.
        """
        return self._ranked[:limit]

    def shown(self, most: int = 5) -> list[tuple[int, str]]:
        """Return the rows that are shown at once.

        These are all with an event, each followed by its class's other modality where that was not judged. Where
        nothing occurs, up to ``most`` rows with the highest probabilities.
        """
        occur = [pair for pair in self._ranked if self.on(pair[1])[:, pair[0]].any()]
        if not occur:
            return [pair for pair in self._ranked if self.judged(*pair)][:most] or self._ranked[:most]
        rows = []
        for index, modality in occur:
            other = (index, MODALITIES[modality == "audio"])
            both = [(index, modality), *([] if self.judged(*other) else [other])]
            rows += sorted(both, key=lambda pair: MODALITIES.index(pair[1]))
        return rows

    def to_dict(self, probabilities: bool = True) -> dict[str, Any]:
        """Return plain content; ``probabilities`` are (T, C) nested lists with None where nothing was judged."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "name": printable(self.name),
            "video": None if self.video is None else printable(self.video.name),
            "start": round(self.start, 6),
            "duration": round(self.duration, 6),
            "seconds": self.seconds,
            "segments": self.segments,
            "model": self.model,
            "zero_shot": self.zero_shot,
            "caution": self.caution,
            "notes": list(self.notes),
            "facts": dict(self.facts),
            "classes": [
                {"name": name, "display": display} for name, display in zip(self.classes, self.display, strict=True)
            ],
            "events": [event._asdict() for event in self.events()],
        }
        if probabilities:
            content["probabilities"] = {modality: _plain(self.probability(modality)) for modality in MODALITIES}
        return content


def _plain(values: NDArray[np.float32]) -> list[list[float | None]]:
    rows = np.round(values.astype(np.float64), 6).tolist()
    return [[None if math.isnan(value) else value for value in row] for row in rows]


def clock(seconds: float, digits: int = 0) -> str:
    """Return a time as people read it: ``1:05``, ``1:00:05`` from an hour on, ``0:00.5`` with ``digits=1``."""
    whole = round(seconds * 10**digits)
    total, part = divmod(whole, 10**digits)
    minutes, second = divmod(total, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
    return f"{text}.{part:0{digits}d}" if digits else text


def printable(text: str) -> str:
    """Return a name with a replacement character for what cannot be written or shown.

    That is: control characters, broken bytes of file names, line separators, and what turns the direction of a text.
    """
    return "".join("\N{REPLACEMENT CHARACTER}" if _odd(letter) else letter for letter in text)


def _odd(letter: str) -> bool:
    if letter.isprintable():
        return False
    turns = unicodedata.bidirectional(letter) in _TURNS
    return turns or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
