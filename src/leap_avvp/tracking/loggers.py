"""Loggers of a run: W&B (offline when there is no key or no network), CSV, TensorBoard, or several of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from leap_avvp.errors import ConfigError
from leap_avvp.tracking.csv_log import RunCSVLogger
from leap_avvp.tracking.wandb_mode import agent_run, destination, files_folder, run_id, wandb_mode

__all__ = [
    "Loggers",
    "RunLogger",
    "csv_logger",
    "each_logger",
    "run_loggers",
    "tensorboard_logger",
    "wandb_logger",
    "wandb_mode",
]

Loggers = Logger | list[Logger] | bool
"""What Lightning's trainer takes: one, several, or False for none."""
_STEP = "trainer/global_step"


class RunLogger(WandbLogger):
    """Lightning's W&B logger with the training step as W&B's own step, and beside it: `wandb sync` may renumber steps.

    A resumed run repeats the steps since its last checkpoint: W&B drops those that it has, instead of counting on.
    """

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers at a training step; those of one step share a row."""
        self.experiment.log({**metrics, **({} if step is None else {_STEP: step})}, step=step)


def run_loggers(
    save_dir: str,
    config_hash: str = "",
    *,
    csv: bool = False,
    tensorboard: bool = False,
    wandb: bool = False,
    also: Mapping[str, Logger] | None = None,
    project: str | None = None,
    entity: str | None = None,
    group: str | None = None,
    name: str | None = None,
    mode: str = "auto",
    tags: list[str] | None = None,
) -> Loggers:
    """Return the loggers that are switched on: one as it is, several as a list, False for none.

    Args:
        save_dir: the run's folder.
        config_hash: of the run.
        csv: see :func:`csv_logger`.
        tensorboard: see :func:`tensorboard_logger`.
        wandb: see :func:`wandb_logger`.
        also: loggers of one's own, by any name.
        project: for W&B, as what follows.
        entity: user or team.
        group: of runs.
        name: of the run.
        mode: see :func:`~leap_avvp.tracking.wandb_mode.wandb_mode`.
        tags: of the run.

    Raises:
        ConfigError: TensorBoard is not there, a wrong mode, or W&B refuses to start.
    """
    chosen: list[Logger] = [*(also or {}).values()]
    chosen += [csv_logger(save_dir)] if csv else []
    chosen += [tensorboard_logger(save_dir)] if tensorboard else []
    # Last: what was asked for wrongly is known before a run begins on W&B.
    chosen += [wandb_logger(save_dir, project, entity, group, name, mode, tags, config_hash)] if wandb else []
    return chosen if len(chosen) > 1 else chosen[0] if chosen else False


def each_logger(logger: Loggers) -> list[Logger]:
    """Return a run's loggers as a list, be it one, several or none."""
    several = logger if isinstance(logger, list) else [logger]
    return [each for each in several if isinstance(each, Logger)]


def wandb_logger(
    save_dir: str,
    project: str | None = None,
    entity: str | None = None,
    group: str | None = None,
    name: str | None = None,
    mode: str = "auto",
    tags: list[str] | None = None,
    config_hash: str = "",
) -> Logger:
    """Return a W&B logger whose run is tied to ``save_dir``: the same folder and configuration continue the same run.

    What is None is left to W&B's own variables and settings files; a run that an agent of a W&B sweep has started is
    the agent's, wherever it writes.

    Raises:
        ConfigError: a wrong mode, or W&B refuses to start.
    """
    chosen, line = wandb_mode(mode)
    folder = files_folder(Path(save_dir))  # absolute: W&B's own process writes there, and has another working directory
    agents = agent_run()
    print(line.replace("FOLDER", str(folder)) + (f"; the sweep agent's run {agents}" if agents else ""))
    project, entity = destination(project, entity)
    run = None
    if getattr(rank_zero_only, "rank", 0) == 0:
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        settings: dict[str, Any] = {"mode": chosen, "group": group, "name": name, "tags": tags, "dir": str(folder)}
        if agents is None:  # of an agent's run, W&B has these already
            settings |= {"project": project, "entity": entity}
        if chosen != "disabled":
            settings["resume"] = "allow"
            settings |= {"id": run_id(Path(save_dir), config_hash)} if agents is None else {}
        try:
            # Not by Lightning, which passes an argument that W&B warns of at every start.
            run = wandb.init(**settings)
        except (wandb.errors.Error, ValueError) as error:  # its settings are checked by pydantic
            reason = " ".join(str(error).splitlines()[: 3 if isinstance(error, ValueError) else 1]) or "?"
            raise ConfigError(f"W&B cannot start ({reason}); logger.mode=offline keeps the run here") from error
        run.define_metric(_STEP, hidden=True)
        for split, summary in (("train", None), ("val", "max"), ("test", None), ("best", None)):
            run.define_metric(f"{split}/*", step_metric=_STEP, summary=summary)
    return RunLogger(project=project, name=name, save_dir=str(Path(save_dir).absolute()), experiment=run)


def csv_logger(save_dir: str, **_: Any) -> Logger:
    """Return a logger that writes ``csv/metrics.csv`` into ``save_dir``, where a resumed run goes on with it."""
    return RunCSVLogger(save_dir=save_dir, name="", version="csv")


def tensorboard_logger(save_dir: str, **_: Any) -> Logger:
    """Return a TensorBoard logger; it needs the extra ``leap-avvp[tensorboard]``."""
    try:
        return TensorBoardLogger(save_dir=save_dir, name="", version="tensorboard")
    except ModuleNotFoundError as error:
        raise ConfigError("logger=tensorboard needs TensorBoard: pip install 'leap-avvp[tensorboard]'") from error
