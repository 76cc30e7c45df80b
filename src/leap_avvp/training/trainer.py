"""Lightning's trainer of a run, what it runs on, and what of its talk is silenced."""

from __future__ import annotations

import logging
import platform
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from leap_avvp import __version__
from leap_avvp.config.build import Parts
from leap_avvp.training.saving import AtomicCheckpointIO

__all__ = ["device_name", "is_main_process", "make_trainer", "quiet", "versions"]


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
    ):
        warnings.filterwarnings("ignore", message=message)


def make_trainer(
    parts: Parts, output_dir: Path, logger: Any = False, callbacks: list[Any] | None = None
) -> lightning.Trainer:
    """Build Lightning's trainer for one job; without a logger and callbacks, for a test that nobody watches."""
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
    )
    return trainer
