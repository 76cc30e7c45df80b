"""Multi-head attention, its banded masks and the pre-norm block that MM-Pyramid and LEAP are built of."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from leap_avvp.llp import NUM_SEGMENTS
from leap_avvp.models.arguments import check_heads, check_whole
from leap_avvp.models.dropout import Dropout

__all__ = ["AttentionResult", "BandedMask", "FeedForward", "MultiHeadAttention", "PreNormBlock", "banded_mask"]


def banded_mask(length: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return a boolean (length, length) mask, True where position i may see position j: ``|i - j| <= width``."""
    position = torch.arange(length, device=device)
    return (position[:, None] - position[None, :]).abs() <= width


class BandedMask(nn.Module):
    """The mask of :func:`banded_mask`, built once for LLP's ten segments; other lengths are built when they come."""

    ready: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("ready", banded_mask(NUM_SEGMENTS, width), persistent=False)

    def forward(self, length: int) -> Tensor:
        """Return the boolean (length, length) mask."""
        return self.ready if length == len(self.ready) else banded_mask(length, self.width, self.ready.device)


@dataclasses.dataclass(frozen=True)
class AttentionResult:
    """What one attention computed. H heads, Q queries, S memory positions."""

    output: Tensor
    """(B, Q, D) after the output projection."""
    weights: Tensor
    """(B, H, Q, S) softmax over S, before dropout."""
    keys: Tensor
    """(B, S, D) projected keys, for whoever scores other queries against them."""
    scores: Tensor
    """(B, H, Q, S) scaled products before mask and softmax."""


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention with ``num_heads`` heads over D features.

    Keys and values read the same memory in every model of the field, so their projections are one matrix.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = check_heads("num_heads", num_heads, check_whole("dim", dim))
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.output = nn.Linear(dim, dim)
        self.dropout = Dropout(dropout)

    def _split(self, x: Tensor) -> Tensor:
        """(..., L, D) -> (..., H, L, D / H)."""
        return x.reshape(*x.shape[:-1], self.num_heads, -1).transpose(-3, -2)

    def mean_scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return (B, Q, S): scaled products of ``query`` (B, Q, D) with projected ``keys`` (B, S, D), mean over heads.

        The sum over heads of products over D / H features is one product over all D. The query's projection is moved to
        the keys, which are fewer: ``(q W^T + b) K^T = q (K W)^T + b K^T``.
        """
        scale = self.num_heads * math.sqrt(keys.shape[-1] // self.num_heads)
        moved, offset = keys @ self.query.weight, keys @ self.query.bias  # (B, S, D), (B, S)
        scores: Tensor = (query @ moved.transpose(-2, -1) + offset.unsqueeze(-2)) / scale
        return scores

    def mix(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return only the output (B, Q, D) of :meth:`forward`, by torch's fused attention where that is no slower.

        On a CPU it has no dropout of its own and falls back on slower parts, so training there takes the written-out
        form.
        """
        if self.training and self.dropout.p > 0 and query.device.type == "cpu":
            return self(query, memory, mask).output  # type: ignore[no-any-return]
        queries = self._split(self.query(query))
        keys, values = (self._split(part) for part in self.key_value(memory).chunk(2, dim=-1))
        drop = self.dropout.p if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(queries, keys, values, mask, drop)
        out: Tensor = self.output(mixed.transpose(-3, -2).flatten(-2))
        return out

    def forward(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> AttentionResult:
        """Attend from ``query`` (B or 1, Q, D) to ``memory`` (B, S, D); ``mask`` (Q, S) is True where it may look."""
        keys, values = self.key_value(memory).chunk(2, dim=-1)
        queries = self._split(self.query(query)).contiguous()
        # Keys before queries, (B, H, S, Q): a CPU's softmax over few keys is far faster with the queries last.
        scores = self._split(keys).contiguous() @ queries.transpose(-2, -1) / math.sqrt(queries.shape[-1])
        visible = scores if mask is None else scores.masked_fill(~mask.transpose(-2, -1), float("-inf"))
        weights = visible.softmax(dim=-2)
        mixed = self.dropout(weights).transpose(-2, -1) @ self._split(values).contiguous()  # (B, H, Q, D / H)
        output = self.output(mixed.transpose(-3, -2).flatten(-2))
        return AttentionResult(output, weights.transpose(-2, -1), keys, scores.transpose(-2, -1))


class FeedForward(nn.Module):
    """Two affine maps with ReLU between: (..., D) -> (..., D)."""

    def __init__(self, dim: int, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(dim, hidden_dim)
        self.outer = nn.Linear(hidden_dim, dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (..., D)."""
        out: Tensor = self.outer(self.dropout(self.inner(x)).relu_())  # what is dropped is 0 on either side of ReLU
        return out


class PreNormBlock(nn.Module):
    """``q' = q + drop(MHA(LN(q), m, m))``, then ``q' + drop(FFN(LN(q')))``; the memory m is not normalised.

    The layer style of the released MM-Pyramid and LEAP programs.
    """

    def __init__(
        self,
        dim: int = 512,
        num_heads: int = 8,
        feed_forward_dim: int = 512,
        dropout: float = 0.2,
        attention_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(dim, num_heads, attention_dropout)
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, feed_forward_dim, dropout)
        self.dropout = Dropout(dropout)

    def attend(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> tuple[Tensor, AttentionResult]:
        """Return q' (B, Q, D), the query after the attention residual, and the attention itself."""
        result: AttentionResult = self.attention(self.attention_norm(query), memory, mask)
        return self.dropout.onto(query, result.output), result

    def transform(self, attended: Tensor) -> Tensor:
        """Return the block's output from q' (B, Q, D)."""
        out: Tensor = self.dropout.onto(attended, self.feed_forward(self.feed_forward_norm(attended)))
        return out

    def forward(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend from ``query`` (B, Q, D) to ``memory`` (B, S, D), then transform: (B, Q, D)."""
        mixed = self.attention.mix(self.attention_norm(query), memory, mask)
        return self.transform(self.dropout.onto(query, mixed))
