"""The training loss of LEAP (Zhou et al., ECCV 2024, Section 3.3): video-level, segment-level and alignment terms."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from leap_avvp.errors import ConfigError, check_choice

__all__ = ["NORMALISERS", "ParsingLoss", "alignment_loss", "binary_cross_entropy", "event_overlap"]

NORMALISERS = ("max_events", "union")
_PROBABILITY_EPS = 1e-7
_TARGET_EPS = 0.01


def binary_cross_entropy(probability: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross entropy of ``probability``, clamped to [1e-7, 1 - 1e-7], and ``target``, same shape.

    Computed in float32 at least: half-precision probabilities cannot hold the clamp. It is NaN where any probability is
    NaN or infinite.
    """
    probability = probability.to(torch.promote_types(probability.dtype, torch.float32))
    # torch's kernel ends at a NaN, on a GPU with the whole process: it sees 0.5 there, and the sum tells of it.
    clamped = probability.clamp(_PROBABILITY_EPS, 1 - _PROBABILITY_EPS).nan_to_num(nan=0.5)
    cross_entropy = functional.binary_cross_entropy(clamped, target.to(clamped.dtype))
    return cross_entropy + (0 * probability.detach()).sum()


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


class ParsingLoss:
    """The weighted sum of the six terms. It holds no state.

    ``total = video_audio + video_visual + video_union + segment_weight (segment_audio + segment_visual)
    + avss_weight avss``. With LEAP's hard union, ``video_union`` has no gradient: it is logged, and kept in the total,
    because the released program does so.

    Args:
        segment_weight: weight of the segment-level terms (1 in the paper; 0 leaves video-level supervision alone).
        avss_weight: lambda, the weight of the alignment term.
        normaliser: see :func:`event_overlap`.
    """

    def __init__(self, segment_weight: float = 1.0, avss_weight: float = 1.0, normaliser: str = "max_events") -> None:
        for name, value in (("loss.segment_weight", segment_weight), ("loss.avss_weight", avss_weight)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise ConfigError(f"{name}: expected a finite number of at least 0, found {value!r}")
        self.segment_weight = float(segment_weight)
        self.avss_weight = float(avss_weight)
        self.normaliser = check_choice("loss.normaliser", normaliser, NORMALISERS)

    def __call__(self, out: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the six unweighted terms and the weighted ``total``, all scalars.

        Args:
            out: a :class:`~leap_avvp.types.ParserOutput`, or a mapping with its fields.
            batch: ``video_label`` (B, C), ``segment_audio`` and ``segment_visual`` (B, T, C), 0 or 1 or soft ones
                between, and, where they are not the maximum over the segments, which is "any segment" of 0 and 1, the
                video-level targets ``video_audio`` and ``video_visual`` (B, C).
        """
        segment_audio, segment_visual = batch["segment_audio"], batch["segment_visual"]
        terms = {
            "video_audio": binary_cross_entropy(out["audio_prob"], _video_target(batch, "audio")),
            "video_visual": binary_cross_entropy(out["visual_prob"], _video_target(batch, "visual")),
            "video_union": binary_cross_entropy(out["video_prob"], batch["video_label"]),
            "segment_audio": binary_cross_entropy(out["segment_audio_prob"], segment_audio),
            "segment_visual": binary_cross_entropy(out["segment_visual_prob"], segment_visual),
            "avss": alignment_loss(
                out["audio_feature"], out["visual_feature"], segment_audio, segment_visual, self.normaliser
            ),
        }
        terms["total"] = (
            terms["video_audio"]
            + terms["video_visual"]
            + terms["video_union"]
            + self.segment_weight * (terms["segment_audio"] + terms["segment_visual"])
            + self.avss_weight * terms["avss"]
        )
        return terms


def _video_target(batch: Mapping[str, Tensor], modality: str) -> Tensor:
    given = batch.get(f"video_{modality}")
    if given is not None:
        return given
    return batch[f"segment_{modality}"].amax(dim=1)
