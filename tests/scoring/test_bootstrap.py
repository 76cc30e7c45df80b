"""The paired bootstrap: its intervals cover what they claim to, and pairing is what makes them narrow."""

from __future__ import annotations

import numpy as np
import pytest

from leap_avvp.errors import DataError
from leap_avvp.scoring.bootstrap import Difference, paired_bootstrap


def test_intervals_cover_the_true_difference_in_95_of_100_cases() -> None:
    rng = np.random.default_rng(0)
    trials, videos, true = 600, 150, 1.5
    covered = above = 0
    for trial in range(trials):
        shared = rng.beta(2, 2, videos)[:, None] * 100  # videos differ far more than the two rows do
        first = shared + true + rng.normal(0, 8, (videos, 1))
        second = shared + rng.normal(0, 8, (videos, 1))
        (found,) = paired_bootstrap(first, second, resamples=1000, seed=trial)
        covered += found.low <= true <= found.high
        above += found.word == "higher"
    # Four standard errors of a count with p = 0.95, and the percentile interval's slight shortness at 150 videos.
    assert covered / trials == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / trials) ** 0.5 + 0.005)
    assert 0 < above < trials, "1.5 points are sometimes seen and sometimes not, at this noise"


def test_pairing_narrows_the_interval() -> None:
    rng = np.random.default_rng(0)
    shared = rng.uniform(0, 100, (400, 1))
    first, second = shared + 1 + rng.normal(0, 1, (400, 1)), shared
    (paired,) = paired_bootstrap(first, second)
    (broken,) = paired_bootstrap(first, rng.permutation(second))
    assert paired.word == "higher"
    assert broken.high - broken.low > 10 * (paired.high - paired.low)


def test_it_resamples_as_drawing_videos_one_by_one_does() -> None:
    rng = np.random.default_rng(1)
    difference = rng.normal(0, 5, 40)
    drawn = [difference[rng.integers(0, 40, 40)].mean() for _ in range(20_000)]
    (found,) = paired_bootstrap(difference[:, None], np.zeros((40, 1)), resamples=20_000)
    np.testing.assert_allclose((found.low, found.high), np.percentile(drawn, (2.5, 97.5)), atol=0.05)
    assert found.mean == pytest.approx(difference.mean())


def test_equal_rows_are_within_noise_and_one_video_says_nothing() -> None:
    same = np.full((30, 2), 50.0)
    assert [found.word for found in paired_bootstrap(same, same)] == ["within noise"] * 2
    (one,) = paired_bootstrap(np.array([[3.0]]), np.array([[1.0]]))
    assert (one.mean, one.low, one.high) == (2, 2, 2)


def test_the_same_draws_every_time() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 50, 3))
    assert paired_bootstrap(first, second) == paired_bootstrap(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [(np.zeros((3, 1)), np.zeros((4, 1))), (np.zeros((0, 1)), np.zeros((0, 1))), (np.zeros(3), np.zeros(3))],
)
def test_other_shapes_are_refused(first, second) -> None:
    with pytest.raises(DataError, match="expected two equal"):
        paired_bootstrap(first, second)


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        paired_bootstrap(np.array([[np.nan]]), np.zeros((1, 1)))


def test_words() -> None:
    assert Difference(1, 0.5, 1.5).word == "higher"
    assert Difference(-1, -1.5, -0.5).word == "lower"
    assert str(Difference(0.5, -0.5, 1.5)) == "+0.5 [-0.5, +1.5] within noise"
