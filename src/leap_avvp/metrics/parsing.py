"""The ten scores, and those of what is only heard or only seen, as a torchmetrics metric."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from leap_avvp.errors import DataError
from leap_avvp.metrics.exclusive import EXCLUSIVE_NAMES, exclusive_scores
from leap_avvp.metrics.functional import SCORE_NAMES, float_dtype, per_video_scores
from leap_avvp.metrics.sums import DIGITS, WideMetric, exact_digits, exact_totals

__all__ = ["ParsingMetrics"]


class ParsingMetrics(WideMetric):
    """Means over videos of the ten scores, in percent, and their own mean.

    ``compute()`` returns ``segment/audio, segment/visual, segment/audio_visual, segment/type_av, segment/event_av``,
    the same five under ``event/``, ``average``, which is the mean of these ten, and, beside them,
    ``segment/audible_only``, ``segment/visible_only`` and the same two under ``event/``: scalars in percent, float64
    (float32 on a device without it).
    The states are exact sums over videos and their number: batches of any size, in any order, and any number of
    processes give to the bit what one batch gives.

    Args:
        exclusive: also score what is only heard and only seen, see
            :func:`~leap_avvp.metrics.exclusive.exclusive_scores`; the ten and their mean are the same without.
        kwargs: torchmetrics' own.
    """

    sums: Tensor
    videos: Tensor

    def __init__(self, exclusive: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = (*SCORE_NAMES, *(EXCLUSIVE_NAMES if exclusive else ()))
        self.add_state("sums", torch.zeros(len(self.names), DIGITS, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("videos", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, pred_audio: Tensor, pred_visual: Tensor, target_audio: Tensor, target_visual: Tensor) -> None:
        """Add videos: four boolean grids (B, T, C).

        Raises:
            DataError: an argument is not as :class:`~leap_avvp.metrics.grids.Grids` describes it.
        """
        grids = (pred_audio, pred_visual, target_audio, target_visual)
        scores = per_video_scores(*grids)
        if len(self.names) > len(SCORE_NAMES):
            scores |= exclusive_scores(*grids)
        stacked = torch.stack([scores[name] for name in self.names])
        # Not in place: a state that was reset under inference_mode could not be changed outside of it.
        self.sums = self.sums + exact_digits(stacked).sum(dim=1)
        self.videos = self.videos + stacked.shape[1]

    def compute(self) -> dict[str, Tensor]:
        """Return the means in percent, over the videos of all processes.

        torchmetrics warns when this process had no update; that is harmless while another process had one.

        Raises:
            DataError: no process had a video.
        """
        videos = int(self.videos)
        if videos == 0:
            raise DataError("ParsingMetrics: no video yet, call update first")
        means = torch.tensor(
            [float(100 * total / videos) for total in exact_totals(self.sums)],
            dtype=float_dtype(self.sums.device),
            device=self.sums.device,
        )
        scores = dict(zip(self.names, means.unbind(), strict=True))
        ten = {name: scores.pop(name) for name in SCORE_NAMES}
        return {**ten, "average": means[: len(ten)].mean(), **scores}
