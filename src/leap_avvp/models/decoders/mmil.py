"""MMIL, the attentive multimodal multiple-instance pooling (Tian et al., ECCV 2020): the baseline decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leap_avvp.llp import NUM_CLASSES
from leap_avvp.models.arguments import check_whole
from leap_avvp.types import EncoderOutput, ParserOutput

__all__ = ["MMILDecoder", "pool_segments"]


class MMILDecoder(nn.Module):
    """Segment probabilities pooled by attention over time and over modalities into video-level ones.

    The released MM-Pyramid program stacks the visual stream first and then calls the first stream audio; here the names
    are the right ones.

    Raises:
        ConfigError: a wrong argument, by its key (``decoder.dim``).
    """

    def __init__(self, dim: int = 512, num_classes: int = NUM_CLASSES) -> None:
        super().__init__()
        check_whole("decoder.dim", dim)
        check_whole("decoder.num_classes", num_classes)
        self.dim = dim
        self.probability = nn.Linear(dim, num_classes)
        self.time_attention = nn.Linear(dim, num_classes)
        self.modality_attention = nn.Linear(dim, num_classes)

    def forward(self, encoded: EncoderOutput) -> ParserOutput:
        """Decode (B, T, D) features of both modalities."""
        streams = torch.stack((encoded.audio, encoded.visual), dim=2)  # (B, T, 2, D)
        logits = self.probability(streams)  # (B, T, 2, C)
        return pool_segments(encoded, logits, self.time_attention(streams), self.modality_attention(streams))


def pool_segments(
    encoded: EncoderOutput,
    logits: Tensor,
    time_scores: Tensor,
    modality_scores: Tensor,
    auxiliary: dict[str, Tensor] | None = None,
) -> ParserOutput:
    """Pool segment probabilities over time and over modalities.

    Args:
        encoded: what the decoder was given.
        logits: (B, T, 2, C), audio first, of the segments.
        time_scores: likewise, whose softmax over T weighs the segments.
        modality_scores: likewise, whose softmax over audio and visual weighs the two.
        auxiliary: what only a loss reads, by name.
    """
    segment_prob = logits.sigmoid()
    over_time = time_scores.softmax(dim=1)
    over_modality = modality_scores.softmax(dim=2)
    pooled = over_time * segment_prob
    audio_prob, visual_prob = pooled.sum(dim=1).unbind(dim=1)  # (B, C) each
    audio_attention, visual_attention = over_time.permute(2, 0, 3, 1).unsqueeze(2).unbind()  # (B, 1, C, T) each
    return ParserOutput(
        # Both softmaxes make a convex sum; rounding must not carry it past 1, where the loss is not defined.
        video_prob=(over_modality * pooled).sum(dim=(1, 2)).clamp(max=1.0),
        audio_prob=audio_prob.clamp(max=1.0),
        visual_prob=visual_prob.clamp(max=1.0),
        segment_audio_prob=segment_prob[:, :, 0],
        segment_visual_prob=segment_prob[:, :, 1],
        audio_feature=encoded.audio,
        visual_feature=encoded.visual,
        audio_attention=audio_attention,
        visual_attention=visual_attention,
        segment_audio_logit=logits[:, :, 0],
        segment_visual_logit=logits[:, :, 1],
        auxiliary=auxiliary,
    )
