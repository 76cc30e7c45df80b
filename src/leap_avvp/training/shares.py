"""Several processes that train as one: whose videos a step is made of, what is drawn, and how a stopped run goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import lightning
import numpy as np
import torch
from torch import Tensor

from leap_avvp.data.datamodule import ResumableLoader, SeededBatches
from leap_avvp.errors import ConfigError

__all__ = ["PACE_KEY", "go_on", "mean_of_processes", "of_all", "pace_of", "seed_process", "step_weight"]

PACE_KEY = "pace"
"""In the stamp of a checkpoint: what :func:`pace_of` returned."""
_T = TypeVar("_T")


def of_all(value: _T) -> list[_T]:
    """Return the value of each process, of which each must call."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values: list[_T] = [value] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def seed_process(*numbers: int) -> None:
    """Seed torch with numbers, of which the last is the process's; the first process's are those of one alone."""
    *shared, rank = numbers
    key = (*shared, rank) if rank else tuple(shared)
    torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))


def step_weight(trainer: lightning.Trainer, turn: int) -> float:
    """Return by what a batch's loss is multiplied, see :meth:`~leap_avvp.data.datamodule.SeededBatches.weight`."""
    sampler = _sampler(trainer)
    if sampler is None:
        return 1.0
    return sampler.weight(turn, _turns(trainer, sampler), trainer.accumulate_grad_batches)


def mean_of_processes(terms: Mapping[str, Tensor], trainer: lightning.Trainer, turn: int) -> dict[str, Tensor]:
    """Return loss terms, without gradient, as their means over the videos that all processes have in a turn."""
    sampler = _sampler(trainer)
    if sampler is None or trainer.world_size == 1:
        return {name: value.detach() for name, value in terms.items()}
    own = torch.stack([value.detach() for value in terms.values()]) * (sampler.share(turn) / sampler.videos(turn))
    whole = trainer.strategy.reduce(own, reduce_op="sum")
    return dict(zip(terms, whole.unbind(), strict=True))


def pace_of(trainer: lightning.Trainer) -> dict[str, int] | None:
    """Return of how many videos a step is made, of how many steps an epoch, and by whom; None for another loader."""
    sampler, accumulate = _sampler(trainer), trainer.accumulate_grad_batches
    if sampler is None:
        return None
    return {
        "videos": sampler.batch_size * sampler.world_size * accumulate,
        "steps": math.ceil(_turns(trainer, sampler) / accumulate),
        "batch_size": sampler.batch_size,
        "processes": sampler.world_size,
        "accumulate": accumulate,
    }


def go_on(trainer: lightning.Trainer, then: Mapping[str, int], loader: Mapping[str, int]) -> dict[str, int]:
    """Return the loader's state for as many processes as there are now, and count the trainer's batches by them.

    Args:
        trainer: about to train, its loops restored.
        then: :func:`pace_of` the run so far.
        loader: state of the loader then.

    Raises:
        ConfigError: steps would be of other videos than those of the run so far.
    """
    sampler, now = _sampler(trainer), pace_of(trainer)
    if sampler is None or now is None or now == then:
        return dict(loader)
    if (now["videos"], now["steps"]) != (then["videos"], then["steps"]):
        raise ConfigError(_other_steps(then, now))
    step = math.ceil(loader["position"] / then["accumulate"])
    inside = 0 < step < now["steps"]
    if inside and not sampler.joins and now["batch_size"] != then["batch_size"]:
        raise ConfigError(
            f"data.batch_size: expected {then['batch_size']} as before in the middle of an epoch of shards, found "
            f"{now['batch_size']}; share the {now['videos']} videos of a step by processes and "
            "trainer.accumulate_grad_batches"
        )
    position = step * now["accumulate"] if step < now["steps"] else _turns(trainer, sampler)
    counted = trainer.fit_loop.epoch_loop.batch_progress
    more = position - loader["position"]
    for part in (counted.current, counted.total):
        for name in ("ready", "started", "processed", "completed"):
            setattr(part, name, getattr(part, name) + more)
    return {"epoch": loader["epoch"], "position": position}


def _other_steps(then: Mapping[str, int], now: Mapping[str, int]) -> str:
    shared = now["processes"] * now["accumulate"]
    whole = then["videos"] % shared == 0
    advice = f"data.batch_size={then['videos'] // shared} goes on as before; " if whole else ""
    return (
        f"data.batch_size: expected steps of {_shown(then)} as in the run so far, found {_shown(now)}; {advice}"
        "another number of processes must share the same videos"
    )


def _shown(pace: Mapping[str, int]) -> str:
    processes, accumulate = pace["processes"], pace["accumulate"]
    parts = [f"{processes} process{'' if processes == 1 else 'es'} x data.batch_size={pace['batch_size']}"]
    parts += [f"trainer.accumulate_grad_batches={accumulate}"] if accumulate > 1 else []
    return f"{pace['videos']} videos ({' x '.join(parts)}; {pace['steps']} steps an epoch)"


def _sampler(trainer: lightning.Trainer) -> SeededBatches | None:
    loader: Any = trainer.train_dataloader
    return loader.sampler if isinstance(loader, ResumableLoader) else None


def _turns(trainer: lightning.Trainer, sampler: SeededBatches) -> int:
    return int(min(trainer.num_training_batches, len(sampler)))
