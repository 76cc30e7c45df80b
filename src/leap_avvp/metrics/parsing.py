"""The ten scores as a torchmetrics metric."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from leap_avvp.errors import DataError
from leap_avvp.metrics.functional import SCORE_NAMES, per_video_scores

__all__ = ["ParsingMetrics"]


class ParsingMetrics(Metric):
    """Means over videos of the ten scores, in percent, and their own mean.

    ``compute()`` returns ``segment/audio, segment/visual, segment/audio_visual, segment/type_av, segment/event_av``,
    the same five under ``event/``, and ``average``.
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False

    sums: Tensor
    videos: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("sums", torch.zeros(len(SCORE_NAMES), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("videos", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        # Metric.float()/.half() and Lightning's precision plugins must not round the sums.
        self.set_dtype(torch.float64)

    def update(self, pred_audio: Tensor, pred_visual: Tensor, target_audio: Tensor, target_visual: Tensor) -> None:
        """Add videos: four boolean grids (B, T, C).

        Raises:
            DataError: an argument that is not boolean or has another shape.
        """
        scores = per_video_scores(pred_audio, pred_visual, target_audio, target_visual)
        stacked = torch.stack([scores[name] for name in SCORE_NAMES])
        self.sums += stacked.sum(dim=1).to(self.sums.dtype)
        self.videos += stacked.shape[1]

    def compute(self) -> dict[str, Tensor]:
        """Return the means in percent.

        Raises:
            DataError: before the first video.
        """
        if int(self.videos) == 0:
            raise DataError("ParsingMetrics: no video yet, call update first")
        means = 100 * self.sums / self.videos
        return {**dict(zip(SCORE_NAMES, means.unbind(), strict=True)), "average": means.mean()}
