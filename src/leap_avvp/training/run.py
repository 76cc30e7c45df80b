"""The story of one run: prepare, fit, take the best epoch, test it once, write ``metrics.json``."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import lightning
import torch

from leap_avvp import __version__
from leap_avvp.config.job import TrainingJob
from leap_avvp.data.datamodule import LLPDataModule
from leap_avvp.errors import DataError
from leap_avvp.files import write_json
from leap_avvp.files.interrupts import StopSignals
from leap_avvp.scoring.record import METRICS_FILE, METRICS_FORMAT
from leap_avvp.tracking.dashboards import HighestScores, finishing, log_results, start_run
from leap_avvp.tracking.loggers import Loggers
from leap_avvp.training.checkpoint import load_weights, parser_state, read_checkpoint
from leap_avvp.training.checks import check_job
from leap_avvp.training.folder import CHECKPOINTS, Standing, claim, one_writer, tidy
from leap_avvp.training.history import HISTORY_FILE, History
from leap_avvp.training.initial import load_initial
from leap_avvp.training.limits import ScoredEnd
from leap_avvp.training.module import ParsingModule, build_module
from leap_avvp.training.plateau import PlateauRate
from leap_avvp.training.progress import progress
from leap_avvp.training.saving import BestCheckpoint, LastCheckpoint
from leap_avvp.training.trainer import device_name, is_main_process, lightnings_refusals, make_trainer, quiet, versions
from leap_avvp.training.writers import PerVideoWriter, PredictionsWriter, lift_of

__all__ = ["run"]


@dataclasses.dataclass
class _Run:
    """What is built for a job, and what it has come to so far."""

    job: TrainingJob
    module: ParsingModule
    data: LLPDataModule
    logger: Loggers
    trainer: lightning.Trainer
    best: BestCheckpoint
    highest: HighestScores
    written: PredictionsWriter
    clock: float
    wall_time: dict[str, float]

    def lap(self, name: str) -> None:
        """Note the seconds since the last lap."""
        now = time.perf_counter()
        self.wall_time[name], self.clock = now - self.clock, now


def run(job: TrainingJob) -> dict[str, Any]:
    """Train and test one configuration in the job's folder; return what ``metrics.json`` holds.

    Raises:
        LeapError: whatever the user can mend.
    """
    quiet()
    check_job(job)
    with one_writer(job.output_dir), StopSignals().taken() as signals, lightnings_refusals():
        standing = claim(job)
        if standing.finished is not None:
            return _done_before(job, standing, standing.finished)
        return _train_and_test(job, signals, standing)


def _done_before(job: TrainingJob, standing: Standing, result: dict[str, Any]) -> dict[str, Any]:
    if standing.moved:
        standing.check_data(job.parts.data().fingerprint(), job.output_dir)
    print(f"{job.output_dir / METRICS_FILE}: this configuration has been trained here; resume=false trains it again")
    tidy(job)
    return result


def _train_and_test(job: TrainingJob, signals: StopSignals, standing: Standing) -> dict[str, Any]:
    started = time.perf_counter()
    module, data = _prepare(job, standing)
    logger = job.parts.logger(str(job.output_dir), job.config_hash)
    with finishing(logger):
        run = _assemble(job, signals, module, data, logger)
        untrained = _start(run)
        run.trainer.fit(run.module, datamodule=run.data, ckpt_path=_going_on(run, standing))
        run.lap("fit")
        best_epoch = _take_best(run)
        scores = {"validation": _validate(run), "test": _test(run), "untrained": untrained}
        run.lap("test")
        run.wall_time["total"] = time.perf_counter() - started
        result = _record(run, best_epoch, scores)
        _write(run, result)
    return result


def _prepare(job: TrainingJob, standing: Standing) -> tuple[ParsingModule, LLPDataModule]:
    """Build the parts that are trained and trained on, in the order in which they draw random numbers."""
    lightning.seed_everything(job.seed, workers=True, verbose=False)
    torch.set_float32_matmul_precision(job.matmul_precision)
    module = build_module(job.parts, job.seed)
    if job.init_from is not None and standing.checkpoint is None:
        load_initial(module.parser, job.init_from, job.init_parts)
    data = job.parts.data()
    data.setup("fit")
    fingerprint = data.fingerprint()
    standing.check_data(fingerprint, job.output_dir)
    module.stamp = {"config": dict(job.content), "config_hash": job.config_hash, "version": __version__}
    module.stamp |= {"data_fingerprint": fingerprint, "directory": str(Path.cwd()), "data_source": data.source.name}
    return module, data


def _assemble(
    job: TrainingJob, signals: StopSignals, module: ParsingModule, data: LLPDataModule, logger: Loggers
) -> _Run:
    """Put the trainer together: what is kept and written, each by a callback of its own."""
    folder, checkpoints = job.output_dir, str(job.output_dir / CHECKPOINTS)
    best, highest = BestCheckpoint(checkpoints, job.monitor, job.mode), HighestScores()
    written, plateau = PredictionsWriter(folder, "test"), job.parts.plateau()
    callbacks = [
        best,
        LastCheckpoint(checkpoints, job.checkpoint_every_n_steps, signals),
        *progress(job.progress),
        *job.parts.callbacks(),
        *([] if plateau is None else [PlateauRate(plateau, job.monitor)]),
        ScoredEnd(),
        highest,
        History(folder / HISTORY_FILE),
        written,
        PerVideoWriter(folder, written, data),
    ]
    trainer = make_trainer(job.parts, folder, logger, callbacks)
    if job.compile:
        module.compile_parts(trainer.strategy.root_device)
    return _Run(job, module, data, logger, trainer, best, highest, written, time.perf_counter(), {})


def _start(run: _Run) -> dict[str, float] | None:
    """Say what is trained on, and score the network before its first step where that is asked for."""
    source, data = run.data.source.name, run.data
    assert run.module.stamp is not None
    start_run(run.logger, run.module.stamp, source)
    print(f"data: {source}; " + ", ".join(f"{split} {len(data.dataset(split))}" for split in ("train", "val")))
    untrained = None
    if run.job.evaluate_untrained:
        # The same weights at the start and after a resume: `last.ckpt` is loaded by fit, after this.
        with torch.random.fork_rng(devices=[]):
            trainer = make_trainer(run.job.parts, run.job.output_dir)
            trainer.test(run.module, datamodule=data, verbose=False)
            untrained = dict(run.module.scores)
    run.lap("untrained")
    return untrained


def _going_on(run: _Run, standing: Standing) -> Path | None:
    """Return where to go on from; what the folder says of a run that ended before is no longer true."""
    (run.job.output_dir / METRICS_FILE).unlink(missing_ok=True)
    if standing.checkpoint is not None:
        print(f"resuming from {standing.checkpoint}")
    return standing.checkpoint


def _take_best(run: _Run) -> int:
    """Load the weights of the best epoch; return its number, from 1."""
    path = Path(run.best.best_model_path)
    if not path.is_file():
        folder, epochs = run.best.dirpath, run.trainer.current_epoch
        raise DataError(f"{folder}: no best checkpoint after {epochs} epochs; was validation off?")
    checkpoint = read_checkpoint(path)
    load_weights(run.module.parser, parser_state(checkpoint), path)
    return int(checkpoint["epoch"]) + 1


def _validate(run: _Run) -> dict[str, float]:
    trainer = make_trainer(run.job.parts, run.job.output_dir)
    trainer.validate(run.module, datamodule=run.data, verbose=False)
    return dict(run.module.scores)


def _test(run: _Run) -> dict[str, float]:
    run.trainer.test(run.module, datamodule=run.data, verbose=False)
    return dict(run.module.scores)


def _record(run: _Run, best_epoch: int, scores: dict[str, dict[str, float] | None]) -> dict[str, Any]:
    """Return what ``metrics.json`` holds."""
    parser, best = run.module.parser, run.best
    assert best.best_model_score is not None
    assert run.module.stamp is not None
    return {
        "format": METRICS_FORMAT,
        "data_source": run.data.source.name,
        "data": run.data.source.describe(),
        "seed": run.job.seed,
        "config_hash": run.job.config_hash,
        "config": dict(run.job.content),
        "data_fingerprint": run.module.stamp["data_fingerprint"],
        "versions": versions(),
        "device": device_name(run.trainer.strategy.root_device),
        "protocol": {"name": run.module.protocol.name},
        "epochs": run.trainer.current_epoch,
        "best_epoch": best_epoch,
        "monitor": {"name": best.monitor, "value": float(best.best_model_score)},
        **scores,
        **lift_of(run.module, run.data),
        "parameters": {
            "total": sum(parameter.numel() for parameter in parser.parameters()),
            "decoder": sum(parameter.numel() for parameter in parser.decoder.parameters()),
        },
        "wall_time_s": run.wall_time,
    }


def _write(run: _Run, result: dict[str, Any]) -> None:
    if not is_main_process():
        return
    write_json(result, run.job.output_dir / METRICS_FILE)  # last: where it stands, everything does
    tidy(run.job)
    videos = run.data.dataset("test")
    log_results(run.logger, result, run.written.predictions, videos, run.highest.values, run.module.global_step)
