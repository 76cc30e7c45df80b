"""Simulated annotations have the statistics of LLP, within stated bounds.

The figures on the right are counts of the annotation files of Tian et al. (ECCV 2020).
"""

from __future__ import annotations

import numpy as np
import pytest

from leap_avvp.data.simulate.labels import draw_dense, draw_weak
from leap_avvp.data.statistics import DenseStatistics, dense_statistics, label_statistics
from leap_avvp.llp import CLASSES

NUMBER = 20_000
LLP_CLASS_VIDEOS = {
    "train": [
        4988,
        624,
        528,
        761,
        192,
        343,
        455,
        218,
        299,
        602,
        186,
        1172,
        437,
        1457,
        495,
        146,
        445,
        224,
        411,
        587,
        503,
        99,
        430,
        291,
        164,
    ],
    "val": [365, 43, 46, 59, 21, 18, 35, 12, 18, 33, 14, 84, 34, 73, 41, 12, 29, 16, 22, 35, 51, 8, 34, 22, 45],
    "test": [625, 91, 86, 110, 36, 47, 46, 24, 27, 89, 31, 181, 64, 159, 58, 20, 52, 28, 60, 68, 104, 11, 43, 34, 84],
}
LLP_VIDEOS = {"train": 10_000, "val": 649, "test": 1_200}


@pytest.fixture(scope="module")
def dense() -> DenseStatistics:
    """Simulated validation and test videos, in LLP's proportion."""
    weak = np.concatenate(
        [
            draw_weak(split, LLP_VIDEOS[split] * 10, np.random.default_rng(index))
            for index, split in enumerate(("val", "test"))
        ]
    )
    return dense_statistics(*draw_dense(weak, np.random.default_rng(7)))


@pytest.mark.parametrize(
    ("split", "share"),
    [
        ("train", [0, 0.403, 0.588, 0.009, 0]),
        ("val", [0, 0.327, 0.565, 0.086, 0.022]),
        ("test", [0, 0.337, 0.541, 0.098, 0.021]),
    ],
)
def test_labels_per_video(split: str, share: list[float]) -> None:
    found = label_statistics(draw_weak(split, NUMBER, np.random.default_rng(0)))
    np.testing.assert_allclose(found.labels_per_video, share, atol=0.012)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_class_frequencies(split: str) -> None:
    found = label_statistics(draw_weak(split, NUMBER, np.random.default_rng(1))).class_share
    real = np.array(LLP_CLASS_VIDEOS[split]) / LLP_VIDEOS[split]
    # Validation and test are drawn from one table: their class frequencies differ by chance, up to 0.04.
    np.testing.assert_allclose(found, real, atol=0.01 if split == "train" else 0.04)


@pytest.mark.parametrize(
    ("first", "second", "videos"),
    [
        ("Dog", "Speech", 680),
        ("Speech", "Violin_fiddle", 586),
        ("Singing", "Speech", 521),
        ("Cello", "Violin_fiddle", 516),
        ("Car", "Speech", 367),
    ],
)
def test_frequent_pairs_of_train(first: str, second: str, videos: int) -> None:
    found = label_statistics(draw_weak("train", NUMBER, np.random.default_rng(2))).pair_share
    share = found[CLASSES.index(first), CLASSES.index(second)]
    assert share == pytest.approx(videos / 10_000, abs=0.006)


def test_speech_is_never_alone_in_train() -> None:
    weak = draw_weak("train", NUMBER, np.random.default_rng(3))
    assert not weak[weak.sum(axis=1) == 1, 0].any()


def test_weak_label_is_the_union_of_the_dense_ones() -> None:
    weak = draw_weak("test", 2_000, np.random.default_rng(4))
    audio, visual = draw_dense(weak, np.random.default_rng(5))
    assert np.array_equal((audio | visual).any(axis=1), weak)


