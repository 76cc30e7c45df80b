"""Which classes are drawn, and names that fit."""

from __future__ import annotations

import numpy as np
import pytest

from leap_avvp.card import LLP
from leap_avvp.figures.classes import FEW, choose_classes, left_out, shortened, text_width


def test_of_few_classes_all_are_shown() -> None:
    for number in (1, 25, FEW):
        nowhere = np.zeros(number, dtype=bool)
        assert choose_classes(nowhere, (np.zeros(number),), most=1) == (list(range(number)), 0)


def test_of_many_those_that_occur_are_shown_in_their_order() -> None:
    occurs, strength = np.zeros(100, dtype=bool), np.zeros(100)
    occurs[[70, 4, 33]] = True
    strength[[70, 4, 33, 99]] = [5, 1, 3, 9]
    assert choose_classes(occurs, (strength,)) == ([4, 33, 70], 0)
    assert choose_classes(occurs, (strength,), most=2) == ([33, 70], 1)


def test_the_next_measure_decides_where_the_first_is_equal() -> None:
    occurs = np.ones(40, dtype=bool)
    true, said = np.zeros(40, dtype=np.int64), np.arange(40)
    true[7] = 1
    assert choose_classes(occurs, (true, said), most=3) == ([7, 38, 39], 37)
    assert choose_classes(occurs, (true, np.zeros(40)), most=3) == ([0, 1, 7], 37), "of equals the first"


def test_where_none_occurs_the_strongest_stand_in() -> None:
    strength = np.arange(60)
    assert choose_classes(np.zeros(60, dtype=bool), (strength,)) == ([55, 56, 57, 58, 59], 0)


def test_what_is_left_out_is_said() -> None:
    assert left_out(25, 25, 0, "that occur", "true segments") is None
    assert left_out(100, 7, 0, "that occur", "true segments") == "Shown: 7 of 100 classes, those that occur."
    assert left_out(100, 30, 12, "that occur", "true segments") == (
        "Shown: 30 of 100 classes, those with most true segments; 12 more that occur are left out."
    )


def test_no_name_of_llp_is_shortened_in_the_room_of_an_axis() -> None:
    assert [shortened(name, 7, 79) for name in LLP.display] == list(LLP.display)


@pytest.mark.parametrize("name", ["W" * 50, "one two three four five six seven eight", "$\\alpha$" * 10, "a$b" * 20])
def test_a_long_name_ends_with_an_ellipsis_and_fits(name: str) -> None:
    short = shortened(name, 7, 79)
    assert short.endswith("…")
    assert name.startswith(short[:-1])
    assert text_width(short, 7) <= 79
    assert text_width(name[: len(short)] + "…", 7) > 79 or name[len(short) - 1] == " ", "not shorter than needed"


def test_no_room_leaves_a_letter() -> None:
    assert shortened("Speech", 7, 1) == "S…"


def test_dollars_are_measured_as_letters() -> None:
    assert text_width("$x$", 7) > text_width("x", 7) + text_width("$", 7)
    assert text_width("a\\$b$", 7) > text_width("a$b$", 7), "a backslash is one, too"
