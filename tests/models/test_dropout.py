"""Dropout by cheap random bits drops and scales as torch's does."""

from __future__ import annotations

import pytest
import torch

from leap_avvp.models.attention import FeedForward
from leap_avvp.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5])
def test_the_share_dropped_and_the_scale_are_right(p):
    torch.manual_seed(0)
    out = Dropout(p).train()(torch.ones(1000, 1001))
    number = out.numel()
    dropped = (out == 0).double().mean().item()
    assert dropped == pytest.approx(p, abs=5 * (p * (1 - p) / number) ** 0.5 + 1 / 65536)
    kept = out[out != 0]
    assert kept.min() == kept.max()
    assert kept[0].item() == pytest.approx(1 / (1 - p), rel=1e-4)
    assert out.mean().item() == pytest.approx(1, abs=0.01)


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    dropped = (Dropout(0.5).train()(torch.ones(4_000_000)) == 0).double()
    for lag in (1, 2, 3, 4, 5):  # four elements share a random word
        correlation = ((dropped[lag:] - 0.5) * (dropped[:-lag] - 0.5)).mean().item() * 4
        assert abs(correlation) < 0.003


def test_the_gradient_passes_where_the_value_does():
    torch.manual_seed(0)
    x = torch.ones(3, 7, requires_grad=True)
    out = Dropout(0.5).train()(x)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())


@pytest.mark.parametrize("training", [True, False])
def test_onto_a_residual_is_their_sum_and_changes_neither(training):
    layer = Dropout(0.4).train(training)
    x = torch.randn(4, 3, 6, dtype=torch.float64, requires_grad=True)
    residual = torch.randn(1, 3, 6, dtype=torch.float64, requires_grad=True)  # broadcast, as LEAP's shared queries are
    before = x.detach().clone(), residual.detach().clone()
    torch.manual_seed(2)
    expected = residual + layer(x)
    torch.manual_seed(2)
    out = layer.onto(residual, x)
    assert torch.equal(out, expected)
    weights = torch.randn_like(out)
    for mine, theirs in zip(
        torch.autograd.grad((out * weights).sum(), (x, residual)),
        torch.autograd.grad((expected * weights).sum(), (x, residual)),
        strict=True,
    ):
        assert torch.equal(mine, theirs)
    assert torch.equal(x, before[0])
    assert torch.equal(residual, before[1])


def test_onto_a_residual_of_a_wider_type_keeps_that_type():
    out = Dropout(0.4).train().onto(torch.ones(3, dtype=torch.float64), torch.ones(3))
    assert out.dtype == torch.float64


def test_a_feed_forward_drops_what_relu_gives():
    layer = FeedForward(5, 7, 0.4).train()
    x = torch.randn(3, 5)
    torch.manual_seed(3)
    out = layer(x)
    torch.manual_seed(3)
    assert torch.equal(out, layer.outer(layer.dropout(layer.inner(x).relu())))


def test_seed_eval_and_zero():
    x = torch.randn(5, 9)
    layer = Dropout(0.3).train()
    torch.manual_seed(1)
    first = layer(x)
    torch.manual_seed(1)
    assert torch.equal(first, layer(x))
    assert not torch.equal(first, layer(x))
    assert layer.eval()(x) is x
    assert Dropout(0.0).train()(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0])
def test_an_impossible_probability_is_refused(p):
    with pytest.raises(ValueError, match="dropout"):
        Dropout(p)
