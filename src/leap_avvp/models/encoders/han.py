"""HAN, the hybrid attention network (Tian et al., ECCV 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from leap_avvp.errors import ConfigError
from leap_avvp.models.arguments import check_block
from leap_avvp.models.attention import FeedForward, MultiHeadAttention
from leap_avvp.models.dropout import Dropout
from leap_avvp.types import EncoderOutput

__all__ = ["HAN"]


class HAN(nn.Module):
    """One post-norm layer of self- and cross-modal attention, the same weights for both modalities.

    For (q, x) in ((a, v), (v, a)), both with the original a and v:
    ``h = LN(q + drop(cross(q, x)) + drop(self(q, q)))``; ``out = LN(h + drop(FFN(h)))``.

    Raises:
        ConfigError: a wrong argument, by its key (``encoder.num_heads``).
    """

    def __init__(
        self,
        dim: int = 512,
        num_layers: int = 1,
        num_heads: int = 1,
        feed_forward_dim: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if num_layers != 1:
            raise ConfigError(
                f"encoder.num_layers: expected 1, as the published HAN has (no other is defined), found {num_layers!r}"
            )
        check_block("encoder", dim, num_heads, feed_forward_dim, dropout=dropout)
        self.dim = dim
        self.self_attention = MultiHeadAttention(dim, num_heads, dropout)
        self.cross_attention = MultiHeadAttention(dim, num_heads, dropout)
        self.attention_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, feed_forward_dim, dropout)
        self.output_norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)
        self._reset_attention()

    def _reset_attention(self) -> None:
        # torch's nn.MultiheadAttention, which the released program uses, draws its packed (3 D, D) input projection
        # from Xavier's uniform and starts all biases at zero.
        bound = math.sqrt(6.0 / (4 * self.dim))
        for attention in (self.self_attention, self.cross_attention):
            for layer in (attention.query, attention.key_value):
                nn.init.uniform_(layer.weight, -bound, bound)
                nn.init.zeros_(layer.bias)
            nn.init.zeros_(attention.output.bias)

    def forward(self, audio: Tensor, visual: Tensor) -> EncoderOutput:
        """Encode ``audio`` and ``visual`` (B, T, D)."""
        query = torch.cat((audio, visual))  # (2 B, T, D): both modalities share the weights
        other = torch.cat((visual, audio))
        cross = self.cross_attention(query, other).output
        own = self.self_attention(query, query).output
        hidden = self.attention_norm(query + self.dropout(cross) + self.dropout(own))
        out = self.output_norm(hidden + self.dropout(self.feed_forward(hidden)))
        return EncoderOutput(*out.view(2, *audio.shape).unbind())
