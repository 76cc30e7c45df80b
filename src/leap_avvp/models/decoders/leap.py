"""LEAP, the label semantic-based projection decoder (Zhou et al., ECCV 2024, Section 3.2)."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from leap_avvp.errors import check_choice
from leap_avvp.models.arguments import check_block, check_probability, check_whole
from leap_avvp.models.attention import AttentionResult, PreNormBlock
from leap_avvp.models.label_queries import LabelQueries
from leap_avvp.models.start import INITS, copy_blocks
from leap_avvp.types import EncoderOutput, ParserOutput

__all__ = ["READOUTS", "READ_BLOCKS", "LEAPDecoder", "LabelProjection", "ProjectionOutput"]

READ_BLOCKS = ("last", "first", "average")
READOUTS = ("updated_query", "block_query")


@dataclasses.dataclass(frozen=True)
class ProjectionOutput:
    """What the label embeddings have read in one modality. H heads."""

    label_feature: Tensor
    """(B, C, D)"""
    scores: Tensor
    """(B, T, C) raw cross-modal scores, averaged over heads; their sigmoid is the segment probability."""
    attention: Tensor
    """(B, H, C, T) softmax over the segments."""


class LabelProjection(nn.Module):
    """Blocks that project the segment features of one modality onto the label embeddings.

    Read-out of the segment scores: ``updated_query`` (the released program) scores the block's q', taken after the
    attention residual and not normalised, through the block's own projections; ``block_query`` takes the scores that
    the block's softmax used (the paper's text). The keys are the same, so neither costs a second attention.
    """

    def __init__(
        self,
        dim: int,
        num_blocks: int,
        read_block: str,
        readout: str,
        **block: float,
    ) -> None:
        super().__init__()
        self.read_block = read_block
        self.readout = readout
        self.blocks = nn.ModuleList(PreNormBlock(dim, **block) for _ in range(num_blocks))  # type: ignore[arg-type]
        self.presence = nn.Linear(dim, 1)

    def _read(
        self, block: PreNormBlock, attended: Tensor, result: AttentionResult, feature: Tensor
    ) -> ProjectionOutput:
        """Return what is read of a block: from its q', its attention and its output, see :class:`PreNormBlock`."""
        if self.readout == "updated_query":
            scores = block.attention.mean_scores(attended, result.keys)  # (B, C, T)
        else:
            scores = result.scores.mean(dim=1)
        return ProjectionOutput(feature, scores.transpose(1, 2), result.weights)

    def forward(self, labels: Tensor, segments: Tensor) -> ProjectionOutput:
        """Project ``segments`` (B, T, D) onto ``labels`` (C, D)."""
        feature = labels[None]  # (1, C, D): the first block's queries are the same for all videos
        last = 1 if self.read_block == "first" else len(self.blocks)  # what comes later changes nothing that is read
        outputs = []
        for number, block in enumerate(self.blocks[:last], start=1):
            assert isinstance(block, PreNormBlock)
            attended, result = block.attend(feature, segments)
            feature = block.transform(attended)
            if self.read_block == "average" or number == last:
                outputs.append(self._read(block, attended, result, feature))
        if len(outputs) == 1:
            return outputs[0]
        return ProjectionOutput(
            torch.stack([out.label_feature for out in outputs]).mean(dim=0),
            torch.stack([out.scores for out in outputs]).mean(dim=0),
            torch.stack([out.attention for out in outputs]).mean(dim=0),
        )


class LEAPDecoder(nn.Module):
    """Label queries, projected block by block on each modality's segments, tell what occurs and when.

    Args:
        label_queries: gives the (C, E) label embeddings.
        dim: D, the encoder's width.
        num_blocks: N, blocks a modality (2 in the paper).
        read_block: which block's label features and scores are read: ``last``, ``first`` or ``average`` of all.
        readout: ``updated_query`` (released program) or ``block_query`` (the paper's text).
        num_heads: attention heads, a divisor of D.
        feed_forward_dim: hidden units of the feed-forwards.
        dropout: after attention and in and after the feed-forward.
        attention_dropout: of the attention weights.
        threshold: a video holds an event when either modality's probability reaches it.
        init: ``released``: the blocks of both modalities start as copies of one template, see
            :mod:`leap_avvp.models.start`; ``independent``: each layer is drawn for itself.

    Raises:
        ConfigError: a wrong argument, by its key (``decoder.num_heads``).
    """

    def __init__(
        self,
        label_queries: LabelQueries,
        dim: int = 512,
        num_blocks: int = 2,
        read_block: str = "last",
        readout: str = "updated_query",
        num_heads: int = 8,
        feed_forward_dim: int = 512,
        dropout: float = 0.2,
        attention_dropout: float = 0.1,
        threshold: float = 0.5,
        init: str = "released",
    ) -> None:
        super().__init__()
        check_choice("decoder.read_block", read_block, READ_BLOCKS)
        check_choice("decoder.readout", readout, READOUTS)
        check_choice("init", init, INITS)
        check_whole("decoder.num_blocks", num_blocks, most=64)
        check_block("decoder", dim, num_heads, feed_forward_dim, dropout=dropout, attention_dropout=attention_dropout)
        check_probability("decoder.threshold", threshold)
        self.dim = dim
        self.threshold = threshold
        self.label_queries = label_queries
        self.label_projection = nn.Linear(label_queries.embedding_dim, dim)
        settings = {
            "num_heads": num_heads,
            "feed_forward_dim": feed_forward_dim,
            "dropout": dropout,
            "attention_dropout": attention_dropout,
        }
        self.audio = LabelProjection(dim, num_blocks, read_block, readout, **settings)
        self.visual = LabelProjection(dim, num_blocks, read_block, readout, **settings)
        if init == "released":
            copy_blocks([*self.audio.blocks, *self.visual.blocks])

    def forward(self, encoded: EncoderOutput) -> ParserOutput:
        """Decode (B, T, D) features of both modalities."""
        labels = self.label_projection(self.label_queries())  # (C, D)
        audio: ProjectionOutput = self.audio(labels, encoded.audio)
        visual: ProjectionOutput = self.visual(labels, encoded.visual)
        audio_prob = self.audio.presence(audio.label_feature).squeeze(-1).sigmoid()  # (B, C)
        visual_prob = self.visual.presence(visual.label_feature).squeeze(-1).sigmoid()
        union = (audio_prob >= self.threshold) | (visual_prob >= self.threshold)
        return ParserOutput(
            video_prob=union.to(audio_prob.dtype),
            audio_prob=audio_prob,
            visual_prob=visual_prob,
            segment_audio_prob=audio.scores.sigmoid(),
            segment_visual_prob=visual.scores.sigmoid(),
            audio_feature=encoded.audio,
            visual_feature=encoded.visual,
            label_audio_feature=audio.label_feature,
            label_visual_feature=visual.label_feature,
            audio_attention=audio.attention,
            visual_attention=visual.attention,
            segment_audio_logit=audio.scores,
            segment_visual_logit=visual.scores,
        )
