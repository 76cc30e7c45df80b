"""Learning-rate schedules that torch does not have."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from leap_avvp.errors import ConfigError

__all__ = ["WarmupCosine"]


class WarmupCosine(LambdaLR):
    """Linear warm-up, then half a cosine down to zero, stepped after every optimizer step.

    Short trainings need it: without a warm-up the deep encoders stall at these rates.

    Args:
        optimizer: whose rate is scheduled.
        total_steps: optimizer steps of the whole training (filled in from the trainer).
        warmup_steps: steps until the full rate.
    """

    interval = "step"

    def __init__(self, optimizer: Optimizer, total_steps: int, warmup_steps: int = 20) -> None:
        if isinstance(warmup_steps, bool) or not isinstance(warmup_steps, int) or warmup_steps < 0:
            raise ConfigError(f"scheduler.warmup_steps: expected a whole number of at least 0, found {warmup_steps!r}")

        def factor(step: int) -> float:
            if step < warmup_steps:
                return (step + 1) / warmup_steps
            progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

        super().__init__(optimizer, factor)
