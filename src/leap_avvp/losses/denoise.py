"""JoMoLD's removal of labels that one modality believes and the other does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.losses.entropy import binary_cross_entropy, video_target
from leap_avvp.losses.noise import read_noise_ratios
from leap_avvp.losses.numbers import check_number
from leap_avvp.losses.relabelling import Relabelling

__all__ = ["WARM_UPS", "RemoveNoisyLabels", "noisy_labels"]

WARM_UPS = ("released", "linear", "none")
_OTHER = {"audio": "visual", "visual": "audio"}


def noisy_labels(own_loss: Tensor, other_loss: Tensor, positive: Tensor, ratio: Tensor) -> Tensor:
    """Return which labels of a modality are noise: (B, C) bool.

    Of class c with P positives in the batch, ``n = floor(ratio_c P)``: those that are both among the n largest losses
    of the modality and among the n smallest of the other one, over the positives alone.

    Args:
        own_loss: (B, C) of the modality whose labels they are.
        other_loss: (B, C) of the other one.
        positive: (B, C) bool, the labels.
        ratio: (C,) float64 on the CPU, from 0 to 1.
    """
    count = positive.sum(dim=0)  # (C,)
    number = (ratio * count.cpu()).floor().to(count)
    largest = _rank(own_loss, positive) >= count - number
    smallest = _rank(other_loss, positive) < number
    return positive & largest & smallest


def _rank(loss: Tensor, positive: Tensor) -> Tensor:
    """Return the place (B, C) of each positive among those of its class, the smallest first; others come last."""
    return loss.masked_fill(~positive, float("inf")).argsort(dim=0, stable=True).argsort(dim=0, stable=True)


class RemoveNoisyLabels(Relabelling):
    """In each batch, takes noisy video-level labels away from one modality's targets (JoMoLD, ECCV 2022).

    Losses are those of video-level probabilities from a pass in which neither modality sees the other, dropout as in
    training. See :func:`noisy_labels`; a label that is taken away also leaves the modality's segments.

    Args:
        noise_ratios: the file of the ratios; the callback ``noise_ratios`` of an earlier training writes one.
        warm_up: how the ratios grow over the first ``warm_up_epochs``. ``linear``: as was meant. ``released``: as the
            released program does, which multiplies the ratio by the fraction anew in each step: nothing is removed in
            an epoch that begins before the warm-up ends, then all. ``none``: all from the first step on.
        warm_up_epochs: above 0.
        removed: target of a removed label: 0 in the released program, even where the others are smoothed.
    """

    def __init__(
        self,
        noise_ratios: str | None = None,
        warm_up: str = "released",
        warm_up_epochs: float = 0.9,
        removed: float = 0.0,
    ) -> None:
        self.noise_ratios, self.warm_up = noise_ratios, warm_up
        self.warm_up_epochs, self.removed = warm_up_epochs, removed
        self._ratios: dict[str, Tensor] = {}

    def check(self, place: str) -> None:
        """See :meth:`Relabelling.check`."""
        super().check(place)
        check_choice(f"{place}.warm_up", self.warm_up, WARM_UPS)
        check_number(f"{place}.warm_up_epochs", self.warm_up_epochs, above=True)
        check_number(f"{place}.removed", self.removed, most=1)

    def prepare(self, targets: Iterable[Mapping[str, Tensor]]) -> None:
        """Read the ratios.

        Raises:
            ConfigError: no file is named.
            DataError: what is wrong with the file.
        """
        if self.noise_ratios is None:
            raise ConfigError(
                f"{self.place}.noise_ratios: expected the noise_ratios.npz that an earlier training with "
                "callbacks=noise_ratios has written, as `leap-avvp train system=jomold_first hydra.run.dir=RUN` does, "
                f"found none; {self.place}=null removes nothing"
            )
        ratios = read_noise_ratios(self.noise_ratios, next(iter(targets))["video_label"].shape[-1])
        self._ratios = {name: torch.from_numpy(values) for name, values in ratios.items()}

    def share(self, progress: float) -> float:
        """Return the share of the ratios that holds after so many epochs."""
        if self.warm_up == "none":
            return 1.0
        if self.warm_up == "linear":
            return min(1.0, progress / self.warm_up_epochs)
        return float(int(progress) >= self.warm_up_epochs)

    def __call__(self, batch: Mapping[str, Tensor], parser: Any, progress: float) -> Mapping[str, Tensor]:
        """Return the batch without the noisy labels, see :class:`Relabelling`."""
        share = self.share(progress)
        if share == 0:
            return batch
        target = {modality: video_target(batch, modality) for modality in _OTHER}
        with torch.no_grad():
            out = parser.unimodal(**batch)
            loss = {name: binary_cross_entropy(out[f"{name}_prob"], target[name], "none") for name in _OTHER}
        changed = dict(batch)
        for own, other in _OTHER.items():
            noise = noisy_labels(loss[own], loss[other], target[own] > 0.5, share * self._ratios[own])
            changed[f"video_{own}"] = target[own].masked_fill(noise, self.removed)
            if f"segment_{own}" in batch:
                changed[f"segment_{own}"] = batch[f"segment_{own}"].masked_fill(noise[:, None], self.removed)
        return changed
