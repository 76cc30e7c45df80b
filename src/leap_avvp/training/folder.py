"""The folder of a run: held by one writer, and never a mixture of two runs."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only

from leap_avvp import __version__
from leap_avvp.config.comparison import Difference, differences, shown
from leap_avvp.config.job import EvaluationJob, TrainingJob
from leap_avvp.config.older import renamed
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.files import folder_lock, write_whole
from leap_avvp.scoring.record import METRICS_FILE, METRICS_FORMAT
from leap_avvp.training.checkpoint import CHECKPOINT_KEY, read_checkpoint
from leap_avvp.training.saving import BEFORE_FILE, BEST_FILE, LAST_FILE
from leap_avvp.training.shares import PACE_KEY

__all__ = ["CHECKPOINTS", "Standing", "claim", "claim_evaluation", "one_writer", "prepare_folder", "tidy"]

CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints in that of the run."""
# What a run leaves. Not W&B's own files: a run that was not sent yet lies there.
_LEFT = (
    *(METRICS_FILE, "history.csv", "wandb-run.json", "predictions_*.npz", "per_video_*.npz", "evaluation_*.json"),
    "noise_ratios.npz",
    *(f"{CHECKPOINTS}/{name}" for name in (BEST_FILE, LAST_FILE, BEFORE_FILE)),
    *("csv/metrics.csv", "csv/hparams.yaml", "tensorboard/events.out.tfevents.*", "tensorboard/hparams.yaml"),
    *("figures/*.png", "figures/*.svg", "evaluations/*/evaluation_*.json", "evaluations/*/predictions_*.npz"),
)
_ELSEWHERE = "choose another folder with hydra.run.dir=DIR, or overwrite=true removes that one first"


@dataclasses.dataclass(frozen=True)
class Standing:
    """What the folder already holds of a job's own run."""

    finished: dict[str, Any] | None = None
    """What ``metrics.json`` says of a run that has come to its end."""
    checkpoint: Path | None = None
    """Where an unfinished one goes on."""
    stamp: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Of that checkpoint, or the finished run's record."""
    moved: tuple[Difference, ...] = ()
    """Places of the data that are named otherwise; :meth:`check_data` tells whether they hold the same."""

    def check_data(self, fingerprint: str, folder: Path) -> None:
        """Check that the data are those of the run so far.

        Raises:
            DataError: they are others.
        """
        known = self.stamp.get("data_fingerprint")
        if (self.moved or known is not None) and known != fingerprint and (self.finished or self.checkpoint):
            why = f" ({shown(self.moved)})" if self.moved else ""
            raise DataError(
                f"{folder}: holds a run on other data{why}: expected the same videos and labels, found others; "
                f"{_ELSEWHERE}"
            )


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


@contextlib.contextmanager
def one_writer(output_dir: Path) -> Iterator[None]:
    """Hold the folder while the block runs; of several processes of one run the first does it for all.

    Raises:
        DataError: the folder cannot be written.
        LeapError: another run writes there.
    """
    prepare_folder(output_dir)
    with contextlib.ExitStack() as stack:
        if _is_first():
            stack.enter_context(folder_lock(output_dir))
        yield


def claim(job: TrainingJob) -> Standing:
    """Say what the folder holds of this job's run, and make it this run's alone.

    Raises:
        ConfigError: a run of another configuration is there, or one that cannot go on.
    """
    standing = Standing() if job.overwrite else _look(job)
    if _is_first():
        if standing == Standing():  # what may be left is of this configuration, or given up
            _clear(job.output_dir)
        _keep(job.records, job.output_dir)
    return standing


