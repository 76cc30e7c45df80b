"""What shows the progress of a training on the terminal: a bar, or a line an epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import lightning
from lightning.pytorch.callbacks import Callback, RichProgressBar

from leap_avvp.errors import check_choice
from leap_avvp.training.history import EpochLosses

__all__ = ["EpochLine", "progress"]


class EpochLine(EpochLosses):
    """Prints one line an epoch: loss, validation score, the best so far, time."""

    def __init__(self, monitor: str = "val/segment/type_av", write: Callable[[str], None] = print) -> None:
        super().__init__()
        self.monitor, self.write = monitor, write
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock."""
        super().on_train_epoch_start(trainer, pl_module)
        self._started = time.perf_counter()

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Print the line."""
        score = trainer.callback_metrics.get(self.monitor)
        if trainer.sanity_checking or score is None or not self._losses:
            return
        mean_loss = sum(self._losses) / len(self._losses)
        of_all = "" if trainer.max_epochs in (None, -1) else f"/{trainer.max_epochs}"
        self.write(
            f"epoch {trainer.current_epoch + 1:>2}{of_all}: train loss {mean_loss:.4f}, "
            f"{self.monitor} {float(score):.2f}, {time.perf_counter() - self._started:.0f} s"
        )


def progress(style: str = "auto") -> list[Callback]:
    """Return what shows progress: ``bar``, ``line`` (one an epoch), ``none``; ``auto`` is bar or line."""
    check_choice("callbacks.progress", style, ("auto", "bar", "line", "none"))
    if style == "auto":
        style = "bar" if sys.stdout.isatty() else "line"
    if style == "bar":
        bar = RichProgressBar(leave=False)
        return [bar, EpochLine(write=lambda text: bar.progress.console.print(text) if bar.progress else print(text))]
    return [EpochLine()] if style == "line" else []
