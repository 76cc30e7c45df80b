"""How sure a difference is: a paired bootstrap over the videos."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import DataError

__all__ = ["RESAMPLES", "Difference", "paired_bootstrap"]

RESAMPLES = 10_000
_CHUNK = 500
_LEVEL = 95.0


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference in one metric, in percentage points."""

    mean: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end."""

    @property
    def word(self) -> str:
        """``higher`` or ``lower`` where the interval leaves zero out, else ``within noise``."""
        if self.low > 0:
            return "higher"
        return "lower" if self.high < 0 else "within noise"

    def __str__(self) -> str:
        return f"{self.mean:+.1f} [{self.low:+.1f}, {self.high:+.1f}] {self.word}"


def paired_bootstrap(
    first: NDArray[np.float64], second: NDArray[np.float64], resamples: int = RESAMPLES, seed: int = 0
) -> list[Difference]:
    """Return the difference ``first - second`` of each metric, with its percentile interval over resampled videos.

    The same videos are drawn for both and for all metrics: what is easy for one is mostly easy for the other, and that
    shared part says nothing about their difference. Training seeds are averaged before; the interval covers the choice
    of test videos only.

    Args:
        first: (N, M) scores of N videos in M metrics, averaged over seeds.
        second: (N, M) of the same videos in the same order.
        resamples: how often N videos are drawn with replacement.
        seed: of the draws.

    Raises:
        DataError: other shapes, no video, or scores that are not finite.
    """
    if first.shape != second.shape or first.ndim != 2 or len(first) == 0:
        raise DataError(f"bootstrap: expected two equal (videos, metrics), found {first.shape} and {second.shape}")
    difference = np.asarray(first, dtype=np.float64) - second
    if not np.isfinite(difference).all():
        raise DataError("bootstrap: expected finite scores, found NaN or Inf")
    number = len(difference)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, difference.shape[1]))
    shares = np.full(number, 1 / number)
    for start in range(0, resamples, _CHUNK):
        # How often each video is drawn, in place of which: one product then gives all means.
        counts = rng.multinomial(number, shares, size=min(_CHUNK, resamples - start))
        means[start : start + len(counts)] = counts @ difference / number
    edge = (100 - _LEVEL) / 2
    low, high = np.percentile(means, [edge, 100 - edge], axis=0)
    return [
        Difference(float(mean), float(a), float(b))
        for mean, a, b in zip(difference.mean(axis=0), low, high, strict=True)
    ]
