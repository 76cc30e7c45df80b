"""Learning-rate schedules that torch does not have."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from leap_avvp.errors import ConfigError

__all__ = ["WarmupCosine", "WarmupHold"]


def _check_warmup(steps: object) -> int:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ConfigError(f"scheduler.warmup_steps: expected a whole number of at least 0, found {steps!r}")
    return steps


def _warmup(step: int, steps: int) -> float:
    """Return the share of the rate that a linear warm-up over ``steps`` allows at ``step``."""
    return (step + 1) / steps if step < steps else 1.0


def _check_share(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigError(f"scheduler.{name}: expected a share from 0 to 1, found {value!r}")
    return float(value)


class WarmupCosine(LambdaLR):
    """Linear warm-up, then half a cosine down to zero, or a share of the rate, stepped after every optimizer step.

    Short trainings need it: without a warm-up the deep encoders stall at these rates.

    Args:
        optimizer: whose rate is scheduled.
        total_steps: optimizer steps of the whole training (filled in from the trainer).
        warmup_steps: steps until the full rate.
        warmup_share: in place of ``warmup_steps``, the share of the training until the full rate.
        final_share: share of the rate that the cosine ends at.

    Raises:
        ConfigError: naming the argument.
    """

    interval = "step"

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,
        warmup_steps: int = 20,
        warmup_share: float | None = None,
        final_share: float = 0.0,
    ) -> None:
        steps = _check_warmup(warmup_steps)
        if warmup_share is not None:
            steps = round(_check_share("warmup_share", warmup_share) * total_steps)
        final = _check_share("final_share", final_share)

        def factor(step: int) -> float:
            if step < steps:
                return _warmup(step, steps)
            progress = (step - steps) / max(1, total_steps - steps)
            cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
            return final + (1 - final) * cosine

        super().__init__(optimizer, factor)


class WarmupHold(LambdaLR):
    """Linear warm-up, the full rate, then a straight line down to zero, stepped after every optimizer step.

    The rate stays up longer than a cosine lets it. Where warm-up and decay overlap, the smaller rate of both holds.

    Args:
        optimizer: whose rate is scheduled.
        total_steps: optimizer steps of the whole training (filled in from the trainer).
        warmup_steps: steps until the full rate.
        decay: share of the training, from its end, over which the rate falls.

    Raises:
        ConfigError: naming the argument.
    """

    interval = "step"

    def __init__(self, optimizer: Optimizer, total_steps: int, warmup_steps: int = 40, decay: float = 0.5) -> None:
        steps = _check_warmup(warmup_steps)
        if isinstance(decay, bool) or not isinstance(decay, int | float) or not 0 < decay <= 1:
            raise ConfigError(f"scheduler.decay: expected a share above 0 and up to 1, found {decay!r}")
        falling = decay * total_steps

        def factor(step: int) -> float:
            left = max(0, total_steps - step)
            return min(_warmup(step, steps), left / falling if left < falling else 1.0)

        super().__init__(optimizer, factor)
