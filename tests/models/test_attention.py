"""Attention against torch's own, masks, and what a banded mask lets through."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from leap_avvp.models.attention import BandedMask, MultiHeadAttention, PreNormBlock, banded_mask


@given(length=st.integers(1, 30), width=st.integers(0, 40))
@settings(deadline=None, max_examples=50)
def test_banded_mask_against_its_definition(length, width):
    mask = banded_mask(length, width)
    assert mask.tolist() == [[abs(i - j) <= width for j in range(length)] for i in range(length)]


@pytest.mark.parametrize("length", [10, 7, 25])
def test_the_mask_that_is_kept_is_the_one_that_is_built(length):
    kept = BandedMask(2)
    assert torch.equal(kept(length), banded_mask(length, 2))
    assert not kept.state_dict(), "a mask is no weight"


@pytest.mark.parametrize("masked", [False, True])
def test_attention_equals_torch(masked):
    torch.manual_seed(0)
    attention = MultiHeadAttention(16, 4, dropout=0.1).eval()
    query, memory = torch.randn(2, 10, 16), torch.randn(2, 10, 16)
    mask = banded_mask(10, 2) if masked else None
    result = attention(query, memory, mask)
    keys, values = attention.key_value(memory).chunk(2, -1)
    q, k, v = (x.view(2, 10, 4, 4).transpose(1, 2) for x in (attention.query(query), keys, values))
    expected = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(result.output, attention.output(expected.transpose(1, 2).reshape(2, 10, 16)))
    torch.testing.assert_close(attention.mix(query, memory, mask), result.output)
    torch.testing.assert_close(attention.mean_scores(query, result.keys), result.scores.mean(dim=1))
    torch.testing.assert_close(result.weights.sum(-1), torch.ones(2, 4, 10))
    if masked:
        assert not result.weights[..., ~mask].any()


def test_training_on_a_cpu_drops_attention_weights_in_either_form():
    attention = MultiHeadAttention(16, 4, dropout=0.5).train()
    query, memory = torch.randn(2, 10, 16), torch.randn(2, 10, 16)
    torch.manual_seed(0)
    dropped = attention.mix(query, memory)
    torch.manual_seed(0)
    torch.testing.assert_close(dropped, attention(query, memory).output)
    assert not torch.allclose(dropped, attention.eval().mix(query, memory))


def test_a_masked_block_does_not_see_beyond_the_band():
    torch.manual_seed(0)
    block = PreNormBlock(16, num_heads=2, feed_forward_dim=16).eval()
    memory = torch.randn(1, 10, 16, requires_grad=True)
    out = block(torch.randn(1, 10, 16), memory, banded_mask(10, 2))
    out[0, 4].sum().backward()
    seen = memory.grad[0].abs().sum(-1) > 0
    assert seen.tolist() == [2 <= j <= 6 for j in range(10)]
