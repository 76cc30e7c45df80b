"""MM-Pyramid, the multimodal pyramid attentional network (Yu et al., ACM MM 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from leap_avvp.errors import check_choice
from leap_avvp.models.arguments import check_block, check_dilations
from leap_avvp.models.attention import BandedMask, PreNormBlock
from leap_avvp.models.start import INITS, copy_attention, copy_blocks, copy_feed_forward
from leap_avvp.types import EncoderOutput

__all__ = ["DilatedConvolution", "Gate", "LevelFusion", "MMPyramid", "PyramidLevel"]


class DilatedConvolution(nn.Module):
    """Conv1d(k = 3, dilated) -> ReLU -> Conv1d(k = 1), residual, ReLU, over time: (B, T, D) -> (B, T, D)."""

    def __init__(self, dim: int, dilation: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(dim, dim, kernel_size=3, dilation=dilation, padding=dilation)
        self.point = nn.Conv1d(dim, dim, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``x`` (B, T, D) over T."""
        hidden = functional.linear(self._taps(x), self.wide.weight.flatten(1), self.wide.bias).relu()
        out = functional.linear(hidden, self.point.weight.squeeze(-1), self.point.bias)
        return (out + x).relu()

    def _taps(self, x: Tensor) -> Tensor:
        """Return (B, T, 3 D): each second with those ``dilation`` before and after it, zeros beyond the ends.

        Interleaved as the weight (D, D, 3) has them, so that the convolution is one matrix product, which is faster
        than torch's convolution at these sizes.
        """
        length, dilation = x.shape[1], self.wide.dilation[0]
        padded = functional.pad(x, (0, 0, dilation, dilation))
        taps = [padded[:, start : start + length] for start in (0, dilation, 2 * dilation)]
        return torch.stack(taps, dim=-1).flatten(-2)


class Gate(nn.Module):
    """``sigmoid(W1 [s; c]) * s + sigmoid(W2 [s; c]) * c`` of a self- and a cross-attended stream.

    W1 and W2 read the same input, so they are one matrix.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weigh = nn.Linear(2 * dim, 2 * dim)

    def forward(self, own: Tensor, cross: Tensor) -> Tensor:
        """Gate two streams (B, T, D) into one."""
        both = torch.cat((own, cross), dim=-1)
        gated: Tensor = (self.weigh(both).sigmoid() * both).unflatten(-1, (2, -1)).sum(dim=-2)
        return gated


class PyramidLevel(nn.Module):
    """Banded self- and cross-attention, gates and dilated convolutions at one temporal scale.

    Position i sees j with ``|i - j| <= dilation``. Self-attention, gate and convolution have weights of their own for
    each modality; the cross-attention's weights serve both directions.
    """

    def __init__(self, dim: int, dilation: int, **block: float) -> None:
        super().__init__()
        self.mask = BandedMask(dilation)
        self.audio_self = PreNormBlock(dim, **block)  # type: ignore[arg-type]
        self.visual_self = PreNormBlock(dim, **block)  # type: ignore[arg-type]
        self.cross = PreNormBlock(dim, **block)  # type: ignore[arg-type]
        self.audio_gate = Gate(dim)
        self.visual_gate = Gate(dim)
        self.audio_convolution = DilatedConvolution(dim, dilation)
        self.visual_convolution = DilatedConvolution(dim, dilation)

    def forward(self, audio: Tensor, visual: Tensor) -> tuple[Tensor, Tensor]:
        """Refine ``audio`` and ``visual`` (B, T, D)."""
        mask = self.mask(audio.shape[1])
        crossed = self.cross(torch.cat((audio, visual)), torch.cat((visual, audio)), mask)
        audio_crossed, visual_crossed = crossed.view(2, *audio.shape).unbind()
        gated_audio = self.audio_gate(self.audio_self(audio, audio, mask), audio_crossed)
        gated_visual = self.visual_gate(self.visual_self(visual, visual, mask), visual_crossed)
        return self.audio_convolution(gated_audio), self.visual_convolution(gated_visual)


class LevelFusion(nn.Module):
    """At each second the levels' vectors are tokens of one attention layer; their gated sum is the output."""

    def __init__(self, dim: int, **block: float) -> None:
        super().__init__()
        self.block = PreNormBlock(dim, **block)  # type: ignore[arg-type]
        self.select = nn.Linear(dim, 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Fuse L tensors (B, T, D) into one."""
        stacked = torch.stack(tuple(levels), dim=2)  # (B, T, L, D)
        tokens = stacked.flatten(0, 1)
        tokens = self.block(tokens, tokens)
        fused: Tensor = (self.select(tokens).sigmoid() * tokens).sum(dim=1)
        return fused.view(*stacked.shape[:2], -1)


class MMPyramid(nn.Module):
    """Pyramid levels of growing dilation, fused over levels at each second.

    Args:
        dim: D.
        dilations: one a level, in seconds.
        num_heads: attention heads, a divisor of D.
        feed_forward_dim: hidden units of the feed-forwards.
        dropout: after attention and in and after the feed-forward.
        attention_dropout: of the attention weights.
        init: ``released``: layers start as copies of templates, see :mod:`leap_avvp.models.start`; ``independent``:
            each layer is drawn for itself.

    Raises:
        ConfigError: a wrong argument, by its key (``encoder.num_heads``).
    """

    def __init__(
        self,
        dim: int = 512,
        dilations: Sequence[int] = (1, 2, 4, 8),
        num_heads: int = 8,
        feed_forward_dim: int = 512,
        dropout: float = 0.2,
        attention_dropout: float = 0.1,
        init: str = "released",
    ) -> None:
        super().__init__()
        check_choice("init", init, INITS)
        check_block("encoder", dim, num_heads, feed_forward_dim, dropout=dropout, attention_dropout=attention_dropout)
        steps = check_dilations("encoder.dilations", dilations)
        self.dim = dim
        block = {
            "num_heads": num_heads,
            "feed_forward_dim": feed_forward_dim,
            "dropout": dropout,
            "attention_dropout": attention_dropout,
        }
        self.levels = nn.ModuleList(PyramidLevel(dim, dilation, **block) for dilation in steps)
        self.audio_fusion = LevelFusion(dim, **block)
        self.visual_fusion = LevelFusion(dim, **block)
        if init == "released":
            self._copy_templates()

    def _copy_templates(self) -> None:
        # Every attention of a level has a template of its own; the feed-forwards of all levels share one.
        blocks = [block for level in self.levels for block in level.children() if isinstance(block, PreNormBlock)]
        for block in blocks:
            copy_attention([block.attention])
        copy_feed_forward(block.feed_forward for block in blocks)
        copy_blocks([self.audio_fusion.block, self.visual_fusion.block])

    def forward(self, audio: Tensor, visual: Tensor) -> EncoderOutput:
        """Encode ``audio`` and ``visual`` (B, T, D)."""
        audio_levels, visual_levels = [], []
        for level in self.levels:
            audio, visual = level(audio, visual)
            audio_levels.append(audio)
            visual_levels.append(visual)
        return EncoderOutput(self.audio_fusion(audio_levels), self.visual_fusion(visual_levels))
