"""Terms of decoders with a feature a class (MM-CSE, Zhao et al., AAAI 2025): what it holds, and how far apart it is.

The terms and their weights are published, what each compares is the plain reading and ours: there is no golden file.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from leap_avvp.errors import check_choice
from leap_avvp.losses.terms import Step, Term

__all__ = ["CooccurrenceTerm", "OrthogonalityTerm", "ReconstructionTerm", "orthogonality_loss"]

_MODALITIES = ("audio", "visual")
_NAMES = {"a": "audio", "v": "visual"}


def _full(x: Tensor) -> Tensor:
    """Return ``x`` in float32 at least: squares of small numbers vanish in half precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def orthogonality_loss(features: Tensor) -> Tensor:
    """Return the mean of ``cos(e_i, e_j)^2`` over all pairs ``i != j`` of G features of a segment (B, T, G, E)."""
    unit = functional.normalize(_full(features), dim=-1)
    squares = (unit @ unit.transpose(-2, -1)).square()  # (B, T, G, G)
    number = features.shape[-2]
    apart = squares.sum(dim=(-2, -1)) - squares.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return apart.mean() / max(1, number * (number - 1))


class _ModalityTerm(Term):
    """A term of one modality.

    Args:
        modality: ``audio`` or ``visual``.
        weight: of the term in the total.
    """

    def __init__(self, modality: str, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.modality = modality

    def check(self, place: str) -> None:
        """See :meth:`Term.check`."""
        super().check(place)
        check_choice(f"{place}.modality", self.modality, _MODALITIES)


class ReconstructionTerm(_ModalityTerm):
    """Mean squared error of a modality's encoded features as its class features tell them."""

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over (B, T, D)."""
        restored = self.output(step.out, f"{self.modality}_reconstruction")
        return functional.mse_loss(_full(restored), _full(self.output(step.out, f"{self.modality}_feature")))


class OrthogonalityTerm(_ModalityTerm):
    """Keeps a modality's class features, the background's too, at right angles, see :func:`orthogonality_loss`."""

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over (B, T) and all pairs of different features."""
        return orthogonality_loss(self.output(step.out, f"{self.modality}_class_feature"))


class CooccurrenceTerm(Term):
    """Attention between classes within a segment, against which of them occur in it together.

    ``sum over aa, av, vv, va of MSE(map_xz, p_x p_z')``: p_x (C,) is what modality x's segment is trained on, and
    ``map_xz`` what x reads of z. The mean of each is over layers, too, so that more of them do not weigh more.

    Args:
        weight: of the term in the total.
    """

    def __call__(self, step: Step) -> Tensor:
        """Return the sum of four means over (L, B, T, C, C)."""
        values = []
        for reads, read in ("aa", "av", "vv", "va"):
            found = _full(self.output(step.out, f"cooccurrence_{reads}{read}"))
            own, other = (self.target(step, f"segment_{_NAMES[name]}").to(found.dtype) for name in (reads, read))
            together = own.unsqueeze(-1) * other.unsqueeze(-2)  # (B, T, C, C), the same for each layer
            values.append((found - together).square().mean())
        return torch.stack(values).sum()
