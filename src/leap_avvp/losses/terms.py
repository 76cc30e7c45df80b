"""Terms of a training loss: each compares one thing that a parser says with what it is trained on."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.losses.alignment import NORMALISERS, alignment_loss
from leap_avvp.losses.balance import Balance
from leap_avvp.losses.entropy import binary_cross_entropy, logit_cross_entropy, video_target
from leap_avvp.losses.numbers import check_number

__all__ = ["AlignmentTerm", "SegmentTerm", "Step", "Term", "VideoTerm"]

_MODALITIES = ("audio", "visual")
_TARGETS = ("soft", "hard")


@dataclasses.dataclass(frozen=True)
class Step:
    """What the terms of one training step look at."""

    out: Mapping[str, Tensor]
    """A :class:`~leap_avvp.types.ParserOutput`, or a mapping with its fields."""
    batch: Mapping[str, Tensor]
    """Features and targets."""
    parser: Any = None
    """The :class:`~leap_avvp.models.VideoParser` that gave ``out``, where the caller has it."""


class Term(abc.ABC):
    """One term of a :class:`~leap_avvp.losses.SumOfTerms`.

    Args:
        weight: of the term in the total.
    """

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight
        self.place = "loss.terms"
        """Where the term stands in the config, for messages."""

    def check(self, place: str) -> None:
        """Check the arguments, once it is known where they stand.

        Raises:
            ConfigError: naming the key below ``place``.
        """
        self.place = place
        check_number(f"{place}.weight", self.weight)

    def prepare(self, targets: Iterable[Mapping[str, Tensor]]) -> None:  # noqa: B027
        """Look at all targets of the training split, see :meth:`leap_avvp.losses.TrainingLoss.prepare`."""

    @abc.abstractmethod
    def __call__(self, step: Step) -> Tensor:
        """Return the unweighted value, a scalar.

        Raises:
            ConfigError: an output or a target that is needed is not there.
        """

    def output(self, out: Mapping[str, Tensor], name: str) -> Tensor:
        """Return a field of a parser's output.

        Raises:
            ConfigError: the parser gives none.
        """
        if name not in out:
            raise ConfigError(
                f"{self.place}: expected the output {name} of the parser, found none; choose a decoder that gives it, "
                f"or take the term away with '~{self.place}'"
            )
        return out[name]

    def target(self, step: Step, name: str) -> Tensor:
        """Return a target of the batch; ``video_<modality>`` is made of the segments where it is not given.

        Raises:
            ConfigError: the data have none.
        """
        modality = name.removeprefix("video_")
        if name in step.batch:
            return step.batch[name]
        if modality in _MODALITIES and f"segment_{modality}" in step.batch:
            return video_target(step.batch, modality)
        raise ConfigError(
            f"{self.place}: expected the target {name} in a batch, found none; choose other data.pseudo_labels, or "
            f"take the term away with '~{self.place}'"
        )


class VideoTerm(Term):
    """Cross entropy of the video-level probabilities (B, C), clamped to [1e-7, 1 - 1e-7].

    Args:
        modality: ``union``, against the weak label; ``audio`` or ``visual``, against the modality's own video-level
            target, or the largest label of its segments where there is none.
        weight: of the term in the total.
    """

    def __init__(self, modality: str = "union", weight: float = 1.0) -> None:
        super().__init__(weight)
        self.modality = modality

    def check(self, place: str) -> None:
        """See :meth:`Term.check`."""
        super().check(place)
        check_choice(f"{place}.modality", self.modality, ("union", *_MODALITIES))

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over (B, C)."""
        if self.modality == "union":
            return binary_cross_entropy(self.output(step.out, "video_prob"), self.target(step, "video_label"))
        target = self.target(step, f"video_{self.modality}")
        return binary_cross_entropy(self.output(step.out, f"{self.modality}_prob"), target)


class SegmentTerm(Term):
    """Cross entropy of a modality's segments (B, T, C): of their logits, or of probabilities where there are no logits.

    Args:
        modality: ``audio`` or ``visual``.
        weight: of the term in the total.
        targets: ``soft``, the labels as they are; ``hard``, 1 where a label is above 0.5, else 0.
        balance: weights of the elements, see :mod:`leap_avvp.losses.balance`; None for none. The mean is over all
            elements: it is not divided by the sum of the weights.
    """

    def __init__(
        self, modality: str, weight: float = 1.0, targets: str = "soft", balance: Balance | None = None
    ) -> None:
        super().__init__(weight)
        self.modality, self.targets, self.balance = modality, targets, balance

    def check(self, place: str) -> None:
        """See :meth:`Term.check`."""
        super().check(place)
        check_choice(f"{place}.modality", self.modality, _MODALITIES)
        check_choice(f"{place}.targets", self.targets, _TARGETS)
        if self.balance is not None:
            if not isinstance(self.balance, Balance):
                found = type(self.balance).__name__  # type: ignore[unreachable]
                raise ConfigError(f"{place}.balance: expected weights of elements, a Balance, or null, found {found}")
            self.balance.check(f"{place}.balance")

    def prepare(self, targets: Iterable[Mapping[str, Tensor]]) -> None:
        """Count classes, where the balance needs it."""
        if self.balance is not None:
            self.balance.prepare(targets, self.modality)

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over (B, T, C)."""
        cross_entropy = self.cross_entropy(step.out, self.labels(step))
        if self.balance is not None:
            label = self.target(step, "video_label")[:, None]  # (B, 1, C)
            cross_entropy = cross_entropy * self.balance.weights(label, cross_entropy.dtype)
        return cross_entropy.mean()

    def labels(self, step: Step) -> Tensor:
        """Return the targets (B, T, C), soft or hard."""
        target = self.target(step, f"segment_{self.modality}")
        return target if self.targets == "soft" else (target > 0.5).to(target.dtype)

    def cross_entropy(self, out: Mapping[str, Tensor], target: Tensor) -> Tensor:
        """Return the cross entropy (B, T, C) of each element of the modality's segments in ``out``."""
        logit = out.get(f"segment_{self.modality}_logit")
        if logit is not None:
            return logit_cross_entropy(logit, target)
        return binary_cross_entropy(self.output(out, f"segment_{self.modality}_prob"), target, reduction="none")


class AlignmentTerm(Term):
    """LEAP's alignment of features with the events they have in common, see :func:`~leap_avvp.losses.alignment_loss`.

    Args:
        weight: of the term in the total.
        normaliser: see :func:`~leap_avvp.losses.event_overlap`.
    """

    def __init__(self, weight: float = 1.0, normaliser: str = "max_events") -> None:
        super().__init__(weight)
        self.normaliser = normaliser

    def check(self, place: str) -> None:
        """See :meth:`Term.check`."""
        super().check(place)
        check_choice(f"{place}.normaliser", self.normaliser, NORMALISERS)

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over B x T x T."""
        audio, visual = (self.output(step.out, f"{modality}_feature") for modality in _MODALITIES)
        segment_audio, segment_visual = (self.target(step, f"segment_{modality}") for modality in _MODALITIES)
        return alignment_loss(audio, visual, segment_audio, segment_visual, self.normaliser)
