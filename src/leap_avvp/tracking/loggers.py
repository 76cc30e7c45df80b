"""Loggers of a run: W&B (offline when there is no key or no network), CSV, TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from leap_avvp.errors import ConfigError
from leap_avvp.tracking.wandb_mode import run_id, wandb_mode

__all__ = ["RunLogger", "csv_logger", "tensorboard_logger", "wandb_logger", "wandb_mode"]


_STEP = "trainer/global_step"


class RunLogger(WandbLogger):
    """Lightning's W&B logger with the training step as W&B's own step, and beside it: `wandb sync` may renumber steps.

    A resumed run repeats the steps since its last checkpoint: W&B drops those that it has, instead of counting on.
    """

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers at a training step; those of one step share a row."""
        self.experiment.log({**metrics, **({} if step is None else {_STEP: step})}, step=step)


def wandb_logger(
    save_dir: str,
    project: str = "leap-avvp",
    entity: str | None = None,
    group: str | None = None,
    name: str | None = None,
    mode: str = "auto",
    tags: list[str] | None = None,
    config_hash: str = "",
) -> Logger:
    """Return a W&B logger whose run is tied to ``save_dir``: the same folder and configuration continue the same run.

    Raises:
        ConfigError: a wrong mode, or W&B refuses to start.
    """
    chosen, line = wandb_mode(mode)
    print(line)
    folder = Path(save_dir).absolute()  # W&B's own process writes there, and has another working directory
    run = None
    if getattr(rank_zero_only, "rank", 0) == 0:
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        settings: dict[str, Any] = {"mode": chosen, "project": project, "entity": entity, "group": group}
        if chosen != "disabled":
            settings |= {"id": run_id(folder, config_hash), "resume": "allow"}
        try:
            # Not by Lightning, which passes an argument that W&B warns of at every start.
            run = wandb.init(**settings, name=name, tags=tags, dir=str(folder))
        except wandb.errors.Error as error:
            reason = (str(error).splitlines() or ["?"])[0]
            raise ConfigError(f"W&B cannot start ({reason}); logger.mode=offline keeps the run here") from error
        run.define_metric(_STEP, hidden=True)
        for split, summary in (("train", None), ("val", "max"), ("test", None), ("best", None)):
            run.define_metric(f"{split}/*", step_metric=_STEP, summary=summary)
    return RunLogger(project=project, name=name, save_dir=str(folder), experiment=run)


def csv_logger(save_dir: str, **_: Any) -> Logger:
    """Return a logger that writes ``metrics.csv`` into ``save_dir``."""
    return CSVLogger(save_dir=save_dir, name="", version="csv")


def tensorboard_logger(save_dir: str, **_: Any) -> Logger:
    """Return a TensorBoard logger; it needs the extra ``leap-avvp[tensorboard]``."""
    try:
        return TensorBoardLogger(save_dir=save_dir, name="", version="tensorboard")
    except ModuleNotFoundError as error:
        raise ConfigError("logger=tensorboard needs TensorBoard: pip install 'leap-avvp[tensorboard]'") from error
