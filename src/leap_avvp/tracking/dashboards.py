"""What a run tells its logger beside its curves: where its numbers come from, its best scores, classes and videos."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from numpy.typing import NDArray

from leap_avvp.card import LLP, DataCard
from leap_avvp.data.datamodule import SplitDataset
from leap_avvp.metrics.per_class import PER_CLASS_NAMES, per_class_f1
from leap_avvp.tracking.loggers import Loggers, each_logger
from leap_avvp.tracking.run_images import MOST, choose_videos, classes_of, draw_video, to_rgb

__all__ = ["HighestScores", "finishing", "log_results", "per_class_rows", "start_run"]

_IMAGES = 4
_COLUMNS = ("class", "data", "segments heard", "segments seen", *PER_CLASS_NAMES)

Picture = tuple[str, NDArray[np.uint8]]
"""Caption and (height, width, 3)."""


class HighestScores(Callback):
    """Keeps the highest value of each validation score, through resumes too."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take the epoch's scores in."""
        if trainer.sanity_checking:
            return
        for name, value in trainer.callback_metrics.items():
            if name.startswith("val/"):
                self.values[name] = max(float(value), self.values.get(name, -math.inf))

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"values": dict(self.values)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.values = dict(state_dict["values"])


@contextlib.contextmanager
def finishing(logger: Loggers) -> Iterator[None]:
    """Close the W&B run when the block ends, as failed when it raises.

    Left open, it would swallow the next job of a sweep.
    """
    failed = True
    try:
        yield
        failed = False
    finally:
        if any(isinstance(each, WandbLogger) for each in each_logger(logger)):
            import wandb

            wandb.finish(exit_code=int(failed))


def start_run(logger: Loggers, stamp: Mapping[str, Any], data_source: str) -> None:
    """Log the config with its hash and the data source; a W&B run is tagged SIMULATED, or with another card's name."""
    for each in each_logger(logger):
        each.log_hyperparams({**stamp["config"], "config_hash": stamp["config_hash"], "data_source": data_source})
        if isinstance(each, WandbLogger) and data_source != "llp":
            run = each.experiment
            run.tags = tuple(dict.fromkeys((*(run.tags or ()), _shown_source(data_source))))


def log_results(
    logger: Loggers,
    result: Mapping[str, Any],
    predictions: Mapping[str, Any],
    videos: SplitDataset,
    highest: Mapping[str, float],
    step: int,
) -> None:
    """Log what is known at the end of a run, and say so in one line when a logger fails: no run is lost for it.

    Every logger gets ``best/...`` (the validation scores of the epoch that was kept, and that epoch); W&B and
    TensorBoard the scores of each class and some parsed videos; W&B's summary the origin of the numbers, and under
    ``val/...`` the highest values of all epochs.

    Args:
        logger: of the run, or several, or False.
        result: what ``metrics.json`` holds.
        predictions: ``video_ids`` (N,), boolean ``audio`` and ``visual`` (N, T, C) of the test split.
        videos: the test split, which has the truth.
        highest: :class:`HighestScores`' values.
        step: the training step of the end.
    """
    for each in each_logger(logger):
        with _no_run_lost(each):
            _log_results(each, result, predictions, videos, highest, step)


def _log_results(
    logger: Logger,
    result: Mapping[str, Any],
    predictions: Mapping[str, Any],
    videos: SplitDataset,
    highest: Mapping[str, float],
    step: int,
) -> None:
    best = {f"best/{name}": float(value) for name, value in result["validation"].items()}
    logger.log_metrics({"best/epoch": float(result["best_epoch"]), **best}, step=step)
    if isinstance(logger, WandbLogger | TensorBoardLogger):
        source = _shown_source(str(result["data_source"]))
        truth = _truth(predictions["video_ids"], videos)
        said = (predictions["audio"], predictions["visual"])
        rows = per_class_rows(said, truth, source, videos.card)
        pictures = _pictures(predictions["video_ids"], said, truth, source, videos.card)
        if isinstance(logger, WandbLogger):
            _to_wandb(logger, result, highest, rows, pictures)
        else:
            _to_tensorboard(logger, rows, pictures, step)
    logger.finalize("success")


