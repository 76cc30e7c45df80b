"""Lightning callbacks and the checkpoint writer of a training run."""

from __future__ import annotations

import contextlib
import csv
import io
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from torch import Tensor

from leap_avvp.data.datamodule import ResumableLoader
from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.files import write_whole
from leap_avvp.training.checkpoint import read_checkpoint, save_atomic
from leap_avvp.training.interrupts import Stopped, StopSignals

__all__ = [
    "BEFORE_FILE",
    "BEST_FILE",
    "HISTORY_FILE",
    "AtomicCheckpointIO",
    "BestCheckpoint",
    "EpochLine",
    "History",
    "LastCheckpoint",
    "progress",
]

HISTORY_FILE = "history.csv"
BEST_FILE = "best.ckpt"
BEFORE_FILE = ".best-before.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint under a temporary name, then renames it; reads no pickled objects."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Save ``checkpoint`` to ``path``; the old ``best.ckpt`` stays beside the new one."""
        path = Path(path)
        if path.name == BEST_FILE and path.is_file():
            before = path.with_name(BEFORE_FILE)
            before.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # a file system without hard links
                before.hardlink_to(path)
        # Not Lightning's way, which writes to /tmp first and leaves the file there when it is killed.
        save_atomic(checkpoint, path)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load tensors and plain containers from ``path``, whatever Lightning asks for: nothing in it is executed."""
        return read_checkpoint(Path(path))


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
    """Keeps the whole state after each epoch, from which an interrupted run goes on.

    Args:
        dirpath: folder of ``last.ckpt``.
        every_n_steps: also save after every so many steps of an epoch; None saves between epochs alone.
        signals: looked at after each step and each validation: asked to end, the run saves and stops there.
    """

    def __init__(self, dirpath: str, every_n_steps: int | None = None, signals: StopSignals | None = None) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ConfigError(
                f"callbacks.checkpoint_every_n_steps: expected a whole number of at least 1, found {every_n_steps}"
            )
        super().__init__(
            dirpath=dirpath,
            filename="last",
            save_top_k=1,
            every_n_epochs=1,
            save_on_train_epoch_end=False,  # after validation, so that the best score is part of the state
            enable_version_counter=False,
        )
        self._every_n_steps, self._signals = every_n_steps, signals
        self._resumed: dict[str, Any] = {}
        self._loader: ResumableLoader | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Go on in the rows of random numbers and of batches; an epoch that begins anew has its own."""
        super().on_train_start(trainer, pl_module)
        loader = trainer.train_dataloader
        if isinstance(loader, ResumableLoader):
            self._loader = loader
        if self._resumed:
            torch.set_rng_state(self._resumed["cpu"])
            if torch.cuda.is_available() and len(self._resumed["cuda"]) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all(self._resumed["cuda"])
            # Lightning would do it, but not where a scheduler has asked how many steps there are (it loads too late).
            if self._loader is not None and self._resumed["loader"]:
                self._loader.load_state_dict(self._resumed["loader"])
            self._resumed = {}
        if self._signals is not None:
            self._signals.take()  # Lightning's own handler leaves in the middle of a validation
            self._signals.waiting = True

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save in the middle of an epoch, when it is time or the run is to end; its last step waits for the scores."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        done = batch_idx + 1
        if done >= trainer.num_training_batches or done % trainer.accumulate_grad_batches:
            return  # gradients that wait for more batches are in no checkpoint
        asked = self._asked(trainer)
        if asked is not None or (self._every_n_steps and done % self._every_n_steps == 0):
            trainer.save_checkpoint(str(Path(str(self.dirpath)) / "last.ckpt"))
        if asked is not None:
            raise self._stopped(asked, f"step {trainer.global_step}", trainer)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save, and stop when the run is to end."""
        super().on_validation_end(trainer, pl_module)
        asked = None if trainer.sanity_checking else self._asked(trainer)
        if asked is not None and trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            raise self._stopped(asked, f"epoch {trainer.current_epoch + 1}", trainer)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop here when asked: what is left (the test) can be done from the last state."""
        super().on_train_end(trainer, pl_module)
        asked = self._asked(trainer)
        self._wait_no_more()
        if asked is not None:
            raise self._stopped(asked, f"epoch {trainer.current_epoch}", trainer)

    def on_exception(self, trainer: lightning.Trainer, *args: Any) -> None:
        """Let go of the signals."""
        super().on_exception(trainer, *args)
        self._wait_no_more()

    def state_dict(self) -> dict[str, Any]:
        """Return Lightning's state and what the middle of an epoch needs: places among random numbers and batches."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        loader = None if self._loader is None else self._loader.state_dict()
        return {**super().state_dict(), "middle": {"cpu": torch.get_rng_state(), "cuda": cuda, "loader": loader}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        super().load_state_dict(state_dict)
        self._resumed = state_dict.get("middle", {})

    def _asked(self, trainer: lightning.Trainer) -> int | None:
        """Return the signal; of several processes all stop after the same step, where one was asked."""
        asked = None if self._signals is None else self._signals.asked
        if trainer.world_size > 1 and trainer.strategy.reduce_boolean_decision(asked is not None, all=False):
            return signal.SIGTERM if asked is None else asked
        return asked

    def _wait_no_more(self) -> None:
        if self._signals is not None:
            self._signals.waiting = False

    def _stopped(self, signum: int, after: str, trainer: lightning.Trainer) -> Stopped:
        self._wait_no_more()
        where = f"saved after {after} (of {trainer.max_epochs} epochs in all); the same command goes on from there"
        return Stopped(signum, where)


class _EpochLosses(Callback):
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


class History(_EpochLosses):
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


class EpochLine(_EpochLosses):
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
