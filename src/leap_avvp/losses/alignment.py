"""LEAP's alignment of audio and visual segments by the events they have in common (Section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from leap_avvp.errors import check_choice

__all__ = ["NORMALISERS", "alignment_loss", "event_overlap"]

NORMALISERS = ("max_events", "union")
_TARGET_EPS = 0.01


def event_overlap(segment_audio: Tensor, segment_visual: Tensor, normaliser: str = "max_events") -> Tensor:
    """Return R (B, T, T): how much audio segment i and visual segment j of a video have in common.

    ``R_ij = |events_audio(i) and events_visual(j)| / n`` over labels (B, T, C); 0 where there are no events. It is at
    most 1. Soft labels count as probabilities of independent events: products are in common, sums are events.

    Args:
        segment_audio: (B, T, C) labels, 0 or 1, or soft ones between.
        segment_visual: (B, T, C) labels, likewise.
        normaliser: n. ``max_events`` (released program): the largest number of events in any segment of either
            modality of the video. ``union`` (the paper's EIoU): the events of segment i or of segment j.
    """
    check_choice("loss.normaliser", normaliser, NORMALISERS)
    if not segment_audio.is_floating_point():
        segment_audio, segment_visual = segment_audio.float(), segment_visual.float()
    common = segment_audio @ segment_visual.transpose(1, 2)  # (B, T, T)
    audio_events, visual_events = segment_audio.sum(dim=-1), segment_visual.sum(dim=-1)  # (B, T)
    if normaliser == "union":
        count = audio_events[:, :, None] + visual_events[:, None, :] - common
    else:
        count = torch.maximum(audio_events, visual_events).amax(dim=1)[:, None, None].expand_as(common)
    return torch.where(count > 0, common / count.clamp(min=1e-12), torch.zeros_like(common))


def alignment_loss(
    audio_feature: Tensor,
    visual_feature: Tensor,
    segment_audio: Tensor,
    segment_visual: Tensor,
    normaliser: str = "max_events",
) -> Tensor:
    """Return L_avss, the mean squared error between features' similarity and events' overlap, over B x T x T.

    Prediction ``relu(cos(a_i, v_j))`` of the encoder's outputs (B, T, D); target ``R / (1 + R) + 0.01``.
    """
    overlap = event_overlap(segment_audio, segment_visual, normaliser)
    target = overlap / (1 + overlap) + _TARGET_EPS
    audio = functional.normalize(audio_feature, dim=-1)
    visual = functional.normalize(visual_feature, dim=-1)
    similarity = (audio @ visual.transpose(1, 2)).relu()
    return functional.mse_loss(similarity, target.to(similarity.dtype))
