"""A wrong argument of what a config names is one line that names the key."""

from __future__ import annotations

from typing import Any

import pytest

from leap_avvp.config.arguments import check_arguments, wrong_arguments
from leap_avvp.errors import ConfigError, DataError

STEP: dict[str, Any] = {"_target_": "torch.optim.lr_scheduler.StepLR", "_partial_": True, "step_size": 3}


def test_arguments_that_there_are_pass() -> None:
    check_arguments(STEP, "scheduler", positional=1)
    check_arguments({**STEP, "gamma": 0.5}, "scheduler", positional=1)
    check_arguments({"_target_": "torch.nn.Linear", "_args_": [3, 4], "bias": False}, "x")


def test_one_that_there_is_not_is_named_with_the_nearest_or_with_all() -> None:
    with pytest.raises(ConfigError, match=r"^scheduler\.step_sizes: expected an argument of torch.*mean step_size\?"):
        check_arguments({**STEP, "step_sizes": 3}, "scheduler", positional=1)
    with pytest.raises(ConfigError, match=r"^scheduler\.warmup_steps: .*it takes step_size, gamma, last_epoch; leave"):
        check_arguments({**STEP, "warmup_steps": 3}, "scheduler", positional=1)
    with pytest.raises(ConfigError, match=r"^scheduler\.optimizer: "):
        check_arguments({**STEP, "optimizer": 3}, "scheduler", positional=1)


def test_one_that_is_needed_is_named_with_the_word_that_adds_it() -> None:
    with pytest.raises(ConfigError, match=r"^scheduler\.step_size: .* needs it; add \+scheduler\.step_size=VALUE"):
        check_arguments({"_target_": STEP["_target_"]}, "scheduler", positional=1)
    check_arguments({"_target_": STEP["_target_"]}, "scheduler", positional=1, named=["step_size"])


def test_a_text_for_a_number_is_named() -> None:
    early = {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "val/average"}
    check_arguments({**early, "patience": 3}, "callbacks.early")
    with pytest.raises(ConfigError, match=r"^callbacks\.early\.patience: expected a whole number, found 'abc'"):
        check_arguments({**early, "patience": "abc"}, "callbacks.early")


@pytest.mark.parametrize("error", [TypeError("a\nb"), ValueError("a"), ZeroDivisionError("a"), IndexError("a")])
def test_what_a_part_raises_is_told_with_its_arguments(error: Exception) -> None:
    with pytest.raises(ConfigError) as caught, wrong_arguments(STEP, "scheduler"):
        raise error
    assert str(caught.value) == "scheduler: torch.optim.lr_scheduler.StepLR(step_size=3): a"


def test_a_parts_own_complaint_and_a_stop_stay() -> None:
    with pytest.raises(DataError, match="mine"), wrong_arguments(STEP, "scheduler"):
        raise DataError("mine")
    with pytest.raises(KeyboardInterrupt), wrong_arguments(STEP, "scheduler"):
        raise KeyboardInterrupt
