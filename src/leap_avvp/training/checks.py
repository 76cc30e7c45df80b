"""What of a job can be refused before anything is loaded: its trainer, its scores, its optimizer and its callbacks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from leap_avvp.config.arguments import wrong_arguments
from leap_avvp.config.build import Maker, Parts
from leap_avvp.config.job import TrainingJob
from leap_avvp.config.lightning import check_trainer
from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.metrics import SCORE_NAMES
from leap_avvp.training.trainer import make_trainer

__all__ = ["check_job"]

_SCORES = tuple(f"val/{name}" for name in (*SCORE_NAMES, "average"))
_LOSSES = "train/loss/"
_MOST_EPOCHS = 1000


def check_job(job: TrainingJob) -> None:
    """Refuse a training that would fail for its config once its data are loaded, or at the end of its first epoch.

    Raises:
        LeapError: naming the key, what was expected and what was found.
    """
    check_choice("callbacks.monitor", job.monitor, _SCORES)
    check_choice("callbacks.mode", job.mode, ("max", "min"))
    callbacks = job.parts.callbacks()
    for path, callback in zip(job.parts.callback_nodes(), callbacks, strict=True):
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and not monitor.startswith(_LOSSES):
            check_choice(f"{path}.monitor", monitor, _SCORES)
    check_trainer(job.content["trainer"], ends=bool(callbacks))
    trainer = make_trainer(job.parts, job.output_dir)
    steps, epochs = trainer.max_steps, -1 if trainer.max_epochs is None else trainer.max_epochs
    _try_training(job.parts, epochs, endless=steps == -1 and epochs == -1)


def _try_training(parts: Parts, epochs: int, endless: bool) -> None:
    """Step an optimizer and its schedule through the epochs, over two weights."""
    weight = Parameter(torch.zeros(2, 2))
    weight.grad = torch.zeros(2, 2)
    make = parts.optimizer()
    optimizer: Optimizer = make([weight])
    number = min(epochs, _MOST_EPOCHS) if epochs > 0 else 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, about the order in which both are stepped
        with wrong_arguments(make.node, make.path):
            optimizer.step(lambda: 0.0)
        schedule, plateau = parts.scheduler(), parts.plateau()
        if schedule is not None:
            _try_schedule(schedule, optimizer, number, endless)
        if plateau is not None:
            _step(plateau, optimizer, [], [[0.0]] * number)


def _try_schedule(make: Maker, optimizer: Optimizer, epochs: int, endless: bool) -> None:
    by_steps = getattr(make.func, "interval", "epoch") == "step"
    if endless and (by_steps or make.node.get("T_max") == -1):
        raise ConfigError(
            f"scheduler: {make.node['_target_']} needs the length of the training, and trainer.max_epochs=-1 has none; "
            "choose scheduler=none or scheduler=step, or give trainer.max_steps=N"
        )
    span = make.node.get("T_max", 1)
    if not isinstance(span, int | float) or span <= 0:
        raise ConfigError(f"scheduler.T_max: expected a number above 0, found {span!r}")
    _step(make, optimizer, [epochs] if by_steps else [], [[]] * epochs)


def _step(make: Maker, optimizer: Optimizer, length: Sequence[int], scores: Sequence[Sequence[float]]) -> None:
    schedule = make(optimizer, **dict(zip(["total_steps"], length, strict=False)))
    with wrong_arguments(make.node, make.path):
        for score in scores:
            schedule.step(*score)
