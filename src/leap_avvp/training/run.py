"""One training run: build from a config, fit, test the best epoch once, write ``metrics.json``."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import time
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig

from leap_avvp import __version__
from leap_avvp.config.build import build_callbacks, build_data, build_logger, build_module, build_part
from leap_avvp.config.compose import config_hash, plain
from leap_avvp.data.datamodule import LLPDataModule
from leap_avvp.errors import ConfigError, DataError, check_choice
from leap_avvp.files import METRICS_FILE, METRICS_FORMAT, folder_lock
from leap_avvp.metrics import per_video_scores
from leap_avvp.scoring.per_video import PER_VIDEO_FILE, write_per_video
from leap_avvp.scoring.predictions import write_predictions
from leap_avvp.tracking.dashboards import HighestScores, finishing, log_results, start_run
from leap_avvp.training.callbacks import BEFORE_FILE, BEST_FILE, HISTORY_FILE, AtomicCheckpointIO, History
from leap_avvp.training.checkpoint import CHECKPOINT_KEY, load_weights, parser_state, read_checkpoint, write_json
from leap_avvp.training.interrupts import StopSignals
from leap_avvp.training.module import ParsingModule

__all__ = [
    "MATMUL_PRECISIONS",
    "METRICS_FILE",
    "METRICS_FORMAT",
    "device_name",
    "is_main_process",
    "make_trainer",
    "prepare_folder",
    "quiet",
    "run",
    "versions",
]

MATMUL_PRECISIONS = ("highest", "high", "medium")


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
        ".*There is a wandb run already in progress.*",
    ):
        warnings.filterwarnings("ignore", message=message)


def make_trainer(config: DictConfig, output_dir: Path, logger: Any, callbacks: list[Any]) -> lightning.Trainer:
    """Build Lightning's trainer for one job, and set the precision of float32 products."""
    bar = any(type(callback).__name__ == "RichProgressBar" for callback in callbacks)
    settings = dict(plain(config)["trainer"])
    settings.pop("compile", None)
    precision = settings.pop("matmul_precision", "highest")
    torch.set_float32_matmul_precision(check_choice("trainer.matmul_precision", precision, MATMUL_PRECISIONS))
    plugins: list[Any] = [AtomicCheckpointIO()]
    if SLURMEnvironment.detect() and not TorchElasticEnvironment.detect():
        # Its own way to requeue saves in the middle of a step; ours saves after it, and the job script starts anew.
        plugins.append(SLURMEnvironment(auto_requeue=False))
    trainer: lightning.Trainer = build_part(
        settings,
        "trainer",
        default_root_dir=str(output_dir),
        logger=logger,
        callbacks=callbacks,
        plugins=plugins,
        enable_progress_bar=bar,
    )
    return trainer


def prepare_folder(output_dir: Path) -> None:
    """Make the folder and try that it can be written.

    Raises:
        DataError: naming the folder and the reason.
    """
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        probe = output_dir / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"{output_dir}: cannot write results there ({error.strerror}); choose another folder with hydra.run.dir=DIR"
        ) from error


def is_main_process() -> bool:
    """Say whether this process is the one that writes results: the only one, or the first under torchrun."""
    return not (
        torch.distributed.is_available() and torch.distributed.is_initialized() and torch.distributed.get_rank()
    )


def _finished(path: Path, expected_hash: str, config: DictConfig) -> dict[str, Any] | None:
    """Return what a run of this configuration has left in the folder, if it has come to its end."""
    if not config.resume or not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        same = (content["format"], content["config_hash"], content["versions"]["leap-avvp"])
        wanted = content["untrained"] is not None or not config.evaluate_untrained
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if same != (METRICS_FORMAT, expected_hash, __version__) or not wanted:
        return None
    print(f"{path}: this configuration has been trained here; resume=false trains it again")
    return dict(content)


def _tidy(output_dir: Path, config: DictConfig) -> None:
    """Remove what only an unfinished run needs."""
    for name in (BEFORE_FILE, *(() if config.callbacks.keep_last else ("last.ckpt",))):
        (output_dir / "checkpoints" / name).unlink(missing_ok=True)


def _resume_point(path: Path, expected_hash: str, resume: bool) -> Path | None:
    if not resume or not path.is_file():
        return None
    content = read_checkpoint(path)
    stamp = content.get(CHECKPOINT_KEY)
    if not isinstance(stamp, Mapping) or stamp.get("config_hash") != expected_hash:
        print(f"{path} belongs to another configuration: training from the beginning")
        return None
    # Killed between the two files: the epoch that `best.ckpt` is of will be trained again, maybe to another score.
    best, before = path.with_name(BEST_FILE), path.with_name(BEFORE_FILE)
    if best.is_file() and before.is_file() and read_checkpoint(best)["epoch"] > content["epoch"]:
        before.replace(best)
    print(f"resuming from {path}")
    return path


def _scores(trainer: lightning.Trainer, module: ParsingModule, data: LLPDataModule) -> dict[str, float]:
    trainer.test(module, datamodule=data, verbose=False)
    return dict(module.scores)


def _per_video(predictions: dict[str, Any], data: LLPDataModule) -> dict[str, Any]:
    """Return the ten scores (N,) of each test video."""
    dataset = data.dataset("test")
    place = {name: row for row, name in enumerate(dataset.video_ids)}
    rows = torch.tensor([place[name] for name in predictions["video_ids"]])
    truth = [dataset.tensors[f"target_{modality}"].cpu().bool()[rows] for modality in ("audio", "visual")]
    said = [torch.from_numpy(predictions[modality]) for modality in ("audio", "visual")]
    return {name: scores.numpy() for name, scores in per_video_scores(*said, *truth).items()}


