"""Multi-head attention, its banded masks and the pre-norm block that MM-Pyramid and LEAP are built of."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor, nn

from leap_avvp.models.dropout import Dropout

__all__ = ["AttentionResult", "FeedForward", "MultiHeadAttention", "PreNormBlock", "banded_mask"]


def banded_mask(length: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return a boolean (length, length) mask, True where position i may see position j: ``|i - j| <= width``."""
    position = torch.arange(length, device=device)
    return (position[:, None] - position[None, :]).abs() <= width


@dataclasses.dataclass(frozen=True)
class AttentionResult:
    """What one attention computed. H heads, Q queries, S memory positions."""

    output: Tensor
    """(B, Q, D) after the output projection."""
    weights: Tensor
    """(B, H, Q, S) softmax over S, before dropout."""
    keys: Tensor
    """(B, H, S, D / H) projected keys, for whoever scores other queries against them."""
    scores: Tensor
    """(B, H, Q, S) scaled products before mask and softmax."""


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention with ``num_heads`` heads over D features.

    Keys and values read the same memory in every model of the field, so their projections are one matrix.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"dim {dim} is not a multiple of num_heads {num_heads}")
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.output = nn.Linear(dim, dim)
        self.dropout = Dropout(dropout)

    def _split(self, x: Tensor) -> Tensor:
        """(..., L, D) -> (..., H, L, D / H)."""
        return x.reshape(*x.shape[:-1], self.num_heads, -1).transpose(-3, -2)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return (B, H, Q, S) scaled products of ``query`` (B or 1, Q, D) with projected ``keys`` (B, H, S, D / H)."""
        heads = self._split(self.query(query))
        return heads @ keys.transpose(-2, -1) / math.sqrt(keys.shape[-1])

    def forward(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> AttentionResult:
        """Attend from ``query`` (B or 1, Q, D) to ``memory`` (B, S, D); ``mask`` (Q, S) is True where it may look."""
        keys, values = self.key_value(memory).chunk(2, dim=-1)
        keys, values = self._split(keys), self._split(values)
        scores = self.scores(query, keys)
        visible = scores if mask is None else scores.masked_fill(~mask, float("-inf"))
        weights = visible.softmax(dim=-1)
        mixed = self.dropout(weights) @ values  # (B, H, Q, D / H)
        return AttentionResult(self.output(mixed.transpose(-3, -2).flatten(-2)), weights, keys, scores)


class FeedForward(nn.Module):
    """Two affine maps with ReLU between: (..., D) -> (..., D)."""

    def __init__(self, dim: int, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(dim, hidden_dim)
        self.outer = nn.Linear(hidden_dim, dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (..., D)."""
        out: Tensor = self.outer(self.dropout(self.inner(x).relu()))
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
        return query + self.dropout(result.output), result

    def transform(self, attended: Tensor) -> Tensor:
        """Return the block's output from q' (B, Q, D)."""
        out: Tensor = attended + self.dropout(self.feed_forward(self.feed_forward_norm(attended)))
        return out

    def forward(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend from ``query`` (B, Q, D) to ``memory`` (B, S, D), then transform: (B, Q, D)."""
        attended, _ = self.attend(query, memory, mask)
        return self.transform(attended)
