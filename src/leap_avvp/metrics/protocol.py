"""Evaluation protocols: how a parser's probabilities become binary predictions. Papers differ in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from leap_avvp.errors import ConfigError, DataError, check_choice

__all__ = ["FILTERS", "PROBABILITIES", "Protocol", "Threshold", "filtering", "non_finite_videos"]

FILTERS = ("union", "per_modality", "mixed", "none")

Threshold: TypeAlias = float | tuple[float, ...]
"""A number, or (C,) one for each class."""

PROBABILITIES = ("video_prob", "audio_prob", "visual_prob", "segment_audio_prob", "segment_visual_prob")
"""What protocols read of a parser's output."""


def non_finite_videos(out: Mapping[str, Tensor]) -> list[int]:
    """Return the rows of the videos with a NaN or Inf probability, which any threshold would take for "absent".

    Args:
        out: such as a :class:`~leap_avvp.types.ParserOutput`; probabilities, (B, C) and (B, T, C), may be absent.
    """
    sums = [out[name].flatten(1).sum(dim=1, dtype=torch.float32) for name in PROBABILITIES if name in out]
    if not sums:
        return []
    # One transfer from the device a batch. Sums of probabilities are finite when each of them is.
    finite = torch.isfinite(torch.stack(sums)).all(dim=0).tolist()
    return [row for row, fine in enumerate(finite) if not fine]


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How segment predictions are made.

    ``union``: a segment counts when its probability and the video's reach their thresholds, for both modalities (HAN,
    MM-Pyramid, VALOR, LEAP). ``per_modality``: the modality's own video-level probability decides (MA, JoMoLD, DHHN,
    LSLD). ``mixed``: the union decides of audio, the visual video-level probability of visual (MM-CSE). ``none``:
    segment probabilities alone.

    A threshold is a number, or one for each class.
    """

    filter: str = "union"
    segment_threshold: Threshold = 0.5
    video_threshold: Threshold = 0.5
    segment_threshold_audio: Threshold | None = None
    """In place of ``segment_threshold`` for the audio segments."""
    segment_threshold_visual: Threshold | None = None
    """In place of ``segment_threshold`` for the visual segments."""
    video_threshold_audio: Threshold | None = None
    """In place of ``video_threshold`` for what filters the audio segments."""
    video_threshold_visual: Threshold | None = None
    """In place of ``video_threshold`` for what filters the visual segments."""
    strict: bool = False
    """Probabilities must be above their thresholds, as UWAV has it; else reaching them is enough."""
    note: str = ""
    """What else a number depends on, as that its thresholds were tuned; stands with every number."""

    def __post_init__(self) -> None:
        check_choice("protocol.filter", self.filter, FILTERS)
        if not isinstance(self.strict, bool):
            raise ConfigError(f"protocol.strict: expected true or false, found {self.strict!r}")
        for field in dataclasses.fields(self):
            if "threshold" in field.name:
                value = getattr(self, field.name)
                if value is not None or field.default is not None:
                    object.__setattr__(self, field.name, _checked(f"protocol.{field.name}", value))

    def threshold(self, level: str, modality: str) -> Threshold:
        """Return the threshold of ``segment`` or ``video`` probabilities in a modality."""
        own: Threshold | None = getattr(self, f"{level}_threshold_{modality}")
        shared: Threshold = getattr(self, f"{level}_threshold")
        return shared if own is None else own

    def passes(self, probability: Tensor, threshold: Threshold) -> Tensor:
        """Return whether probabilities (..., C) reach a threshold, or are above it where the protocol is strict."""
        bound: Tensor | float = threshold if isinstance(threshold, float) else torch.tensor(threshold).to(probability)
        if isinstance(bound, Tensor) and bound.shape[0] != probability.shape[-1]:
            raise DataError(
                f"protocol: expected a threshold for each of {probability.shape[-1]} classes, found {bound.shape[0]}"
            )
        return probability > bound if self.strict else probability >= bound

    def video(self, out: Mapping[str, Tensor]) -> Tensor:
        """Return which events the video holds, (B, C), by the union's probability."""
        return self.passes(self._read(out, "video_prob"), self.video_threshold)

    @property
    def name(self) -> str:
        """One line that goes with every number reported under this protocol: all that the number depends on."""
        parts = [f"filter={self.filter}", self._said("segment")]
        if self.filter != "none":
            parts.append(self._said("video"))
        return ", ".join([*parts, "event IoU>=0.5", *([self.note] if self.note else [])])

    def _said(self, level: str) -> str:
        sign = ">" if self.strict else ">="
        audio, visual = (_shown(self.threshold(level, modality)) for modality in ("audio", "visual"))
        if audio == visual:
            return f"{level}{sign}{audio}"
        return f"audio {level}{sign}{audio}, visual {level}{sign}{visual}"

    def apply(self, out: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return boolean audio and visual predictions (B, T, C).

        Args:
            out: such as a :class:`~leap_avvp.types.ParserOutput`: ``segment_audio_prob``, ``segment_visual_prob``
                (B, T, C) and, as the filter needs, ``video_prob`` or ``audio_prob`` and ``visual_prob`` (B, C).

        Raises:
            DataError: a probability that is missing or has another shape, or thresholds of another number of classes.
        """
        predictions = []
        for modality in ("audio", "visual"):
            segment_prob = self._read(out, f"segment_{modality}_prob")
            if segment_prob.dim() != 3:
                found = tuple(segment_prob.shape)
                raise DataError(f"segment_{modality}_prob: expected (videos, segments, classes), found shape {found}")
            segments = self.passes(segment_prob, self.threshold("segment", modality))
            name = filtering(self.filter, modality)
            if name is not None:
                video_prob = self._read(out, name)
                expected = (segments.shape[0], segments.shape[2])
                if video_prob.shape != expected:
                    raise DataError(
                        f"{name}: expected (videos, classes) = {expected}, found shape {tuple(video_prob.shape)}"
                    )
                segments = segments & self.passes(video_prob, self.threshold("video", modality))[:, None, :]
            predictions.append(segments)
        return predictions[0], predictions[1]

    def _read(self, out: Mapping[str, Tensor], name: str) -> Tensor:
        if name not in out:
            raise DataError(f"{name}: needed with protocol.filter={self.filter}, found only {', '.join(out)}")
        return out[name]


def filtering(filter: str, modality: str) -> str | None:
    """Return the name of the video-level probability that filters a modality's segments; None for none."""
    own = f"{modality}_prob"
    union = {"union": "video_prob", "per_modality": own, "mixed": own if modality == "visual" else "video_prob"}
    return union.get(filter)


def _checked(option: str, value: object) -> Threshold:
    """Return a threshold as a float, or as a tuple of one a class."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if not value:
            raise ConfigError(f"{option}: expected a number for each class, found none")
        return tuple(_number(f"{option}[{index}]", each) for index, each in enumerate(value))
    return _number(option, value)


def _number(option: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigError(f"{option}: expected a number from 0 to 1, found {value!r}")
    return float(value)


def _shown(threshold: Threshold) -> str:
    if isinstance(threshold, float):
        return f"{threshold:.12g}"
    low, high = min(threshold), max(threshold)
    return f"{low:.12g}" if low == high else f"({low:.12g} to {high:.12g} by class)"
