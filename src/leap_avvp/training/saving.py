"""Which checkpoints a training run keeps, when it saves them, and where it stops when a signal asks it to."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from leap_avvp.data.datamodule import ResumableLoader
from leap_avvp.errors import ConfigError
from leap_avvp.files.interrupts import Stopped, StopSignals
from leap_avvp.training.checkpoint import CHECKPOINT_KEY, read_checkpoint, save_atomic
from leap_avvp.training.shares import PACE_KEY, go_on, of_all, pace_of, seed_process

__all__ = ["BEFORE_FILE", "BEST_FILE", "LAST_FILE", "AtomicCheckpointIO", "BestCheckpoint", "LastCheckpoint"]

BEST_FILE = "best.ckpt"
LAST_FILE = "last.ckpt"
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
        self._pace: dict[str, int] | None = None
        self._loader: ResumableLoader | None = None
        self._leaving: int | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Go on in the rows of random numbers and of batches; an epoch that begins anew has its own."""
        super().on_train_start(trainer, pl_module)
        loader = trainer.train_dataloader
        if isinstance(loader, ResumableLoader):
            self._loader = loader
        if self._resumed:
            self._go_on(trainer, pl_module)
            self._resumed = {}
        stamp = getattr(pl_module, "stamp", None)
        if stamp is not None:
            stamp[PACE_KEY] = pace_of(trainer)
        if self._signals is not None:
            self._signals.take()  # Lightning's own handler leaves in the middle of a validation
            self._signals.waiting = True

    def _go_on(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take up the places among random numbers and batches; another number of processes draws anew."""
        then, loader = self._pace, self._resumed["loader"]
        states = [self._resumed, *self._resumed.get("others", [])]
        if then is None or then["processes"] == trainer.world_size:
            state = states[trainer.global_rank if trainer.global_rank < len(states) else 0]
            torch.set_rng_state(state["cpu"])
            if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all(state["cuda"])
        else:
            place = (loader["epoch"], loader["position"]) if loader else (trainer.current_epoch, 0)
            seed_process(int(getattr(pl_module, "seed", 0)), *place, trainer.global_rank)
        # Lightning would do it, but not where a scheduler has asked how many steps there are (it loads too late).
        if self._loader is not None and loader:
            self._loader.load_state_dict(loader if then is None else go_on(trainer, then, loader))

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take note of what a step was made of."""
        super().on_load_checkpoint(trainer, pl_module, checkpoint)
        self._pace = checkpoint.get(CHECKPOINT_KEY, {}).get(PACE_KEY)

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
            trainer.save_checkpoint(str(Path(str(self.dirpath)) / LAST_FILE))
        if asked is not None:
            self._leaving = asked  # before the next step: this one's numbers are still to be logged

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Stop where the last step has been saved for it."""
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        if self._leaving is not None:
            raise self._stopped(self._leaving, f"step {trainer.global_step}", trainer)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save, and stop when the run is to end."""
        super().on_validation_end(trainer, pl_module)
        asked = None if trainer.sanity_checking else self._asked(trainer)
        if asked is not None and (trainer.max_epochs == -1 or trainer.current_epoch + 1 < (trainer.max_epochs or 0)):
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
        first, *others = of_all(
            {"cpu": torch.get_rng_state(), "cuda": cuda}
        )  # all processes save, the first one writes
        loader = None if self._loader is None else self._loader.state_dict()
        middle = {**first, "loader": loader} | ({"others": others} if others else {})
        return {**super().state_dict(), "middle": middle}

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
        of_all = "" if trainer.max_epochs == -1 else f" (of {trainer.max_epochs} epochs in all)"
        where = f"saved after {after}{of_all}; the same command goes on from there"
        return Stopped(signum, where)