def _shown_source(data_source: str) -> str:
    """Return LLP and SIMULATED in capitals, the name of a card as it is."""
    return data_source.upper() if data_source in ("llp", "simulated") else data_source


@contextlib.contextmanager
def _no_run_lost(logger: Logger) -> Iterator[None]:
    """Say in one line what the logger's own library raises, whatever it is: the results are written already."""
    try:
        yield
    except Exception as error:
        reason = (str(error).splitlines() or ["?"])[0]
        print(f"{type(logger).__name__}: end of run not logged ({type(error).__name__}: {reason})", file=sys.stderr)


Grids = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""(N, T, C) of the audio, (N, T, C) of the visual modality."""


def _truth(video_ids: list[str], videos: SplitDataset) -> Grids:
    """Return the truth of the predicted videos, in their order."""
    place = {name: row for row, name in enumerate(videos.video_ids)}
    order = [place[name] for name in video_ids]
    audio, visual = (videos.tensors[name].bool().cpu().numpy()[order] for name in ("target_audio", "target_visual"))
    return audio, visual


def per_class_rows(prediction: Grids, truth: Grids, source: str, card: DataCard = LLP) -> list[list[Any]]:
    """Return a row for each class: its name, the data, its segments in both truths and its six F1 scores in percent.

    The name is that of LLP's files, or what the card shows of other classes. None stands where a class occurs neither
    in prediction nor in truth.
    """
    scores = per_class_f1(*(torch.from_numpy(grid) for grid in (*prediction, *truth)))
    columns = [[None if math.isnan(value) else value for value in scores[name].tolist()] for name in PER_CLASS_NAMES]
    heard, seen = (grid.sum(axis=(0, 1)).tolist() for grid in truth)
    return [
        [name, source, heard[place], seen[place], *(column[place] for column in columns)]
        for place, name in enumerate(card.classes if card.is_llp else card.display)
    ]


def _pictures(video_ids: list[str], prediction: Grids, truth: Grids, source: str, card: DataCard) -> list[Picture]:
    chosen = choose_videos(*truth, _IMAGES)
    parsed = [((truth[0][row], truth[1][row]), (prediction[0][row], prediction[1][row])) for row in chosen]
    rows = min(MOST, max((len(classes_of(*true, *said)) for true, said in parsed), default=1))
    titles = [f"{video_ids[row]} ({source}{'' if source == 'LLP' else ' data'})" for row in chosen]
    return [
        (title, to_rgb(draw_video(title, true, said, rows, card)))
        for title, (true, said) in zip(titles, parsed, strict=True)
    ]


def _to_wandb(
    logger: WandbLogger,
    result: Mapping[str, Any],
    highest: Mapping[str, float],
    rows: list[list[Any]],
    pictures: list[Picture],
) -> None:
    import wandb

    run = logger.experiment
    run.log(
        {
            "test/per_class": wandb.Table(columns=list(_COLUMNS), data=rows),
            "test/parsed_videos": [wandb.Image(pixels, caption=caption) for caption, pixels in pictures],
        }
    )
    facts = {"config_hash": result["config_hash"], "data_source": result["data_source"]}
    facts |= {"protocol": result["protocol"]["name"], "epochs": result["epochs"]}
    # W&B knows the epochs of this session alone: what an interrupted one reached is put in here.
    run.summary.update({**facts, **{name: {"max": value} for name, value in highest.items()}})


def _to_tensorboard(logger: TensorBoardLogger, rows: list[list[Any]], pictures: list[Picture], step: int) -> None:
    lines = [_markdown(_COLUMNS), _markdown(["---"] * len(_COLUMNS)), *map(_markdown, rows)]
    logger.experiment.add_text("test/per_class", "\n".join(lines), step)
    for place, (_, pixels) in enumerate(pictures):
        logger.experiment.add_image(f"test/parsed_videos/{place}", pixels, step, dataformats="HWC")


def _markdown(cells: Any) -> str:
    shown = (f"{cell:.1f}" if isinstance(cell, float) else "–" if cell is None else _plain(cell) for cell in cells)
    return f"| {' | '.join(shown)} |"


def _plain(cell: object) -> str:
    return str(cell).replace("|", "\\|")  # a class may be called anything
