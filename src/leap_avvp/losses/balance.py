"""Weights of the elements of a segment term: present and absent labels are told apart by the weak label."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from leap_avvp.errors import ConfigError
from leap_avvp.losses.numbers import check_number

__all__ = ["Balance", "FixedBalance", "FrequencyBalance"]


class Balance(abc.ABC):
    """One weight where a class is in the video's weak label, another where it is not."""

    place = "loss.terms.balance"

    def check(self, place: str) -> None:
        """Check the arguments, once it is known where they stand.

        Raises:
            ConfigError: naming the key below ``place``.
        """
        self.place = place

    def prepare(self, targets: Iterable[Mapping[str, Tensor]], modality: str) -> None:  # noqa: B027
        """Look at all targets of the training split, see :meth:`leap_avvp.losses.TrainingLoss.prepare`."""

    @abc.abstractmethod
    def pair(self) -> tuple[float, float]:
        """Return the weights of present and of absent classes."""

    def weights(self, label: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return the weight of each element of weak labels, 0 or 1, of any shape."""
        present, absent = (torch.full((), value, dtype=dtype, device=label.device) for value in self.pair())
        return torch.where(label > 0.5, present, absent)


class FixedBalance(Balance):
    """Weights that are said.

    Args:
        present: of a class in the weak label.
        absent: of the others.
    """

    def __init__(self, present: float = 7.0, absent: float = 1.0) -> None:
        self.present, self.absent = present, absent

    def check(self, place: str) -> None:
        """See :meth:`Balance.check`."""
        super().check(place)
        check_number(f"{place}.present", self.present)
        check_number(f"{place}.absent", self.absent)

    def pair(self) -> tuple[float, float]:
        """Return what was said."""
        return float(self.present), float(self.absent)


class FrequencyBalance(Balance):
    """UWAV's re-weighting by how frequent events are in the training split, as its released program computes it.

    ``f = sum over classes of (segments with the class's pseudo label / all segments)``, from 0 to C; present classes
    weigh ``scale (C - f)``, absent ones ``f``. A soft label counts as a pseudo label above 0.5.

    Args:
        scale: of present classes (0.5 in UWAV).
    """

    def __init__(self, scale: float = 0.5) -> None:
        self.scale = scale
        self.frequency: Tensor | None = None
        """(C,) float64, once :meth:`prepare` has counted."""
        self._pair: tuple[float, float] | None = None

    def check(self, place: str) -> None:
        """See :meth:`Balance.check`."""
        super().check(place)
        check_number(f"{place}.scale", self.scale)

    def prepare(self, targets: Iterable[Mapping[str, Tensor]], modality: str) -> None:
        """Count the pseudo labels of ``segment_<modality>``, (N, T, C) of N videos at a time.

        Raises:
            ConfigError: there are none.
        """
        name = f"segment_{modality}"
        count, segments = torch.zeros((), dtype=torch.int64), 0
        for part in targets:
            if name not in part:
                what = f"expected {name} in the training split, found none; choose pseudo labels"
                raise ConfigError(f"{self.place}: {what}")
            present = part[name] > 0.5
            count, segments = count + present.sum(dim=(0, 1)).cpu(), segments + present.shape[0] * present.shape[1]
        self.frequency = count.to(torch.float64) / segments
        total = float(self.frequency.sum())
        self._pair = float(self.scale) * (len(self.frequency) - total), total

    def pair(self) -> tuple[float, float]:
        """Return the weights of present and of absent classes.

        Raises:
            ConfigError: the training split has not been counted.
        """
        if self._pair is None:
            raise ConfigError(
                f"{self.place}: expected the class frequencies of a training split, found none counted; call "
                "prepare(targets) of the loss first, or take FixedBalance"
            )
        return self._pair
