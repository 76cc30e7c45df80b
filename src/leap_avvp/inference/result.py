"""What a model says of one video: probabilities, binary grids and events."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import DataCard
from leap_avvp.errors import ConfigError
from leap_avvp.inference.events import MODALITIES, Event, events_of

__all__ = ["ParseResult"]

_COLUMNS = ("video_id", "event", "display", "modality", "onset", "offset", "probability")
_VERBS = {"audio": "heard", "visual": "seen"}


@dataclasses.dataclass(frozen=True, eq=False)
class ParseResult:
    """One parsed video. T segments, C classes."""

    video_id: str
    card: DataCard
    """Classes, segments and seconds."""
    protocol: str
    """How the binary grids follow from the probabilities, in one line."""
    audio: NDArray[np.float32]
    """(T, C) probability that a class is heard in a segment."""
    visual: NDArray[np.float32]
    """(T, C) probability that it is seen."""
    video: NDArray[np.float32]
    """(C,) probability that it occurs in the video; hard 0 or 1 of LEAP's decoder."""
    heard: NDArray[np.float32]
    """(C,) probability that it is heard somewhere in the video."""
    seen: NDArray[np.float32]
    """(C,) probability that it is seen somewhere in the video."""
    audio_events: NDArray[np.bool_]
    """(T, C) what is heard when, under the protocol."""
    visual_events: NDArray[np.bool_]
    """(T, C) what is seen when, under the protocol."""
    trained_on: str | None = None
    """Name of the data that the model was trained on, ``simulated`` among them; None where that is not known."""

    @functools.cached_property
    def events(self) -> list[Event]:
        """What is heard and seen without a break, by onset."""
        grids = {"audio": self.audio_events, "visual": self.visual_events}
        return events_of(grids, {"audio": self.audio, "visual": self.visual}, self.card)

    def to_dict(self, probabilities: bool = False) -> dict[str, Any]:
        """Return plain content: the events, and with ``probabilities`` nested lists of all of them, too."""
        content: dict[str, Any] = {
            "video_id": self.video_id,
            "card": self.card.name,
            "segments": self.card.segments,
            "seconds": self.card.seconds,
            "protocol": self.protocol,
            "trained_on": self.trained_on,
            "events": [event.to_dict() for event in self.events],
        }
        if probabilities:
            content["classes"] = list(self.card.classes)
            arrays = {name: getattr(self, name) for name in ("audio", "visual", "video", "heard", "seen")}
            content["probabilities"] = {name: array.tolist() for name, array in arrays.items()}
        return content

    def to_json(self, probabilities: bool = False, indent: int | None = None) -> str:
        """Return :meth:`to_dict` as JSON."""
        return json.dumps(self.to_dict(probabilities), indent=indent, allow_nan=False, ensure_ascii=False)

    def to_dataframe(self) -> Any:
        """Return the events as a ``pandas.DataFrame``, one row an event.

        Columns: ``video_id``, ``event`` (the class), ``display``, ``modality``, ``onset``, ``offset``, ``probability``.

        Raises:
            ConfigError: pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            raise ConfigError(
                f"to_dataframe: needs pandas, which cannot be imported ({error}); pip install 'leap-avvp[dataframe]'"
            ) from error
        rows = [(self.video_id, *dataclasses.astuple(event)) for event in self.events]
        return pandas.DataFrame(rows, columns=list(_COLUMNS))

    def __str__(self) -> str:
        """Return a timeline: a row for each class and modality that occurs, a character for each segment."""
        card = self.card
        number = f"{len(self.events)} event{'' if len(self.events) == 1 else 's'}"
        warning = "; the model was trained on SIMULATED data" if self.trained_on == "simulated" else ""
        name = self.video_id or "video"
        lines = [
            f"{name}: {number} in {card.duration:g} s, a character is {card.seconds:g} s; {self.protocol}{warning}"
        ]
        rows = []
        for index in range(card.num_classes):
            for modality in MODALITIES:
                grid = (self.audio_events if modality == "audio" else self.visual_events)[:, index]
                if grid.any():
                    rows.append((card.display[index], _VERBS[modality], "".join("#" if on else "." for on in grid)))
        width = max((len(row[0]) for row in rows), default=0)
        lines += [f"  {shown:<{width}}  {verb:<5}  {line}" for shown, verb, line in rows]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"ParseResult({self.video_id!r}, {len(self.events)} events, card {self.card.name})"