def test_dense_labels_of_a_video_do_not_depend_on_later_videos() -> None:
    weak = draw_weak("train", 300, np.random.default_rng(6))
    assert np.array_equal(weak[:100], draw_weak("train", 100, np.random.default_rng(6)))
    all_of_them = draw_dense(weak, np.random.default_rng(7))
    first = draw_dense(weak[:100], np.random.default_rng(7))
    assert np.array_equal(all_of_them.audio[:100], first.audio)
    assert np.array_equal(all_of_them.visual[:100], first.visual)


def test_no_video_is_no_trouble() -> None:
    weak = np.zeros((3, 25), dtype=bool)
    audio, visual = draw_dense(weak, np.random.default_rng(0))
    assert not audio.any()
    assert not visual.any()


def test_modalities(dense: DenseStatistics) -> None:
    assert dense.only_heard == pytest.approx(0.349, abs=0.015)
    assert dense.only_seen == pytest.approx(0.046, abs=0.006)
    assert dense.both == pytest.approx(0.606, abs=0.015)


def test_temporal_overlap_of_the_modalities(dense: DenseStatistics) -> None:
    assert dense.iou_mean == pytest.approx(0.827, abs=0.01)
    assert dense.iou_exact == pytest.approx(0.604, abs=0.02)
    assert dense.iou_below_04 == pytest.approx(0.10, abs=0.015)


@pytest.mark.parametrize(
    ("stream", "share"),
    [
        ("audio", [17.4, 13.5, 10.2, 7.9, 4.9, 3.9, 3.9, 3.1, 2.9, 32.3]),
        ("visual", [9.0, 8.1, 6.9, 5.8, 3.5, 4.1, 3.0, 2.9, 1.9, 55.0]),
        ("audio_visual", [14.3, 11.9, 10.1, 8.2, 4.7, 5.0, 4.4, 3.3, 3.1, 35.0]),
    ],
)
def test_run_lengths(dense: DenseStatistics, stream: str, share: list[float]) -> None:
    # Audio-visual runs are not fitted, they follow from the overlap.
    atol = 4.0 if stream == "audio_visual" else 1.0
    np.testing.assert_allclose(100 * getattr(dense, stream).run_length, share, atol=atol)


@pytest.mark.parametrize(
    ("stream", "share", "onset"),
    [
        ("audio", [78.4, 17.2, 3.8, 0.6], 53.1),
        ("visual", [89.1, 9.2, 1.5, 0.2], 71.5),
        ("audio_visual", [81.6, 14.9, 3.0, 0.3], 56.5),
    ],
)
def test_runs_and_onsets(dense: DenseStatistics, stream: str, share: list[float], onset: float) -> None:
    found = getattr(dense, stream)
    np.testing.assert_allclose(100 * found.runs_per_event, share, atol=1.5)
    assert 100 * found.onset_at_start == pytest.approx(onset, abs=2.5)


@pytest.mark.parametrize(
    ("stream", "classes", "events"),
    [
        ("audio", [0.5, 36.1, 53.8, 8.0, 1.4], [10.3, 60.9, 25.4, 2.9, 0.5]),
        ("visual", [10.3, 65.7, 19.4, 3.8, 0.7], [19.6, 66.5, 11.8, 1.9, 0.3]),
        ("audio_visual", [14.4, 64.7, 17.5, 2.9, 0.4], [32.3, 57.7, 8.5, 1.3, 0.2]),
    ],
)
def test_classes_a_video_and_events_a_segment(
    dense: DenseStatistics, stream: str, classes: list[float], events: list[float]
) -> None:
    found = getattr(dense, stream)
    np.testing.assert_allclose(100 * found.classes_per_video, classes, atol=2.5)
    # Not fitted: it follows from the rest. LLP's sounds fill each other's pauses more than simulated ones do.
    np.testing.assert_allclose(100 * found.events_per_segment, events, atol=6.0 if stream == "audio" else 3.0)


def test_audible_and_visible_by_class(dense: DenseStatistics) -> None:
    # Speech is heard far more often than seen; a car is seen more often than heard.
    assert dense.seen_by_class[0] / dense.heard_by_class[0] == pytest.approx(225 / 988, abs=0.02)
    assert dense.seen_by_class[1] / dense.heard_by_class[1] == pytest.approx(133 / 106, abs=0.1)
