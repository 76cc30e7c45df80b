"""Labels of any card: LLP's proportions, with classes and segments of any number."""

from __future__ import annotations

import numpy as np
import pytest

from leap_avvp.data.simulate.generic import draw_dense_labels, draw_weak_labels
from leap_avvp.data.statistics import dense_statistics, label_statistics


def weak_labels(number: int, classes: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return draw_weak_labels(number, classes, rng.permutation(classes), rng)


def test_every_class_occurs_as_soon_as_there_is_a_video_for_each() -> None:
    for classes in (1, 28, 527):
        assert weak_labels(classes, classes).any(axis=0).all()
    assert weak_labels(40, 527).any(axis=0).sum() >= 40


def test_splits_of_one_order_hold_the_same_classes() -> None:
    order = np.random.default_rng(0).permutation(500)
    one, other = (draw_weak_labels(20, 500, order, np.random.default_rng(seed)) for seed in (1, 2))
    assert (one & other)[np.arange(20), order[:20]].all()


def test_class_frequencies_fall_gently() -> None:
    share = label_statistics(weak_labels(20_000, 50)).class_share
    assert share[:5].mean() > 2.5 * share[-5:].mean()
    assert share.max() < 6 * share.min()


def test_labels_per_video() -> None:
    np.testing.assert_allclose(
        label_statistics(weak_labels(20_000, 50)).labels_per_video, [0, 0.4, 0.5, 0.1, 0], atol=0.02
    )
    assert weak_labels(500, 2).sum(axis=1).max() == 2
    assert weak_labels(500, 3).sum(axis=1).max() == 3


@pytest.mark.parametrize("segments", [10, 60])
def test_modalities_and_times_are_like_llps(segments: int) -> None:
    found = dense_statistics(*draw_dense_labels(weak_labels(5_000, 28), segments, np.random.default_rng(1)))
    assert found.only_heard == pytest.approx(0.35, abs=0.03)
    assert found.only_seen == pytest.approx(0.05, abs=0.02)
    assert found.both == pytest.approx(0.60, abs=0.03)
    assert found.iou_mean == pytest.approx(0.827, abs=0.04)
    # LLP's means are 7.0 of ten seconds heard, and 8.1 seen.
    assert found.audio.seconds_per_event / segments == pytest.approx(0.70, abs=0.1)
    assert found.visual.seconds_per_event / segments == pytest.approx(0.81, abs=0.1)
    for stream in (found.audio, found.visual):
        assert stream.runs_per_event[0] > 0.75
        assert stream.runs_per_event[1] > 0.05
        assert stream.runs_per_event[2:].sum() == 0


@pytest.mark.parametrize("segments", [1, 2, 3, 600])
def test_every_event_is_on_somewhere(segments: int) -> None:
    weak = weak_labels(300, 7)
    audio, visual = draw_dense_labels(weak, segments, np.random.default_rng(1))
    np.testing.assert_array_equal((audio | visual).any(axis=1), weak)


def test_many_labels_and_none() -> None:
    weak = np.zeros((3, 40), dtype=bool)
    weak[1] = True
    audio, visual = draw_dense_labels(weak, 8, np.random.default_rng(0))
    np.testing.assert_array_equal((audio | visual).any(axis=1), weak)
