"""Evaluation protocols: how a parser's probabilities become binary predictions. Papers differ in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from leap_avvp.errors import ConfigError, DataError, check_choice

__all__ = ["FILTERS", "Protocol", "non_finite_videos"]

FILTERS = ("union", "per_modality", "none")

_PROBABILITIES = ("video_prob", "audio_prob", "visual_prob", "segment_audio_prob", "segment_visual_prob")


def non_finite_videos(out: Mapping[str, Tensor]) -> list[int]:
    """Return the rows of the videos with a NaN or Inf probability, which any threshold would take for "absent".

    Args:
        out: such as a :class:`~leap_avvp.types.ParserOutput`; probabilities, (B, C) and (B, T, C), may be absent.
    """
    sums = [out[name].flatten(1).sum(dim=1, dtype=torch.float32) for name in _PROBABILITIES if name in out]
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
            if value is None and field.default is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ConfigError(f"protocol.{field.name}: expected a number from 0 to 1, found {value!r}")

    def _threshold(self, modality: str) -> float:
        own: float | None = getattr(self, f"segment_threshold_{modality}")
        return self.segment_threshold if own is None else own

    @property
    def name(self) -> str:
        """One line that goes with every number reported under this protocol: all that the number depends on."""
        audio, visual = self._threshold("audio"), self._threshold("visual")
        segment = (
            f"segment>={audio:.12g}"
            if audio == visual
            else f"audio segment>={audio:.12g}, visual segment>={visual:.12g}"
        )
        video = "" if self.filter == "none" else f", video>={self.video_threshold:.12g}"
        return f"filter={self.filter}, {segment}{video}, event IoU>=0.5"

    def apply(self, out: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return boolean audio and visual predictions (B, T, C).

        Args:
            out: such as a :class:`~leap_avvp.types.ParserOutput`: ``segment_audio_prob``, ``segment_visual_prob``
                (B, T, C) and, as the filter needs, ``video_prob`` or ``audio_prob`` and ``visual_prob`` (B, C).

        Raises:
            DataError: a probability that is missing or has another shape.
        """
        predictions = []
        for modality in ("audio", "visual"):
            segment_prob = self._read(out, f"segment_{modality}_prob")
            if segment_prob.dim() != 3:
                found = tuple(segment_prob.shape)
                raise DataError(f"segment_{modality}_prob: expected (videos, segments, classes), found shape {found}")
            segments = segment_prob >= self._threshold(modality)
            name = {"union": "video_prob", "per_modality": f"{modality}_prob"}.get(self.filter)
            if name is not None:
                video_prob = self._read(out, name)
                expected = (segments.shape[0], segments.shape[2])
                if video_prob.shape != expected:
                    raise DataError(
                        f"{name}: expected (videos, classes) = {expected}, found shape {tuple(video_prob.shape)}"
                    )
                segments = segments & (video_prob >= self.video_threshold)[:, None, :]
            predictions.append(segments)
        return predictions[0], predictions[1]

    def _read(self, out: Mapping[str, Tensor], name: str) -> Tensor:
        if name not in out:
            raise DataError(f"{name}: needed with protocol.filter={self.filter}, found only {', '.join(out)}")
        return out[name]
