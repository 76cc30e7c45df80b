"""``history.csv``: what each epoch came to, whatever the logger is."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from leap_avvp.files import write_whole

__all__ = ["HISTORY_FILE", "EpochLosses", "History"]

HISTORY_FILE = "history.csv"


class EpochLosses(Callback):
    """Keeps the total loss of each step of an epoch, over a resume in its middle too."""

    def __init__(self) -> None:
        self._losses: list[float] = []

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin a new mean."""
        self._losses = []

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any, **kwargs: Any) -> None:
        """Keep the loss."""
        loss = trainer.callback_metrics.get("train/loss/total")
        if loss is not None:
            self._losses.append(float(loss))

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"losses": list(self._losses)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._losses = list(state_dict["losses"])


class History(EpochLosses):
    """Keeps ``history.csv`` in the run's folder: mean training loss and validation scores of each epoch.

    Whatever the logger is; a resumed run goes on with the epochs that stand there.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

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
