"""The folder of a run: tried before anything starts, and what an earlier call has left in it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only

from leap_avvp import __version__
from leap_avvp.config.job import TrainingJob
from leap_avvp.errors import DataError
from leap_avvp.files import folder_lock
from leap_avvp.scoring.record import METRICS_FILE, METRICS_FORMAT
from leap_avvp.training.checkpoint import CHECKPOINT_KEY, read_checkpoint
from leap_avvp.training.saving import BEFORE_FILE, BEST_FILE, LAST_FILE

__all__ = ["CHECKPOINTS", "finished", "one_writer", "prepare_folder", "resume_point", "tidy"]

CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints in that of the run."""


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
        if getattr(rank_zero_only, "rank", 0) == 0:
            stack.enter_context(folder_lock(output_dir))
        yield


def finished(job: TrainingJob) -> dict[str, Any] | None:
    """Return what a run of this configuration has left in the folder, if it has come to its end."""
    path = job.output_dir / METRICS_FILE
    if not job.resume or not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        same = (content["format"], content["config_hash"], content["versions"]["leap-avvp"])
        wanted = content["untrained"] is not None or not job.evaluate_untrained
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if same != (METRICS_FORMAT, job.config_hash, __version__) or not wanted:
        return None
    print(f"{path}: this configuration has been trained here; resume=false trains it again")
    tidy(job)
    return dict(content)


def resume_point(job: TrainingJob) -> Path | None:
    """Return the checkpoint of this configuration to go on from, or None."""
    path = job.output_dir / CHECKPOINTS / LAST_FILE
    if not job.resume or not path.is_file():
        return None
    content = read_checkpoint(path)
    stamp = content.get(CHECKPOINT_KEY)
    if not isinstance(stamp, Mapping) or stamp.get("config_hash") != job.config_hash:
        print(f"{path} belongs to another configuration: training from the beginning")
        return None
    # Killed between the two files: the epoch that `best.ckpt` is of will be trained again, maybe to another score.
    best, before = path.with_name(BEST_FILE), path.with_name(BEFORE_FILE)
    if best.is_file() and before.is_file() and read_checkpoint(best)["epoch"] > content["epoch"]:
        before.replace(best)
    print(f"resuming from {path}")
    return path


def tidy(job: TrainingJob) -> None:
    """Remove what only an unfinished run needs."""
    for name in (BEFORE_FILE, *(() if job.keep_last else (LAST_FILE,))):
        (job.output_dir / CHECKPOINTS / name).unlink(missing_ok=True)
