"""HAN, the hybrid attention network (Tian et al., ECCV 2020), and VALOR's and UWAV's way with its layers."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import Tensor, nn

from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.models.arguments import check_block, check_whole
from leap_avvp.models.attention import FeedForward, MultiHeadAttention
from leap_avvp.models.dropout import Dropout
from leap_avvp.models.start import INITS
from leap_avvp.types import EncoderOutput

__all__ = ["HAN", "UPDATES", "HANLayer"]

UPDATES = ("parallel", "sequential")
_MOST_LAYERS = 64
_OLDER = re.compile(r"(self_attention|cross_attention|attention_norm|feed_forward|output_norm)\.")


class HANLayer(nn.Module):
    """One post-norm layer of self- and cross-modal attention, both from the same input.

    ``h = LN(q + drop(cross(q, x)) + drop(self(q, q)))``; ``out = LN(h + drop(FFN(h)))``. Without ``cross`` the layer
    has no weights for it, and the sum no such term.
    """

    def __init__(self, dim: int, num_heads: int, feed_forward_dim: int, dropout: float, cross: bool = True) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(dim, num_heads, dropout)
        self.cross_attention = MultiHeadAttention(dim, num_heads, dropout) if cross else None
        self.attention_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, feed_forward_dim, dropout)
        self.output_norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)
        self._reset_attention(dim)

    def _reset_attention(self, dim: int) -> None:
        # torch's nn.MultiheadAttention, which the released programs use, draws its packed (3 D, D) input projection
        # from Xavier's uniform and starts all biases at zero.
        bound = math.sqrt(6.0 / (4 * dim))
        for attention in (self.self_attention, self.cross_attention):
            if attention is None:
                continue
            for layer in (attention.query, attention.key_value):
                nn.init.uniform_(layer.weight, -bound, bound)
                nn.init.zeros_(layer.bias)
            nn.init.zeros_(attention.output.bias)

    def forward(self, query: Tensor, other: Tensor | None) -> Tensor:
        """Refine ``query`` (B, T, D), which sees ``other`` (B, T, D), the other modality; None leaves that out."""
        # Cross-modal attention first: it draws its dropout first.
        attend = None if other is None else self.cross_attention
        cross = None if attend is None else attend(query, other).output
        own = self.self_attention(query, query).output
        summed = query if cross is None else query + self.dropout(cross)
        hidden = self.attention_norm(summed + self.dropout(own))
        out: Tensor = self.output_norm(hidden + self.dropout(self.feed_forward(hidden)))
        return out


class HAN(nn.Module):
    """Layers of self- and cross-modal attention, each with the same weights for both modalities.

    ``parallel``, the published HAN: ``a, v = layer(a, v), layer(v, a)``, both with the old a and v. ``sequential``, as
    VALOR (Lai et al., NeurIPS 2023) and UWAV (Lai et al., CVPR 2025): ``a = layer(a, v)``, then ``v = layer(v, a)``
    with the new a, layer by layer.

    Args:
        dim: D.
        num_layers: more than 1 with the sequential update alone: the published layers all read the first input, so that
            the last one alone would count.
        num_heads: attention heads, a divisor of D.
        feed_forward_dim: hidden units of the feed-forwards.
        dropout: of attention weights, and after each attention, in and after the feed-forward.
        update: ``parallel`` or ``sequential``.
        cross: False leaves the cross-modal attention out, as the first run of JoMoLD (Cheng et al., ECCV 2022) does.
        init: ``released``: all layers start as copies of the first; ``independent``: each is drawn for itself.

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
        update: str = "parallel",
        cross: bool = True,
        init: str = "released",
    ) -> None:
        super().__init__()
        check_choice("init", init, INITS)
        check_choice("encoder.update", update, UPDATES)
        if check_whole("encoder.num_layers", num_layers, most=_MOST_LAYERS) != 1 and update == "parallel":
            raise ConfigError(
                f"encoder.num_layers: expected 1, as the published HAN has, found {num_layers}; several layers are "
                "defined with encoder.update=sequential (encoder=han_sequential)"
            )
        check_block("encoder", dim, num_heads, feed_forward_dim, dropout=dropout)
        self.dim = dim
        self.update = update
        self.cross = cross
        self.layers = nn.ModuleList(
            HANLayer(dim, num_heads, feed_forward_dim, dropout, cross) for _ in range(num_layers)
        )
        if init == "released":
            first, *others = self.layers
            for layer in others:
                layer.load_state_dict(first.state_dict())

    def forward(self, audio: Tensor, visual: Tensor) -> EncoderOutput:
        """Encode ``audio`` and ``visual`` (B, T, D)."""
        if self.update == "sequential":
            for layer in self.layers:
                audio = layer(audio, visual)
                visual = layer(visual, audio)
            return EncoderOutput(audio, visual)
        both = torch.cat((audio, visual))  # (2 B, T, D): both modalities share the weights
        for layer in self.layers:
            both = layer(both, torch.cat((visual, audio)))
        return EncoderOutput(*both.view(2, *audio.shape).unbind())

    def unimodal(self, audio: Tensor, visual: Tensor) -> EncoderOutput:
        """Encode ``audio`` and ``visual`` (B, T, D) with the same weights, neither seeing the other."""
        both = torch.cat((audio, visual))
        for layer in self.layers:
            both = layer(both, None)
        return EncoderOutput(*both.view(2, *audio.shape).unbind())

    def rename_older(self, state: dict[str, Any], prefix: str) -> None:
        """Move the tensors of a checkpoint from when HAN had one layer, and no ``layers``, to their place."""
        for name in [name for name in state if name.startswith(prefix)]:
            rest = name.removeprefix(prefix)
            if _OLDER.match(rest):
                state[f"{prefix}layers.0.{rest}"] = state.pop(name)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        self.rename_older(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
