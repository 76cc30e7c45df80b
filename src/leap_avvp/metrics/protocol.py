"""Evaluation protocols: how a parser's probabilities become binary predictions. Papers differ in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from torch import Tensor

from leap_avvp.errors import ConfigError, check_choice

__all__ = ["FILTERS", "Protocol"]

FILTERS = ("union", "per_modality", "none")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How segment predictions are made.

    ``union``: a segment counts when its probability and the video's reach their thresholds, for both modalities (HAN,
    MM-Pyramid, VALOR, LEAP). ``per_modality``: the modality's own video-level probability decides (MA, JoMoLD, DHHN,
    LSLD). ``none``: segment probabilities alone.
    """

    filter: str = "union"
    segment_threshold: float = 0.5
    video_threshold: float = 0.5
    segment_threshold_audio: float | None = None
    """In place of ``segment_threshold`` for the audio segments."""
    segment_threshold_visual: float | None = None
    """In place of ``segment_threshold`` for the visual segments."""

    def __post_init__(self) -> None:
        check_choice("protocol.filter", self.filter, FILTERS)
        for field in dataclasses.fields(self)[1:]:
            value = getattr(self, field.name)
            if value is None and "threshold_" in field.name:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ConfigError(f"protocol.{field.name}: expected a number from 0 to 1, found {value!r}")

    def _threshold(self, modality: str) -> float:
        own: float | None = getattr(self, f"segment_threshold_{modality}")
        return self.segment_threshold if own is None else own

    @property
    def name(self) -> str:
        """One line that goes with every number reported under this protocol."""
        audio, visual = self._threshold("audio"), self._threshold("visual")
        segment = f"segment>={audio:g}" if audio == visual else f"audio segment>={audio:g}, visual segment>={visual:g}"
        video = "" if self.filter == "none" else f", video>={self.video_threshold:g}"
        return f"filter={self.filter}, {segment}{video}, event IoU>=0.5"

    def apply(self, out: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return boolean audio and visual predictions (B, T, C) of a :class:`~leap_avvp.types.ParserOutput`."""
        predictions = []
        for modality in ("audio", "visual"):
            segments = out[f"segment_{modality}_prob"] >= self._threshold(modality)
            source = {"union": "video_prob", "per_modality": f"{modality}_prob"}.get(self.filter)
            if source is not None:
                segments = segments & (out[source] >= self.video_threshold)[:, None, :]
            predictions.append(segments)
        return predictions[0], predictions[1]
