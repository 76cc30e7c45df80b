"""A contrast of seconds: what is heard in a second belongs to what is seen in the same one."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from leap_avvp.losses.numbers import check_number
from leap_avvp.losses.terms import Step, Term

__all__ = ["SameSecondTerm", "same_second_loss"]


def same_second_loss(audio: Tensor, visual: Tensor, temperature: float = 0.2, smoothing: float = 0.1) -> Tensor:
    """Return the noise-contrastive loss of features (B, T, D): audio segment i seeks visual segment i of its video.

    ``-mean log((1 - s) p_ii + s / (T - 1) sum_{j != i} p_ij)`` with ``p = softmax_j(cos(a_i, v_j) / temperature)``, as
    JoMoLD's released program has it (Cheng et al., ECCV 2022): the smoothing s stands within the logarithm.
    """
    similarity = functional.normalize(audio, dim=-1) @ functional.normalize(visual, dim=-1).transpose(1, 2)
    same = (similarity.float() / temperature).softmax(dim=-1).diagonal(dim1=1, dim2=2)  # (B, T)
    others = max(1, audio.shape[1] - 1)
    return -((1 - smoothing) * same + smoothing / others * (1 - same)).log().mean()


class SameSecondTerm(Term):
    """The encoder's features of the same second, against those of the video's other seconds.

    Args:
        weight: of the term in the total.
        temperature: that similarities are divided by, above 0.
        smoothing: share of the target that the other seconds have, below 1.
    """

    def __init__(self, weight: float = 1.0, temperature: float = 0.2, smoothing: float = 0.1) -> None:
        super().__init__(weight)
        self.temperature, self.smoothing = temperature, smoothing

    def check(self, place: str) -> None:
        """See :meth:`Term.check`."""
        super().check(place)
        check_number(f"{place}.temperature", self.temperature, above=True)
        check_number(f"{place}.smoothing", self.smoothing, most=0.999)

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over (B, T)."""
        audio, visual = (self.output(step.out, f"{modality}_feature") for modality in ("audio", "visual"))
        return same_second_loss(audio, visual, self.temperature, self.smoothing)