def claim_evaluation(job: EvaluationJob, identity: Mapping[str, Any]) -> None:
    """Check that a folder holds no evaluation of anything else, and no training.

    Args:
        job: whose folder it is; ``overwrite`` removes what is there.
        identity: plain facts that every ``evaluation_<split>.json`` of the folder shares.

    Raises:
        ConfigError: naming what is there.
    """
    folder = job.output_dir
    if (folder / METRICS_FILE).exists() or (folder / CHECKPOINTS).exists():
        raise ConfigError(
            f"{folder}: holds a training, which no evaluation replaces; choose another folder with hydra.run.dir=DIR"
        )
    if job.overwrite:
        _clear(folder)
    for path in sorted(folder.glob("evaluation_*.json")):
        found = _read_json(path)
        for key, value in identity.items():
            if found is not None and found.get(key) != value:
                raise ConfigError(
                    f"{folder}: holds an evaluation of another kind: {key} is {found.get(key)!r} there and {value!r} "
                    f"here; {_ELSEWHERE}"
                )
    _keep(job.records, folder)


def tidy(job: TrainingJob) -> None:
    """Remove what only an unfinished run needs."""
    for name in (BEFORE_FILE, *(() if job.keep_last else (LAST_FILE,))):
        (job.output_dir / CHECKPOINTS / name).unlink(missing_ok=True)


def _keep(records: Mapping[str, str], folder: Path) -> None:
    for name, text in records.items():
        write_whole(folder / ".hydra" / name, text)


def _is_first() -> bool:
    return getattr(rank_zero_only, "rank", 0) == 0


def _look(job: TrainingJob) -> Standing:
    path = job.output_dir / METRICS_FILE
    last = job.output_dir / CHECKPOINTS / LAST_FILE
    record = _read_json(path)
    checkpoint = read_checkpoint(last) if last.is_file() else {}
    stamp = checkpoint.get(CHECKPOINT_KEY)
    known = record if record is not None and isinstance(record.get("config"), Mapping) else stamp
    if not isinstance(known, Mapping) or not isinstance(known.get("config"), Mapping):
        path.unlink(missing_ok=True)  # damaged
        return Standing()
    found = differences(renamed(known["config"]), job.content)
    _check_same(job, known, record is known, found)
    if not job.resume:
        return Standing()
    moved, longer = tuple(d for d in found if d.is_place), [d for d in found if d.is_longer]
    if record is known and not longer:
        untold = record["untrained"] is None and job.evaluate_untrained
        return Standing() if untold else Standing(finished=dict(record), stamp=record, moved=moved)
    if not last.is_file():
        raise ConfigError(
            f"{job.output_dir}: its run has ended ({shown(longer)}), and the state to go on from was not kept "
            f"(callbacks.keep_last=true keeps it); init_from={job.output_dir} in another folder starts from its "
            "weights, overwrite=true trains from the beginning"
        )
    assert isinstance(stamp, Mapping)
    # Killed between the two files: the epoch that `best.ckpt` is of will be trained again, maybe to another score.
    best, before = last.with_name(BEST_FILE), last.with_name(BEFORE_FILE)
    if best.is_file() and before.is_file() and read_checkpoint(best)["epoch"] > checkpoint["epoch"]:
        before.replace(best)
    return Standing(checkpoint=last, stamp=stamp, moved=moved)


def _check_same(job: TrainingJob, known: Mapping[str, Any], ended: bool, found: list[Difference]) -> None:
    """Refuse to touch another run."""
    if ended and known.get("format") != METRICS_FORMAT:
        raise ConfigError(f"{job.output_dir}: holds a run of the format {known.get('format')!r}; {_ELSEWHERE}")
    version = known.get("versions", {}).get("leap-avvp") if ended else known.get("version")
    if version != __version__:
        raise ConfigError(f"{job.output_dir}: holds a run of leap-avvp {version}, this is {__version__}; {_ELSEWHERE}")
    paced = not ended and known.get(PACE_KEY)  # what its steps are made of is compared once it trains
    others = [each for each in found if not each.is_place and not each.is_longer and not (paced and each.is_share)]
    if others:
        raise ConfigError(f"{job.output_dir}: holds a run of another configuration: {shown(others)}; {_ELSEWHERE}")


def _read_json(path: Path) -> dict[str, Any] | None:
    """Return what a JSON file holds, or None where it is missing or damaged: nothing that it says is lost."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _clear(folder: Path) -> None:
    """Remove the files of a run, and nothing that merely lies beside them."""
    for path in [path for pattern in _LEFT for path in folder.glob(pattern)]:
        path.unlink(missing_ok=True)
