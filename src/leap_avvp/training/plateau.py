"""A rate that waits for the scores: torch's ``ReduceLROnPlateau``, told the score that picks the epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

__all__ = ["PlateauRate"]


class PlateauRate(Callback):
    """Lowers the rate after validations whose score has stood still.

    Not through Lightning's own schedules, which are told after the checkpoint of an epoch is written: a run that goes
    on from there would wait one epoch longer than one that was never stopped.

    Args:
        make: from an optimizer to its schedule.
        monitor: name of the score.
    """

    def __init__(self, make: Callable[[Optimizer], ReduceLROnPlateau], monitor: str) -> None:
        self._make, self._monitor = make, monitor
        self._schedule: ReduceLROnPlateau | None = None
        self._resumed: dict[str, Any] | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take hold of the optimizer, whose own state has been loaded."""
        self._schedule = self._make(trainer.optimizers[0])
        if self._resumed is not None:
            self._schedule.load_state_dict(self._resumed)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Tell the schedule; before the checkpoints of this epoch, which Lightning's order of callbacks puts last."""
        if self._schedule is not None and not trainer.sanity_checking:
            self._schedule.step(float(trainer.callback_metrics[self._monitor]))

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {} if self._schedule is None else dict(self._schedule.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._resumed = state_dict or None
