"""Lightning callbacks and the checkpoint writer of a training run."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from torch import Tensor

from leap_avvp.errors import check_choice
from leap_avvp.files import write_whole

__all__ = [
    "HISTORY_FILE",
    "AtomicCheckpointIO",
    "BestCheckpoint",
    "EpochLine",
    "History",
    "LastCheckpoint",
    "progress",
]

HISTORY_FILE = "history.csv"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint under a temporary name, then renames it: a killed run leaves the previous one whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Save ``checkpoint`` to ``path``."""
        write_whole(Path(path), lambda part: super(AtomicCheckpointIO, self).save_checkpoint(checkpoint, part))


class BestCheckpoint(ModelCheckpoint):
    """Keeps the weights of the best epoch, the last one of equals as the released programs do."""

    def __init__(self, dirpath: str, monitor: str = "val/segment/type_av", mode: str = "max") -> None:
        super().__init__(
            dirpath=dirpath,
            filename="best",
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            save_weights_only=True,
            save_on_train_epoch_end=False,  # the score is known after validation
            enable_version_counter=False,
            auto_insert_metric_name=False,
        )

    def check_monitor_top_k(self, trainer: lightning.Trainer, current: Tensor | None = None) -> bool:
        """Return whether ``current`` replaces what is kept: Lightning's own rule, or an equal score."""
        better = super().check_monitor_top_k(trainer, current)
        best = self.best_model_score
        return bool(better) or (current is not None and best is not None and bool(current == best))


class LastCheckpoint(ModelCheckpoint):
    """Keeps the whole state after each epoch, from which an interrupted run goes on."""

    def __init__(self, dirpath: str) -> None:
        super().__init__(
            dirpath=dirpath,
            filename="last",
            save_top_k=1,
            every_n_epochs=1,
            save_on_train_epoch_end=False,  # after validation, so that the best score is part of the state
            enable_version_counter=False,
        )


class History(Callback):
    """Keeps ``history.csv`` in the run's folder: mean training loss and validation scores of each epoch.

    Whatever the logger is; a resumed run goes on with the epochs that stand there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._losses: list[float] = []

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin a new mean."""
        self._losses = []

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any, **kwargs: Any) -> None:
        """Keep the loss."""
        loss = trainer.callback_metrics.get("train/loss/total")
        if loss is not None:
            self._losses.append(float(loss))

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the file anew with this epoch."""
        if trainer.sanity_checking or not self._losses or not trainer.is_global_zero:
            return
        scores = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        mean = sum(self._losses) / len(self._losses)
        # Epochs and steps count from 0, as in Lightning's own CSV files.
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step - 1, "train/loss/total": mean, **scores}
        rows = [old for old in self._read() if int(old["epoch"]) < trainer.current_epoch]
        content = io.StringIO()
        writer = csv.DictWriter(content, list(row), restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])
        write_whole(self.path, content.getvalue())

    def _read(self) -> list[dict[str, str]]:
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                return [row for row in csv.DictReader(file) if (row.get("epoch") or "").isdecimal()]
        except (OSError, ValueError, csv.Error):
            return []


class EpochLine(Callback):
    """Prints one line an epoch: loss, validation score, the best so far, time."""

    def __init__(self, monitor: str = "val/segment/type_av", write: Callable[[str], None] = print) -> None:
        self.monitor, self.write = monitor, write
        self._losses: list[float] = []
        self._started = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock."""
        self._losses, self._started = [], time.perf_counter()

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any, **kwargs: Any) -> None:
        """Keep the loss."""
        loss = trainer.callback_metrics.get("train/loss/total")
        if loss is not None:
            self._losses.append(float(loss))

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Print the line."""
        score = trainer.callback_metrics.get(self.monitor)
        if trainer.sanity_checking or score is None or not self._losses:
            return
        mean_loss = sum(self._losses) / len(self._losses)
        self.write(
            f"epoch {trainer.current_epoch + 1:>2}/{trainer.max_epochs}: train loss {mean_loss:.4f}, "
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
