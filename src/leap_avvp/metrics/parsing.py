"""The ten scores as a torchmetrics metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torchmetrics import Metric

from leap_avvp.errors import DataError
from leap_avvp.metrics.functional import SCORE_NAMES, float_dtype, per_video_scores

__all__ = ["ParsingMetrics"]


class ParsingMetrics(Metric):
    """Means over videos of the ten scores, in percent, and their own mean.

    ``compute()`` returns ``segment/audio, segment/visual, segment/audio_visual, segment/type_av, segment/event_av``,
    the same five under ``event/``, and ``average``: scalars in percent, float64 (float32 on a device without it).
    The states are sums over videos and their number, so batches of any size and any number of processes give what one
    batch gives, up to the rounding of float64.
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

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = "") -> Module:
        """Move the states as ``fn`` does, but keep their width.

        ``module.to(torch.bfloat16)``, as Lightning's ``bf16-true`` calls it, would round the sums, and a move to a
        device without float64 would fail.
        """

        def move(tensor: Tensor) -> Tensor:
            if not tensor.is_floating_point():
                return fn(tensor)
            device = fn(torch.zeros((), dtype=torch.int64, device=tensor.device)).device  # casts leave integers alone
            return tensor.to(device, float_dtype(device))

        return super()._apply(move, exclude_state)

    def update(self, pred_audio: Tensor, pred_visual: Tensor, target_audio: Tensor, target_visual: Tensor) -> None:
        """Add videos: four boolean grids (B, T, C).

        Raises:
            DataError: an argument is not as :class:`~leap_avvp.metrics.grids.Grids` describes it.
        """
        scores = per_video_scores(pred_audio, pred_visual, target_audio, target_visual)
        stacked = torch.stack([scores[name] for name in SCORE_NAMES])
        # Not in place: a state that was reset under inference_mode could not be changed outside of it.
        self.sums = self.sums + stacked.sum(dim=1).to(self.sums)
        self.videos = self.videos + stacked.shape[1]

    def compute(self) -> dict[str, Tensor]:
        """Return the means in percent, over the videos of all processes.

        torchmetrics warns when this process had no update; that is harmless while another process had one.

        Raises:
            DataError: no process had a video.
        """
        if int(self.videos) == 0:
            raise DataError("ParsingMetrics: no video yet, call update first")
        means = 100 * self.sums / self.videos
        return {**dict(zip(SCORE_NAMES, means.unbind(), strict=True)), "average": means.mean()}
