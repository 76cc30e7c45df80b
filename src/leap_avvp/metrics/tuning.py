"""Thresholds chosen on validation videos, class by class, as CMPAE (CVPR 2023) has its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.metrics.functional import SCORE_NAMES, per_video_scores
from leap_avvp.metrics.protocol import Protocol, Threshold

__all__ = ["GRID", "KINDS", "OBJECTIVE", "TUNED_NOTE", "UNTUNED", "TunedProtocol", "tune_protocol"]

GRID: tuple[float, ...] = tuple(round(0.25 + 0.05 * step, 2) for step in range(10))
"""0.25, 0.3, ..., 0.7."""
KINDS = ("video_audio", "video_visual", "segment_audio", "segment_visual")
"""Which thresholds may be chosen."""
OBJECTIVE = "segment/type_av"
"""The validation score that picks the epoch unless a config says otherwise."""
TUNED_NOTE = "thresholds tuned on val's dense labels"

UNTUNED = (
    "protocol=tuned: its thresholds are chosen on the validation videos of a trained model; "
    "`leap-avvp evaluate RUN protocol=tuned` does that, and writes a file for protocol=from_file"
)
"""What whoever needs thresholds now is told."""

Pair: TypeAlias = tuple[Tensor, Tensor]
"""(N, T, C) of the audio and of the visual modality."""

_START = Protocol(filter="per_modality", segment_threshold=0.25, video_threshold=0.45)
_CHOSEN = ("video_visual",)


def tune_protocol(
    probabilities: Mapping[str, Tensor],
    target_audio: Tensor,
    target_visual: Tensor,
    start: Protocol = _START,
    *,
    kinds: Sequence[str] = _CHOSEN,
    grid: Sequence[float] = GRID,
    objective: str = OBJECTIVE,
) -> Protocol:
    """Return ``start`` with thresholds for each class, chosen on the dense labels of validation videos.

    Greedily: one kind of threshold after the other, and of each the classes in their order. A class takes the value of
    the grid with the highest score over all videos and classes, while classes before it have what they took, and those
    behind it what ``start`` says. The threshold that a class has already stays unless another one is better; of several
    that are equally good the first in the grid is taken. By default this is CMPAE's choice: the video-level visual
    thresholds, from those of its released program (video-level 0.45, segments 0.25). The note of the result says where
    the thresholds come from, so that it stands with every number.

    Args:
        probabilities: of N validation videos, such as a :class:`~leap_avvp.types.ParserOutput`.
        target_audio: (N, T, C) boolean truth.
        target_visual: (N, T, C) boolean truth.
        start: the filter, and the thresholds before any is chosen.
        kinds: the thresholds that are chosen, of :data:`KINDS`.
        grid: the values that are tried.
        objective: one of the ten scores, or ``average``.

    Raises:
        ConfigError: another kind or objective, or a value that is no threshold.
        DataError: a probability that is missing or has another shape.
    """
    check_choice("protocol.objective", objective, (*SCORE_NAMES, "average"))
    if not kinds or not grid:
        raise ConfigError(
            f"protocol: expected thresholds to choose and values to try, found {list(kinds)} and {list(grid)}"
        )
    for kind in kinds:
        check_choice("protocol.kinds", kind, KINDS)
    truth = (target_audio, target_visual)
    choice = _Choice.of(start, probabilities, truth, objective)
    for kind in kinds:
        for place in range(target_audio.shape[2]):
            tried = [choice.other(kind, place, value, probabilities, truth, objective) for value in grid]
            choice = max([choice, *tried], key=lambda each: each.mean)  # the first of equals
    return dataclasses.replace(choice.protocol, note="; ".join(part for part in (start.note, TUNED_NOTE) if part))


@dataclasses.dataclass(frozen=True)
class _Choice:
    """A protocol, what it says of the validation videos, and how well."""

    protocol: Protocol
    said: Pair
    """(N, T, C) in each modality."""
    scores: Tensor
    """(N,)"""
    mean: float

    @staticmethod
    def of(protocol: Protocol, probabilities: Mapping[str, Tensor], truth: Pair, objective: str) -> _Choice:
        """Score a protocol."""
        said = protocol.apply(probabilities)
        scores = _scores(said, truth, objective)
        return _Choice(protocol, said, scores, float(scores.mean()))

    def other(
        self, kind: str, place: int, value: float, probabilities: Mapping[str, Tensor], truth: Pair, objective: str
    ) -> _Choice:
        """Return the choice with another threshold for one class."""
        level, _, modality = kind.partition("_")
        known = self.protocol.threshold(level, modality)
        by_class = [known] * truth[0].shape[2] if isinstance(known, float) else list(known)
        by_class[place] = value
        protocol = dataclasses.replace(self.protocol, **{f"{level}_threshold_{modality}": tuple(by_class)})  # type: ignore[arg-type]
        said = protocol.apply(probabilities)
        # Most thresholds change a few videos, and no video's score depends on another.
        differ = [(now != before).flatten(1).any(dim=1) for now, before in zip(said, self.said, strict=True)]
        rows = (differ[0] | differ[1]).nonzero().squeeze(1)
        scores = self.scores.clone()
        scores[rows] = _scores(_rows(said, rows), _rows(truth, rows), objective)
        return _Choice(protocol, said, scores, float(scores.mean()))


def _rows(grids: Pair, rows: Tensor) -> Pair:
    return grids[0][rows], grids[1][rows]


def _scores(said: Pair, truth: Pair, objective: str) -> Tensor:
    """Return (N,) of the objective."""
    scores = per_video_scores(*said, *truth)
    return torch.stack(list(scores.values())).mean(dim=0) if objective == "average" else scores[objective]


@dataclasses.dataclass(frozen=True)
class TunedProtocol(Protocol):
    """A protocol whose thresholds are still to be chosen: ``protocol=tuned``.

    The fields of :class:`~leap_avvp.metrics.Protocol` say what is chosen from, and default to CMPAE's.
    """

    filter: str = _START.filter
    segment_threshold: Threshold = _START.segment_threshold
    video_threshold: Threshold = _START.video_threshold
    kinds: tuple[str, ...] = _CHOSEN
    """Which thresholds are chosen, of :data:`KINDS`."""
    grid: tuple[float, ...] = GRID
    """The values that are tried."""
    objective: str | None = None
    """The score that decides; None for the one that has picked the epoch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("kinds", "grid"):
            value = getattr(self, field)
            if isinstance(value, str) or not isinstance(value, Sequence) or not value:
                raise ConfigError(f"protocol.{field}: expected a list, found {value!r}")
            object.__setattr__(self, field, tuple(value))
        for kind in self.kinds:
            check_choice("protocol.kinds", kind, KINDS)
        for value in self.grid:
            Protocol(video_threshold=value)
        if self.objective is not None:
            check_choice("protocol.objective", self.objective, (*SCORE_NAMES, "average"))

    @property
    def start(self) -> Protocol:
        """The protocol before any threshold is chosen."""
        return Protocol(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Protocol)})

    def tune(
        self,
        probabilities: Mapping[str, Tensor],
        target_audio: Tensor,
        target_visual: Tensor,
        objective: str = OBJECTIVE,
    ) -> Protocol:
        """Return the protocol that :func:`tune_protocol` chooses on validation videos.

        Args:
            probabilities: see there.
            target_audio: see there.
            target_visual: see there.
            objective: where the field does not say it.

        Raises:
            LeapError: see there.
        """
        named = self.objective or objective
        options = {"kinds": self.kinds, "grid": self.grid, "objective": named}
        return tune_protocol(probabilities, target_audio, target_visual, self.start, **options)  # type: ignore[arg-type]

    def apply(self, out: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Refuse.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(UNTUNED)
