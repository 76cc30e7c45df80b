"""Which videos are picked, by hand."""

from __future__ import annotations

import numpy as np

from leap_avvp.figures.parsing import Grids, runs_of
from leap_avvp.figures.pick import changing, disagreement, overlapping, worst


def grids(videos: int, *events: tuple[int, str, int, int, int]) -> Grids:
    """Return grids with events (video, modality, class, first, last)."""
    arrays = {name: np.zeros((videos, 10, 25), dtype=np.bool_) for name in ("audio", "visual")}
    for video, modality, label, first, last in events:
        arrays[modality][video, first : last + 1, label] = True
    return Grids([f"v{video}" for video in range(videos)], **arrays)


def test_runs_are_maximal_and_reach_the_edges() -> None:
    active = np.array([1, 1, 0, 0, 1, 0, 0, 0, 1, 1], dtype=np.bool_)
    assert runs_of(active) == [(0, 2), (4, 1), (8, 2)]
    assert runs_of(np.zeros(10, dtype=np.bool_)) == []
    assert runs_of(np.ones(10, dtype=np.bool_)) == [(0, 10)]


def test_overlap_counts_classes_within_a_modality_and_the_longest_comes_first() -> None:
    truth = grids(
        4,
        *[(0, "audio", 1, 0, 4), (0, "visual", 2, 0, 9)],  # in different modalities: no overlap
        *[(1, "audio", 1, 0, 4), (1, "audio", 2, 3, 9)],  # 2 seconds
        *[(2, "visual", 1, 0, 9), (2, "visual", 2, 2, 4)],  # 3 seconds
        *[(3, "audio", 1, 0, 4), (3, "audio", 2, 5, 9)],  # one after another
    )
    assert overlapping(truth) == [2, 1]


def test_changing_counts_events_that_are_on_for_a_part_in_either_modality() -> None:
    truth = grids(
        3,
        *[(0, "audio", 1, 0, 9), (0, "visual", 1, 0, 9), (0, "visual", 2, 0, 9)],  # from beginning to end
        *[(1, "audio", 1, 0, 4), (1, "audio", 2, 0, 9)],
        *[(2, "audio", 1, 0, 4), (2, "visual", 1, 2, 9)],
    )
    assert changing(truth) == [2, 1]


def test_disagreement_counts_decisions_of_both_modalities() -> None:
    one = grids(3, (0, "audio", 1, 0, 1), (1, "audio", 1, 0, 2), (2, "visual", 1, 0, 0))
    other = grids(3, (0, "audio", 1, 0, 1), (1, "visual", 1, 0, 0), (2, "visual", 1, 0, 3))
    assert disagreement(one, other) == [1, 2]
    assert disagreement(one, one) == []


def test_worst_is_the_lowest_mean_score() -> None:
    truth = grids(3, (0, "audio", 1, 0, 9), (1, "audio", 1, 0, 9), (2, "audio", 1, 0, 9))
    said = grids(3, (0, "audio", 1, 0, 9), (1, "visual", 2, 0, 9), (2, "audio", 1, 0, 4))
    assert worst(said, truth) == [1, 2, 0]
