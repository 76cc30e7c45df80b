"""A training that ends in the middle of an epoch still has scores."""

from __future__ import annotations

import math
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from leap_avvp.errors import ConfigError

__all__ = ["ScoredEnd"]


class ScoredEnd(Callback):
    """Validates after the last of ``trainer.max_steps``, where Lightning would end without a score."""

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Check that validation comes at all.

        Raises:
            ConfigError: it would come after more batches than an epoch has.
        """
        if stage != "fit":
            return
        data, every = trainer.datamodule, trainer.val_check_interval  # type: ignore[attr-defined]
        whole = math.ceil(len(data.dataset("train")) / data.batch_size / trainer.world_size)
        limit = trainer.limit_train_batches
        batches = min(whole, limit) if isinstance(limit, int) else int(whole * limit)
        if isinstance(every, int) and trainer.check_val_every_n_epoch is not None and every > batches:
            raise ConfigError(
                f"trainer.val_check_interval: expected at most the {batches} batches of an epoch, found {every}"
            )

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any, **kwargs: Any) -> None:
        """Ask for the end in time: a training that is asked to stop is validated first."""
        if trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps:
            trainer.should_stop = True
