"""What may change the targets of a batch before a loss looks at them."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

__all__ = ["Relabelling"]


class Relabelling(abc.ABC):
    """Changes targets of a batch, see :meth:`leap_avvp.losses.TrainingLoss.relabel`."""

    place = "loss.relabel"

    def check(self, place: str) -> None:
        """Check the arguments, once it is known where they stand.

        Raises:
            ConfigError: naming the key below ``place``.
        """
        self.place = place

    def prepare(self, targets: Iterable[Mapping[str, Tensor]]) -> None:  # noqa: B027
        """Look at all targets of the training split, see :meth:`leap_avvp.losses.TrainingLoss.prepare`."""

    @abc.abstractmethod
    def __call__(self, batch: Mapping[str, Tensor], parser: Any, progress: float) -> Mapping[str, Tensor]:
        """Return a batch with other targets; the given one is left as it is.

        Args:
            batch: features and targets.
            parser: in training.
            progress: epochs done, a fraction within an epoch.
        """
