"""The schedules with a warm-up, by hand."""

from __future__ import annotations

import itertools

import pytest
import torch

from leap_avvp.errors import ConfigError
from leap_avvp.training.schedules import WarmupCosine, WarmupHold


def rates(total: int, warmup: int = 20, **options: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    schedule = WarmupCosine(optimizer, total, warmup, **options)
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


def test_a_share_of_the_training_is_warm_up_whatever_its_length():
    assert rates(60, warmup_share=1 / 6) == rates(60, 10)
    assert rates(120, warmup_share=1 / 6) == rates(120, 20)
    assert rates(3, warmup_share=0.0)[0] == 2.0


def test_the_cosine_may_end_above_zero():
    lower, plain = rates(14, 4, final_share=0.25), rates(14, 4)
    assert lower[:5] == plain[:5]
    assert lower[9] == pytest.approx(2 * (0.25 + 0.75 * 0.5))
    assert rates(1004, 4, final_share=0.05)[-1] == pytest.approx(2 * 0.05, rel=1e-3)
    assert rates(14, 4, final_share=0.0) == plain


@pytest.mark.parametrize("name", ["warmup_share", "final_share"])
@pytest.mark.parametrize("value", [-0.1, 1.5, True, "1"])
def test_an_impossible_share_is_refused(name, value):
    with pytest.raises(ConfigError, match=rf"scheduler\.{name}: expected a share"):
        rates(3, 1, **{name: value})


@pytest.mark.parametrize("warmup", [-1, 1.5, True])
def test_an_impossible_warmup_is_refused(warmup):
    with pytest.raises(ConfigError, match="warmup_steps"):
        rates(3, warmup)


def held(total: int, **options: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    schedule = WarmupHold(optimizer, total, **options)
    found = []
    for _ in range(total):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return [*found, optimizer.param_groups[0]["lr"]]


def test_the_rate_rises_stays_and_falls_in_a_straight_line():
    assert held(20, warmup_steps=4, decay=0.25) == pytest.approx(
        [0.5, 1.0, 1.5, *[2.0] * 13, 1.6, 1.2, 0.8, 0.4, 0.0], abs=1e-12
    )


def test_the_whole_training_may_be_decay():
    assert held(4, warmup_steps=0, decay=1) == pytest.approx([2.0, 1.5, 1.0, 0.5, 0.0])


def test_where_warmup_and_decay_overlap_the_smaller_rate_holds():
    found = held(6, warmup_steps=6, decay=1.0)
    assert found == pytest.approx([1 / 3, 2 / 3, 1, 1, 2 / 3, 1 / 3, 0])
    assert held(2, warmup_steps=40)[0] == pytest.approx(2 / 40)


def test_the_rate_stays_at_zero_after_the_end():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    schedule = WarmupHold(optimizer, 3, warmup_steps=0, decay=0.5)
    for _ in range(5):
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == 0


def test_it_goes_on_from_its_state():
    whole = held(12, warmup_steps=3, decay=0.5)
    found: list[float] = []
    state: tuple[dict, dict] | None = None
    for steps in (5, 7):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
        schedule = WarmupHold(optimizer, 12, warmup_steps=3, decay=0.5)
        if state:
            optimizer.load_state_dict(state[0])
            schedule.load_state_dict(state[1])
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        state = optimizer.state_dict(), schedule.state_dict()
    assert found == pytest.approx(whole[:-1])


@pytest.mark.parametrize("decay", [0, -0.1, 1.1, True, "0.3", None, float("nan")])
def test_an_impossible_decay_is_refused(decay):
    with pytest.raises(ConfigError, match=r"^scheduler\.decay: expected a share above 0 and up to 1, found"):
        held(3, decay=decay)


@pytest.mark.parametrize("warmup", [-1, 1.5, True, "4"])
def test_an_impossible_warmup_before_a_held_rate_is_refused(warmup):
    with pytest.raises(ConfigError, match=r"^scheduler\.warmup_steps: expected a whole number of at least 0, found"):
        held(3, warmup_steps=warmup)
