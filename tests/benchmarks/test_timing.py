"""Shares of a step: products, the optimizer and the rest are told apart, and threads are given back."""

from __future__ import annotations

import pytest
import torch

from benchmarks.timing import shares, threads


def test_products_and_the_optimizer_are_told_apart():
    weight = torch.nn.Parameter(torch.randn(256, 256))
    optimizer = torch.optim.Adam([weight], fused=True)
    x = torch.randn(2048, 256)

    def products() -> None:
        (x @ weight).sum().backward()

    def update() -> None:
        weight.grad = torch.ones_like(weight)
        optimizer.step()

    found = shares(products, steps=2)
    assert found.products > 0
    assert found.optimizer == 0
    assert found.products + found.optimizer + found.rest == pytest.approx(1)
    found = shares(update, steps=2)
    assert found.products == 0
    assert 0 < found.optimizer <= 1


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
