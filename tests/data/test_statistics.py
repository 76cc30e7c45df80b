"""The measuring of annotations: a case worked by hand, and the real files against the figures we know of them."""

from __future__ import annotations

import numpy as np
import pytest

from leap_avvp.data.statistics import dense_statistics, label_statistics, temporal_iou


def grid(*events: tuple[int, int, int, int], videos: int = 2) -> np.ndarray:
    """Return (videos, 10, 3) with (video, class, onset, offset) switched on."""
    dense = np.zeros((videos, 10, 3), dtype=bool)
    for video, label, onset, offset in events:
        dense[video, onset:offset, label] = True
    return dense


AUDIO = grid((0, 0, 0, 4), (0, 0, 6, 7), (0, 1, 0, 10))
VISUAL = grid((0, 0, 0, 2), (1, 2, 3, 10))


def test_streams_by_hand() -> None:
    found = dense_statistics(AUDIO, VISUAL)
    np.testing.assert_allclose(found.audio.classes_per_video, [0.5, 0, 0.5, 0, 0])
    # Video 0: five seconds of two events, five of one; video 1: ten silent seconds.
    np.testing.assert_allclose(found.audio.events_per_segment, [0.5, 0.25, 0.25, 0, 0])
    np.testing.assert_allclose(found.audio.run_length * 3, [1, 0, 0, 1, 0, 0, 0, 0, 0, 1])
    np.testing.assert_allclose(found.audio.runs_per_event, [0.5, 0.5, 0, 0])
    assert found.audio.onset_at_start == pytest.approx(2 / 3)
    assert found.audio.seconds_per_event == pytest.approx(7.5)
    np.testing.assert_allclose(found.audio_visual.classes_per_video, [0.5, 0.5, 0, 0, 0])


def test_modalities_by_hand() -> None:
    found = dense_statistics(AUDIO, VISUAL)
    assert found.events == 3
    assert (found.only_heard, found.only_seen, found.both) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert found.heard_by_class.tolist() == [1, 1, 0]
    assert found.seen_by_class.tolist() == [1, 0, 1]
    assert found.both_by_class.tolist() == [1, 0, 0]
    assert found.iou_mean == pytest.approx(2 / 5)
    assert (found.iou_exact, found.iou_below_04) == (0.0, 0.0)


def test_iou_is_nan_where_there_is_no_event() -> None:
    iou = temporal_iou(AUDIO, VISUAL)
    assert iou[0].tolist()[:2] == pytest.approx([0.4, 0.0])
    assert np.isnan(iou[0, 2])


def test_nothing_at_all() -> None:
    found = dense_statistics(grid(), grid())
    assert found.events == 0
    assert np.isnan(found.iou_mean)
    assert found.audio.run_length.sum() == 0


def test_weak_labels_by_hand() -> None:
    weak = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], dtype=bool)
    found = label_statistics(weak)
    np.testing.assert_allclose(found.class_share, [0.75, 0.5, 0.25])
    np.testing.assert_allclose(found.labels_per_video, [0.25, 0.25, 0.25, 0.25, 0])
    assert found.pair_share[0, 1] == 0.5
    assert found.pair_share[1, 2] == 0.25
    assert np.diag(found.pair_share).tolist() == [0, 0, 0]
