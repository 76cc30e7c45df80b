"""Lightning's trainer of a run, what it runs on, and what of its talk is silenced."""

from __future__ import annotations

import contextlib
import logging
import platform
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException

from leap_avvp import __version__
from leap_avvp.config.build import Parts
from leap_avvp.errors import ConfigError
from leap_avvp.training.saving import AtomicCheckpointIO

__all__ = ["device_name", "is_main_process", "lightnings_refusals", "make_trainer", "quiet", "versions"]


def versions() -> dict[str, str]:
    """Return the versions that a number depends on."""
    names = ("torch", "lightning", "hydra-core", "omegaconf", "torchmetrics", "numpy")
    return {"leap-avvp": __version__, "python": platform.python_version()} | {name: version(name) for name in names}


def device_name(device: torch.device) -> str:
    """Return a readable name of a device."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)"
    return device.type


def is_main_process() -> bool:
    """Say whether this process is the one that writes results: the only one, or the first under torchrun."""
    return not (
        torch.distributed.is_available() and torch.distributed.is_initialized() and torch.distributed.get_rank()
    )


def quiet() -> None:
    """Silence what Lightning says about choices that are made here on purpose."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # batches are index-selected from memory: workers only cost
        ".*LeafSpec.*",  # torch's pytree, once a fit
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*The number of training batches .* is smaller than the logging interval.*",
        ".*isinstance\\(treespec.*",
        ".*sync_dist=True.*",  # torchmetrics has summed over the processes already
        ".*callbacks used to create the checkpoint need to be provided.*",  # another progress line
        ".*There is a wandb run already in progress.*",
        ".*The `srun` command is available.*",  # where Slurm is installed not every training is a job of it
    ):
        warnings.filterwarnings("ignore", message=message)


def make_trainer(
    parts: Parts, output_dir: Path, logger: Any = False, callbacks: list[Any] | None = None
) -> lightning.Trainer:
    """Build Lightning's trainer for one job; without a logger and callbacks, for a test that nobody watches.

    Raises:
        ConfigError: a wrong argument, or more devices than there are processes.
    """
    callbacks = callbacks or []
    bar = any(type(callback).__name__ == "RichProgressBar" for callback in callbacks)
    plugins: list[Any] = [AtomicCheckpointIO()]
    if SLURMEnvironment.detect() and not TorchElasticEnvironment.detect():
        # Its own way to requeue saves in the middle of a step; ours saves after it, and the job script starts anew.
        plugins.append(SLURMEnvironment(auto_requeue=False))
    trainer: lightning.Trainer = parts.trainer(
        default_root_dir=str(output_dir),
        logger=logger,
        callbacks=callbacks,
        plugins=plugins,
        enable_progress_bar=bar,
        **_devices(parts.content["trainer"]),
    )
    _check_processes(trainer)
    return trainer


def _devices(node: Mapping[str, Any]) -> dict[str, int]:
    """Return ``devices=1`` where the first of one device is named and there is the CPU alone, which has no numbers."""
    on_cpu = node.get("accelerator") == "cpu" or (
        node.get("accelerator", "auto") == "auto" and not torch.accelerator.is_available()
    )
    return {"devices": 1} if on_cpu and node.get("devices") == [0] else {}


def _check_processes(trainer: lightning.Trainer) -> None:
    """Refuse several devices in one process: Lightning would start others, which know nothing of the command line."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if trainer.world_size > 1 and environment is not None and not environment.creates_processes_externally:
        number = trainer.num_devices
        raise ConfigError(
            f"trainer.devices: expected a process for each of {number} devices, found this one alone; start them by "
            f"`torchrun --standalone --nproc-per-node={number} -m leap_avvp train ...`, or set trainer.devices=1"
        )


@contextlib.contextmanager
def lightnings_refusals() -> Iterator[None]:
    """Tell in one line what Lightning refuses while the block runs.

    Raises:
        ConfigError: its own words.
    """
    try:
        yield
    except MisconfigurationException as error:
        raise ConfigError(f"trainer: {(str(error).splitlines() or ['?'])[0]}") from error
