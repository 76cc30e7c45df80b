"""Lightning's own words for a trainer: which there are, which are said otherwise here, and what they must be."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Mapping
from typing import Any

from leap_avvp.errors import ConfigError

__all__ = ["SAID_OTHERWISE", "check_trainer", "trainer_arguments"]

_CHECKPOINTS = (
    "the same command in the same hydra.run.dir goes on where it was stopped, init_from=PATH starts from the weights "
    "of a checkpoint, and `leap-avvp evaluate PATH` scores one"
)
SAID_OTHERWISE = {
    "ckpt_path": _CHECKPOINTS,
    "trainer.ckpt_path": _CHECKPOINTS,
    "trainer.default_root_dir": "hydra.run.dir=DIR is the folder of a run",
    "trainer.logger": "logger=csv, wandb, tensorboard or none chooses the loggers",
    "trainer.callbacks": "+callbacks.NAME._target_=CLASS adds a callback",
    "trainer.enable_progress_bar": "callbacks.progress=bar, line or none chooses what is shown",
}
"""Arguments of Lightning's trainer and its ``fit`` that the run fills in itself, and what to write here."""

_LIMITS = ("limit_train_batches", "limit_val_batches", "limit_test_batches")
_WHY = {
    "limit_train_batches": "nothing would be trained",
    "limit_val_batches": "validation picks the epoch that is tested",
    "limit_test_batches": "there would be no scores",
}


@functools.cache
def trainer_arguments() -> tuple[str, ...]:
    """Return the names of the arguments of Lightning's trainer."""
    from lightning.pytorch import Trainer

    return tuple(name for name in inspect.signature(Trainer.__init__).parameters if name != "self")


def check_trainer(node: Mapping[str, Any], ends: bool = False) -> None:
    """Refuse what a training cannot do with a trainer's config, before anything is loaded.

    Args:
        node: plain, the group ``trainer``.
        ends: a callback may end the training, which then needs no other end.

    Raises:
        ConfigError: naming the key, what was expected and how else to say it.
    """
    for key, instead in SAID_OTHERWISE.items():
        if key.removeprefix("trainer.") in node:
            raise ConfigError(f"{key}: filled in by the run itself; {instead}")
    if node.get("fast_dev_run"):
        raise ConfigError(
            f"trainer.fast_dev_run: expected false, found {node['fast_dev_run']!r}: it keeps no checkpoint, and so no "
            "epoch to test; trainer=debug is the short run"
        )
    for key in _LIMITS:
        _check_limit(f"trainer.{key}", node.get(key), _WHY[key])
    _check_limit("trainer.overfit_batches", node.get("overfit_batches") or None, _WHY["limit_train_batches"])
    _check_whole("trainer.accumulate_grad_batches", node.get("accumulate_grad_batches"), 1)
    _check_whole("trainer.check_val_every_n_epoch", node.get("check_val_every_n_epoch"), 1)
    _check_whole("trainer.max_steps", node.get("max_steps"), 1, endless=True)
    _check_whole("trainer.max_epochs", node.get("max_epochs"), 1, endless=True)
    _check_time(node.get("max_time"))
    _check_end(node, ends)


def _check_time(value: object) -> None:
    shaped = isinstance(value, str) and re.fullmatch(r"\d+:\d\d:\d\d:\d\d", value)
    if value is not None and not shaped and not isinstance(value, Mapping):
        raise ConfigError(f"trainer.max_time: expected days:hours:minutes:seconds as 00:12:00:00, found {value!r}")


def _check_end(node: Mapping[str, Any], ends: bool) -> None:
    epochs, every = node.get("max_epochs"), node.get("check_val_every_n_epoch") or 1
    if epochs == -1 and not ends and node.get("max_time") is None and node.get("max_steps", -1) in (-1, None):
        raise ConfigError(
            "trainer.max_epochs: expected an end, found -1, which has none; add trainer.max_time=00:12:00:00 "
            "(days:hours:minutes:seconds) or trainer.max_steps=N"
        )
    if epochs is not None and 0 < epochs < every:
        raise ConfigError(
            f"trainer.check_val_every_n_epoch: expected at most trainer.max_epochs={epochs}, found {every}: without "
            "validation no epoch can be picked"
        )


def _check_whole(option: str, value: object, least: int, endless: bool = False) -> None:
    if value is None or (endless and value == -1):
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        more = ", or -1 for no such end" if endless else ""
        raise ConfigError(f"{option}: expected a whole number of at least {least}{more}, found {value!r}")


def _check_limit(option: str, value: object, why: str) -> None:
    """Check a number of batches, or a share of them: 1 is one batch, 1.0 are all."""
    if value is None:
        return
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not whole and not (isinstance(value, float) and 0 <= value <= 1):
        raise ConfigError(f"{option}: expected a number of batches (1), or a share of them (1.0), found {value!r}")
    if value == 0:
        raise ConfigError(f"{option}: expected at least one batch, found 0: {why}")
