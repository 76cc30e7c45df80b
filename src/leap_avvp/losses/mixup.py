"""UWAV's mixup of segments: features of two segments are mixed after the encoder, and their labels likewise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from leap_avvp.errors import ConfigError
from leap_avvp.losses.numbers import check_number
from leap_avvp.losses.terms import SegmentTerm, Step
from leap_avvp.types import EncoderOutput

__all__ = ["MixupTerm", "mixed"]


class MixupTerm(SegmentTerm):
    """Cross entropy of a modality's mixed segments (UWAV, Lai et al., CVPR 2025; without weights, as it has it).

    ``x = l x_i + (1 - l) x_p(i)`` over all B T segments of the batch, with one ``l ~ Beta(alpha, alpha)`` and one
    permutation p a batch; the target is mixed in the same way, which for this loss is the mean of two losses. Mixed
    segments go through the parser's own decoder in the places of the first ones, the other modality unmixed, so that
    any decoder will do; of MMIL's, which scores each segment by itself, this is the released formula.

    What is drawn comes from torch's generator of the CPU, first l, then p, whatever the device.

    Args:
        modality: ``audio`` or ``visual``.
        weight: of the term in the total.
        targets: ``soft``, the labels as they are; ``hard``, 1 where a label is above 0.5, else 0.
        alpha: of the Beta distribution, above 0.
    """

    def __init__(self, modality: str, weight: float = 1.0, targets: str = "soft", alpha: float = 1.7) -> None:
        super().__init__(modality, weight, targets)
        self.alpha = alpha

    def check(self, place: str) -> None:
        """See :meth:`SegmentTerm.check`."""
        super().check(place)
        check_number(f"{place}.alpha", self.alpha, above=True)

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over (B, T, C)."""
        if step.parser is None:
            raise ConfigError(f"{self.place}: expected the parser, whose decoder reads mixed segments, found none")
        features = {modality: self.output(step.out, f"{modality}_feature") for modality in ("audio", "visual")}
        target = self.labels(step)
        share, permutation = (drawn.to(target.device) for drawn in self.draw(target.shape[0] * target.shape[1]))
        features[self.modality] = mixed(features[self.modality], share, permutation)
        out: Mapping[str, Any] = step.parser.decoder(EncoderOutput(**features))
        return self.cross_entropy(out, mixed(target, share, permutation)).mean()

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def draw(self, rows: int) -> tuple[Tensor, Tensor]:
        """Return what is drawn for a batch: l, a scalar, and p (rows,)."""
        alpha = torch.tensor(float(self.alpha))
        share = torch.distributions.Beta(alpha, alpha, validate_args=False).sample()
        return share, torch.randperm(rows)


def mixed(values: Tensor, share: Tensor, permutation: Tensor) -> Tensor:
    """Return ``share x + (1 - share) x[permutation]`` over the B T rows x of ``values`` (B, T, D), in its shape."""
    rows = values.flatten(0, 1)
    return (share * rows + (1 - share) * rows[permutation]).view_as(values)
