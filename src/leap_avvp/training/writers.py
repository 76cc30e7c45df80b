"""What a test leaves beside its scores: a file of predictions, and the scores of each video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from leap_avvp.data.datamodule import LLPDataModule, SplitDataset
from leap_avvp.metrics import exclusive_scores, per_video_scores
from leap_avvp.metrics.attention import lift_report
from leap_avvp.scoring.per_video import PER_VIDEO_FILE, write_per_video
from leap_avvp.scoring.predictions import write_predictions
from leap_avvp.training.module import ParsingModule

__all__ = ["PerVideoWriter", "PredictionsWriter", "lift_of", "truth_of"]


def lift_of(module: ParsingModule, data: LLPDataModule) -> dict[str, Any]:
    """Return ``attention_lift`` of the last test as the JSON files hold it; nothing where there are no maps."""
    if module.attention_lift is None:
        return {}
    card = data.source.card
    return {"attention_lift": lift_report(module.attention_lift, card.classes)}


class PredictionsWriter(Callback):
    """Writes ``predictions_<split>.npz`` after a test, once for all processes.

    Args:
        folder: where.
        split: that is tested.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.path = folder / f"predictions_{split}.npz"
        self.predictions: dict[str, Any] = {}
        """As :meth:`ParsingModule.test_predictions` returns them, of the last test."""

    def on_test_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Gather and write."""
        assert isinstance(pl_module, ParsingModule)
        self.predictions = pl_module.test_predictions()
        if trainer.is_global_zero:
            write_predictions(self.path, **self.predictions)


class PerVideoWriter(Callback):
    """Writes the scores of each test video, from what :class:`PredictionsWriter`, which stands before it, has gathered.

    Args:
        folder: where.
        written: has the predictions.
        data: has the truth.
    """

    def __init__(self, folder: Path, written: PredictionsWriter, data: LLPDataModule) -> None:
        self.path, self._written, self._data = folder / PER_VIDEO_FILE, written, data

    def on_test_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Compare and write."""
        if trainer.is_global_zero:
            predictions = self._written.predictions
            write_per_video(self.path, predictions["video_ids"], _scores(predictions, self._data.dataset("test")))


def truth_of(videos: SplitDataset, video_ids: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return what is heard and what is seen in some videos of a split, (N, T, C) boolean each, on the CPU."""
    place = {name: row for row, name in enumerate(videos.video_ids)}
    rows = torch.tensor([place[name] for name in video_ids])
    heard, seen = (videos.tensors[f"target_{modality}"].cpu().bool()[rows] for modality in ("audio", "visual"))
    return heard, seen


def _scores(predictions: dict[str, Any], videos: SplitDataset) -> dict[str, NDArray[np.float64]]:
    """Return the scores (N,) of each test video: the ten, and those of what is only heard or seen."""
    truth = truth_of(videos, predictions["video_ids"])
    heard, seen = (torch.from_numpy(predictions[modality]) for modality in ("audio", "visual"))
    scores = per_video_scores(heard, seen, *truth) | exclusive_scores(heard, seen, *truth)
    return {name: values.numpy() for name, values in scores.items()}
