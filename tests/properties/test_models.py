"""Pooling of frames and masked attention against plain Python, at any size."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leap_avvp.card.features import LLP_FEATURES
from leap_avvp.card.reduce import reduce_rows
from leap_avvp.errors import DataError
from leap_avvp.models.attention import MultiHeadAttention, banded_mask
from leap_avvp.models.frontend import to_segments

pytestmark = pytest.mark.no_cover  # drawn many times, over lines that other tests cover
DRAWN = settings(deadline=None, max_examples=60, derandomize=True)
SEEDS = st.integers(0, 2**31)


def pool_frames(frames: Tensor, length: int) -> Tensor:
    return to_segments(frames, LLP_FEATURES.streams["video_2d"], length)


def rand(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(batch=st.integers(0, 3), length=st.integers(1, 12), width=st.integers(1, 5), seed=SEEDS)
@DRAWN
def test_pooling(batch: int, length: int, width: int, seed: int) -> None:
    frames = rand((batch, 8 * length, width), seed)
    pooled = pool_frames(frames, length)
    assert pooled.shape == (batch, length, width)
    for b, t, f in itertools.product(range(batch), range(length), range(width)):
        mean = math.fsum(float(frames[b, 8 * t + frame, f]) for frame in range(8)) / 8
        assert float(pooled[b, t, f]) == pytest.approx(mean, abs=1e-12)
    assert pool_frames(pooled, length) is pooled
    for b in range(batch):  # the loader's own
        np.testing.assert_allclose(reduce_rows(frames[b].float().numpy(), "mean", length), pooled[b].numpy(), atol=1e-6)


@given(length=st.integers(1, 10), seed=SEEDS)
@DRAWN
def test_pooling_commutes_with_an_affine_map(length: int, seed: int) -> None:
    frames, weight, bias = rand((2, 8 * length, 4), seed), rand((3, 4), seed + 1), rand((3,), seed + 2)
    before = torch.nn.functional.linear(pool_frames(frames, length), weight, bias)
    after = pool_frames(torch.nn.functional.linear(frames, weight, bias), length)
    torch.testing.assert_close(before, after, rtol=0, atol=1e-12)


@given(frames=st.integers(0, 100), length=st.integers(1, 12))
@DRAWN
def test_any_other_number_of_frames_is_refused(frames: int, length: int) -> None:
    video = torch.zeros(1, frames, 2)
    if frames in (length, 8 * length):
        assert pool_frames(video, length).shape == (1, length, 2)
        return
    with pytest.raises(
        DataError, match=rf"video_2d: expected {8 * length} rows or {length} segments, found shape \(1, {frames}, 2\)"
    ):
        pool_frames(video, length)


@given(length=st.integers(0, 24), width=st.integers(0, 30))
@DRAWN
def test_masks(length: int, width: int) -> None:
    mask = banded_mask(length, width)
    assert mask.shape == (length, length)
    assert torch.equal(mask, mask.T)
    assert torch.equal(mask, mask.flip(0, 1))
    seen = sum(min(length, i + width + 1) - max(0, i - width) for i in range(length))
    assert int(mask.sum()) == seen
    assert mask.all() == (width >= length - 1)
    # Two layers see twice as far.
    twice = (mask.double() @ mask.double()) > 0
    assert torch.equal(twice, banded_mask(length, 2 * width))


@given(
    heads=st.sampled_from([1, 2, 4]),
    queries=st.integers(1, 6),
    length=st.integers(1, 6),
    width=st.integers(0, 6),
    seed=SEEDS,
)
@DRAWN
def test_attention(heads: int, queries: int, length: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    attention = MultiHeadAttention(8, heads, dropout=0.3).double().eval()
    mask = banded_mask(max(queries, length), width)[:queries, :length]
    mask[:, 0] = True  # a query that sees nothing has no softmax
    query, memory = rand((2, queries, 8), seed), rand((2, length, 8), seed + 1)
    with torch.no_grad():
        result = attention(query, memory, mask)
    q = attention.query(query).tolist()
    k, v = (part.tolist() for part in attention.key_value(memory).chunk(2, -1))
    size = 8 // heads
    for b, h, i in itertools.product(range(2), range(heads), range(queries)):
        part = slice(h * size, (h + 1) * size)
        scores = [
            sum(x * y for x, y in zip(q[b][i][part], k[b][j][part], strict=True)) / math.sqrt(size)
            for j in range(length)
        ]
        powers = [math.exp(score) if mask[i, j] else 0.0 for j, score in enumerate(scores)]
        weights = [power / math.fsum(powers) for power in powers]
        assert result.scores[b, h, i].tolist() == pytest.approx(scores, abs=1e-9)
        assert result.weights[b, h, i].tolist() == pytest.approx(weights, abs=1e-9)
    mixed = torch.zeros(2, queries, 8, dtype=torch.float64)
    for b, i, d in itertools.product(range(2), range(queries), range(8)):
        mixed[b, i, d] = sum(float(result.weights[b, d // size, i, j]) * v[b][j][d] for j in range(length))
    torch.testing.assert_close(result.output, attention.output(mixed))
