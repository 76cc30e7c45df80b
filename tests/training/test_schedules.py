"""The warm-up schedule, by hand and through a training."""

from __future__ import annotations

import itertools

import pytest
import torch

from leap_avvp.errors import ConfigError
from leap_avvp.training.schedules import WarmupCosine


def rates(total: int, warmup: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    schedule = WarmupCosine(optimizer, total, warmup)
    found = []
    for _ in range(total):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_the_rate_rises_linearly_and_falls_by_half_a_cosine():
    found = rates(14, 4)
    assert found[:5] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])
    assert found[9] == pytest.approx(1.0)  # half of the way down
    assert found[-1] < 0.1
    assert all(later < earlier for earlier, later in itertools.pairwise(found[4:]))


def test_without_warmup_it_starts_at_the_full_rate():
    assert rates(3, 0)[0] == 2.0


@pytest.mark.parametrize("warmup", [-1, 1.5, True])
def test_an_impossible_warmup_is_refused(warmup):
    with pytest.raises(ConfigError, match="warmup_steps"):
        rates(3, warmup)
