"""How attention and feed-forward layers start: as copies of one template, as the released programs do, or each alone.

The released MM-Pyramid and LEAP make their layers by copying: the four projections of a template's attention are copies
of one Linear, and the layers of one family are copies of their template. A model is first drawn layer by layer, then
copied over: both ways take the same random numbers, and what belongs to no group starts alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from leap_avvp.models.attention import FeedForward, MultiHeadAttention, PreNormBlock

__all__ = ["INITS", "copy_attention", "copy_blocks", "copy_feed_forward"]

INITS = ("released", "independent")


def _copy(layer: nn.Linear, template: nn.Linear) -> None:
    """Fill ``layer`` with ``template``, repeated as its rows need: keys and values are one layer of twice the rows."""
    with torch.no_grad():
        for own, given in ((layer.weight, template.weight), (layer.bias, template.bias)):
            own.view(-1, *given.shape).copy_(given)


def copy_attention(attentions: Iterable[MultiHeadAttention]) -> None:
    """Make query, key, value and output projections of all ``attentions`` equal the first one's query projection."""
    first, *others = attentions
    for attention in (first, *others):
        for layer in (attention.query, attention.key_value, attention.output):
            if layer is not first.query:
                _copy(layer, first.query)


def copy_feed_forward(layers: Iterable[FeedForward]) -> None:
    """Make all ``layers`` equal the first."""
    first, *others = layers
    for layer in others:
        _copy(layer.inner, first.inner)
        _copy(layer.outer, first.outer)


def copy_blocks(blocks: Sequence[PreNormBlock]) -> None:
    """Make attentions and feed-forwards of all ``blocks`` copies of one template."""
    copy_attention(block.attention for block in blocks)
    copy_feed_forward(block.feed_forward for block in blocks)
