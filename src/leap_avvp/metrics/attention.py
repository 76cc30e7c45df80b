"""How far a decoder looks where a class is: attention over time, held against the dense truth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from leap_avvp.errors import DataError
from leap_avvp.metrics.functional import float_dtype
from leap_avvp.metrics.sums import WideMetric

__all__ = ["MODALITIES", "AttentionLift", "attention_lift", "lift_report"]

MODALITIES = ("audio", "visual")


def attention_lift(attention: Tensor, target: Tensor) -> Tensor:
    """Return (B, C) how much more a class looks at its true segments than one that looks at all of them alike.

    The attention (which sums to 1 over the segments), averaged over heads, that lies inside the true segments, divided
    by their share of all segments: 1 where it is evenly spread, T divided by the number of true segments where all of
    it lies inside. NaN where the class has no true segment.

    Args:
        attention: (B, H, C, T), as :class:`~leap_avvp.types.ParserOutput` describes it.
        target: (B, T, C) boolean truth of the same modality.

    Raises:
        DataError: of other shapes.
    """
    batch, segments, classes = target.shape
    if attention.dim() != 4 or (attention.shape[0], *attention.shape[2:]) != (batch, classes, segments):
        raise DataError(
            f"attention: expected (videos, heads, classes, segments) = {(batch, 'H', classes, segments)}, "
            f"found shape {tuple(attention.shape)}"
        )
    wide = float_dtype(attention.device)
    inside = target.transpose(1, 2)  # (B, C, T)
    share = inside.sum(dim=2).to(wide) / segments
    found = torch.where(inside, attention.to(wide).mean(dim=1), 0).sum(dim=2)
    return torch.where(share > 0, found / share, torch.nan)


class AttentionLift(WideMetric):
    """Means over videos of :func:`attention_lift`, by class, in each modality.

    ``compute()`` returns ``audio`` and ``visual``, means over the classes that occur, and ``audio_by_class`` and
    ``visual_by_class``, (C,): NaN for a class that never has a true segment in the modality, and of a modality without
    a map. The states are sums, so batches of any size and any number of processes give what one batch gives.

    Args:
        num_classes: C.
        kwargs: torchmetrics' own.
    """

    sums: Tensor
    videos: Tensor

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        shape = (len(MODALITIES), num_classes)
        self.add_state("sums", torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("videos", torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, out: Mapping[str, Tensor], target_audio: Tensor, target_visual: Tensor) -> None:
        """Add videos.

        Args:
            out: such as a :class:`~leap_avvp.types.ParserOutput`: ``audio_attention`` and ``visual_attention``
                (B, H, C, T), as far as they are there.
            target_audio: (B, T, C) boolean truth.
            target_visual: (B, T, C) boolean truth.

        Raises:
            DataError: a map of another shape.
        """
        sums, videos = [], []
        for modality, target in zip(MODALITIES, (target_audio, target_visual), strict=True):
            if f"{modality}_attention" in out:
                lift = attention_lift(out[f"{modality}_attention"], target)
            else:
                lift = torch.full((1, self.num_classes), torch.nan, device=self.sums.device)
            sums.append(lift.nansum(dim=0))
            videos.append((~lift.isnan()).sum(dim=0))
        # Not in place: a state that was reset under inference_mode could not be changed outside of it.
        self.sums = self.sums + torch.stack([each.to(self.sums) for each in sums])
        self.videos = self.videos + torch.stack(videos)

    def compute(self) -> dict[str, Tensor]:
        """Return the means over the videos of all processes."""
        by_class = self.sums / self.videos  # 0 / 0 is NaN
        scores = {name: row.nanmean() for name, row in zip(MODALITIES, by_class, strict=True)}
        return {**scores, **{f"{name}_by_class": row for name, row in zip(MODALITIES, by_class, strict=True)}}


def lift_report(values: Mapping[str, Tensor], classes: Sequence[str]) -> dict[str, Any]:
    """Return what :class:`AttentionLift` computes as plain content: None where nothing was measured.

    ``audio`` and ``visual``, and ``by_class`` both by the class's name. Of a single class torchmetrics makes a scalar.
    """
    rows = {name: values[f"{name}_by_class"].flatten().tolist() for name in MODALITIES}
    return {
        **{name: _plain(float(values[name])) for name in MODALITIES},
        "by_class": {
            label: {name: _plain(rows[name][place]) for name in MODALITIES} for place, label in enumerate(classes)
        },
    }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
