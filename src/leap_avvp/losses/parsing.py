"""The training loss of LEAP (Zhou et al., ECCV 2024, Section 3.3): video-level, segment-level and alignment terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.losses.alignment import NORMALISERS, alignment_loss
from leap_avvp.losses.base import TrainingLoss
from leap_avvp.losses.entropy import binary_cross_entropy, video_target

__all__ = ["ParsingLoss"]


class ParsingLoss(TrainingLoss):
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

    def __call__(self, out: Mapping[str, Tensor], batch: Mapping[str, Tensor], parser: Any = None) -> dict[str, Tensor]:
        """Return the six unweighted terms and the weighted ``total``, all scalars.

        Args:
            out: a :class:`~leap_avvp.types.ParserOutput`, or a mapping with its fields.
            batch: ``video_label`` (B, C), ``segment_audio`` and ``segment_visual`` (B, T, C), 0 or 1 or soft ones
                between, and, where they are not the maximum over the segments, which is "any segment" of 0 and 1, the
                video-level targets ``video_audio`` and ``video_visual`` (B, C).
            parser: not looked at.
        """
        segment_audio, segment_visual = batch["segment_audio"], batch["segment_visual"]
        terms = {
            "video_audio": binary_cross_entropy(out["audio_prob"], video_target(batch, "audio")),
            "video_visual": binary_cross_entropy(out["visual_prob"], video_target(batch, "visual")),
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
