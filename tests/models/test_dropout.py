"""Dropout by cheap random bits drops and scales as torch's does."""

from __future__ import annotations

import pytest
import torch

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