def run(config: DictConfig) -> dict[str, Any]:
    """Train and test one configuration in ``config.output_dir``; return what ``metrics.json`` holds.

    Raises:
        LeapError: whatever the user can mend.
    """
    quiet()
    output_dir = Path(str(config.output_dir))
    prepare_folder(output_dir)
    with contextlib.ExitStack() as stack:
        if getattr(rank_zero_only, "rank", 0) == 0:
            stack.enter_context(folder_lock(output_dir))
        signals = stack.enter_context(StopSignals().taken())
        return _run(config, output_dir, signals)


def _run(config: DictConfig, output_dir: Path, signals: StopSignals) -> dict[str, Any]:
    started = time.perf_counter()
    content = plain(config)
    stamp: dict[str, Any] = {"config": content, "config_hash": config_hash(config), "version": __version__}
    done = _finished(output_dir / METRICS_FILE, stamp["config_hash"], config)
    if done is not None:
        _tidy(output_dir, config)
        return done
    seed = int(config.seed)
    if seed < 0:
        raise ConfigError(f"seed: expected a whole number of at least 0, found {seed}")
    lightning.seed_everything(seed, workers=True, verbose=False)
    module = build_module(config)
    data = build_data(config)
    data.setup("fit")
    logger = build_logger(config, str(output_dir))
    highest = HighestScores()
    with finishing(logger):
        result = _fit_and_test(config, stamp, module, data, logger, output_dir, highest, signals)
        result["wall_time_s"]["total"] = time.perf_counter() - started
        predictions = module.test_predictions()
        if is_main_process():
            write_json(result, output_dir / METRICS_FILE)  # last: where it stands, everything does
            _tidy(output_dir, config)
            log_results(logger, result, predictions, data.dataset("test"), highest.values, module.global_step)
    return result


def _fit_and_test(
    config: DictConfig,
    stamp: dict[str, Any],
    module: ParsingModule,
    data: LLPDataModule,
    logger: Any,
    output_dir: Path,
    highest: HighestScores,
    signals: StopSignals,
) -> dict[str, Any]:
    checkpoints = output_dir / "checkpoints"
    callbacks = build_callbacks(config, str(checkpoints), signals)
    module.stamp = stamp
    best, last = callbacks[0], checkpoints / "last.ckpt"
    trainer = make_trainer(config, output_dir, logger, [*callbacks, highest, History(output_dir / HISTORY_FILE)])
    if config.trainer.get("compile"):
        module.compile_parts(trainer.strategy.root_device)
    start_run(logger, stamp, data.source.name)
    print(
        f"data: {data.source.name}; " + ", ".join(f"{split} {len(data.dataset(split))}" for split in ("train", "val"))
    )
    clock = time.perf_counter()
    resume_from = _resume_point(last, stamp["config_hash"], bool(config.resume))
    (output_dir / METRICS_FILE).unlink(missing_ok=True)  # of another configuration, or to be made anew
    untrained = None
    if config.evaluate_untrained:
        # The same weights at the start and after a resume: `last.ckpt` is loaded by fit, after this.
        with torch.random.fork_rng(devices=[]):
            untrained = _scores(make_trainer(config, output_dir, False, []), module, data)
    before_fit = time.perf_counter()
    trainer.fit(module, datamodule=data, ckpt_path=resume_from)
    fitted = time.perf_counter()
    best_path = Path(best.best_model_path)
    if not best_path.is_file():
        raise DataError(f"{checkpoints}: no best checkpoint after {trainer.current_epoch} epochs; was validation off?")
    best_checkpoint = read_checkpoint(best_path)
    load_weights(module.parser, parser_state(best_checkpoint), best_path)
    device = trainer.strategy.root_device
    make_trainer(config, output_dir, False, []).validate(module, datamodule=data, verbose=False)
    validation_scores = dict(module.scores)
    test_scores = _scores(trainer, module, data)
    predictions = module.test_predictions()
    if is_main_process():
        write_predictions(output_dir / "predictions_test.npz", **predictions)
        write_per_video(output_dir / PER_VIDEO_FILE, predictions["video_ids"], _per_video(predictions, data))
    tested = time.perf_counter()
    assert best.best_model_score is not None
    return {
        "format": METRICS_FORMAT,
        "data_source": data.source.name,
        "data": data.source.describe(),
        "seed": int(config.seed),
        "config_hash": stamp["config_hash"],
        "config": stamp["config"],
        "versions": versions(),
        "device": device_name(device),
        "protocol": {"name": module.protocol.name},
        "epochs": trainer.current_epoch,
        "best_epoch": int(best_checkpoint["epoch"]) + 1,
        "monitor": {"name": best.monitor, "value": float(best.best_model_score)},
        "validation": validation_scores,
        "test": test_scores,
        "untrained": untrained,
        "parameters": {
            "total": sum(p.numel() for p in module.parser.parameters()),
            "decoder": sum(p.numel() for p in module.parser.decoder.parameters()),
        },
        "wall_time_s": {"untrained": before_fit - clock, "fit": fitted - before_fit, "test": tested - fitted},
    }
