"""The seconds that an axis names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

from leap_avvp.card import LLP, DataCard
from leap_avvp.figures.timeline import edge_grid, second_ticks, time_axis

Make = Callable[..., DataCard]


def test_llps_axes_name_each_second_and_each_fifth() -> None:
    assert second_ticks(LLP, 10, 199) == list(range(11))
    assert second_ticks(LLP, 2, 36, outer=1.5) == [0, 5, 10]


@pytest.mark.parametrize(
    ("segments", "seconds", "expected"),
    [
        (1, 1.0, [0, 1]),
        (1, 10.0, [0, 10]),  # nothing between the ends of a segment
        (7, 1.0, [0, 1, 2, 3, 4, 5, 6, 7]),
        (30, 1.0, [0, 5, 10, 15, 20, 25, 30]),
        (60, 1.0, [0, 10, 20, 30, 40, 50, 60]),
        (60, 0.5, [0, 5, 10, 15, 20, 25, 30]),
        (10, 0.96, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (600, 1.0, [0, 100, 200, 300, 400, 500, 600]),
        (4, 0.25, [0, 0.5, 1]),
        (1, 0.001, [0, 0.001]),
    ],
)
def test_steps_are_round(make_card: Make, segments: int, seconds: float, expected: list[float]) -> None:
    assert second_ticks(make_card(2, segments, seconds), 10, 199) == pytest.approx(expected)


def test_where_numbers_would_meet_the_ends_alone_are_named(make_card: Make) -> None:
    assert second_ticks(make_card(2, 600), 2, 36, outer=1.5) == [0, 600]
    assert second_ticks(make_card(2, 600), 2, 100, outer=1.5) == [0, 300, 600]


@pytest.mark.parametrize("seconds", [0.001, 0.04, 0.96, 1.0, 3.0, 10.0, 3600.0])
def test_ticks_lie_on_the_axis_and_apart_for_every_length(make_card: Make, seconds: float) -> None:
    for segments in (*range(1, 62), 127, 300, 599, 600):
        card = make_card(1, segments, seconds)
        for most in (2, 10):
            ticks = np.array(second_ticks(card, most, 199))
            assert 2 <= len(ticks) <= most + 1
            assert ticks[0] == 0
            assert ticks[-1] <= card.duration * (1 + 1e-9)
            steps = np.diff(ticks)
            assert np.allclose(steps, steps[0])
            assert ticks[-1] > card.duration / 2, "the axis is not bare behind the last"


def test_an_axis_is_in_seconds_with_lines_at_the_segments_edges(make_card: Make) -> None:
    card = make_card(2, 20, 3.0)
    axis = Figure(figsize=(3, 2)).subplots()
    time_axis(axis, card, 10, 7)
    edge_grid(axis, card)
    assert axis.get_xlim() == (0, 60)
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0", "10", "20", "30", "40", "50", "60"]
    assert list(axis.get_xticks(minor=True)) == [3.0 * place for place in range(21)]
    assert not any(line.get_visible() for line in axis.get_xgridlines()), "not at 10 s, which is no edge"


def test_edges_of_narrow_segments_are_not_drawn(make_card: Make) -> None:
    card = make_card(2, 600)
    axis = Figure(figsize=(3, 2)).subplots()
    time_axis(axis, card, 10, 7)
    edge_grid(axis, card)
    assert not len(axis.get_xticks(minor=True))
    assert all(line.get_visible() for line in axis.get_xgridlines())


def test_outer_numbers_turn_inwards_only_at_the_ends(make_card: Make) -> None:
    axis = Figure(figsize=(3, 2)).subplots()
    time_axis(axis, make_card(2, 7), 2, 7, inside=True)  # 0, 3 and 6 of 7 seconds
    assert [label.get_horizontalalignment() for label in axis.get_xticklabels()] == ["left", "center", "center"]
