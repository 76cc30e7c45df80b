"""Lightning's trainer of a run, what it runs on, and what of its talk is silenced."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
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
    _check_started(parts.content["trainer"])
    callbacks = callbacks or []
    bar = any(type(callback).__name__ == "RichProgressBar" for callback in callbacks)
    plugins: list[Any] = [AtomicCheckpointIO()]
    plugins += _of_slurm()
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


def _of_slurm() -> list[Any]:
    """Return what tells Lightning of the processes that ``srun`` has started, or that there is one in this job."""
    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return []
    tasks, nodes = (int(os.environ.get(f"SLURM_{name}", "1")) for name in ("NTASKS", "NNODES"))
    if tasks > 1 and "SLURM_STEP_NUM_TASKS" not in os.environ:
        return [LightningEnvironment()]  # a job of so many tasks whose script has started this one alone
    os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(tasks // nodes))  # `srun --ntasks` does not say it
    # Its own way to requeue saves in the middle of a step; ours saves after it, and the job script starts anew.
    return [SLURMEnvironment(auto_requeue=False)]


def _started() -> tuple[str, int, int]:
    """Return by what processes were started, how many in all, and on how many nodes."""
    if TorchElasticEnvironment.detect():
        world = int(os.environ["WORLD_SIZE"])
        return "torchrun", world, world // int(os.environ.get("LOCAL_WORLD_SIZE", world))
    if "SLURM_STEP_NUM_TASKS" in os.environ and SLURMEnvironment.detect():
        tasks, nodes = (int(os.environ.get(f"SLURM_STEP_NUM_{name}", "1")) for name in ("TASKS", "NODES"))
        return "srun", tasks, nodes
    return "", 1, 1


def _check_started(node: Mapping[str, Any]) -> None:
    """Hold what was started against what the config names: as many nodes, and a process for each device of each.

    Raises:
        ConfigError: other numbers.
    """
    by, world, nodes = _started()
    devices, asked = node.get("devices"), node.get("num_nodes") or 1
    number = len(devices) if isinstance(devices, list) else devices
    if isinstance(number, str) and number.isdecimal():
        number = int(number)
    if not by or (asked == nodes and number in (world // nodes, "auto", -1, "-1") and world % nodes == 0):
        return
    more = "" if world == 1 else " trainer.strategy=ddp"
    raise ConfigError(
        f"trainer.devices: {by} has started {world} process{'' if world == 1 else 'es'} on {nodes} "
        f"node{'' if nodes == 1 else 's'}, found trainer.devices={devices} and trainer.num_nodes={asked}; "
        f"trainer.devices={world // nodes} trainer.num_nodes={nodes}{more} takes them"
    )


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
