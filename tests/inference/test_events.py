"""Grids as events, against a plain reading of the grids."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from leap_avvp.inference.events import MODALITIES, Event, events_of
from tests.inference.helpers import own_card


def test_every_segment_of_an_event_and_no_other_is_on() -> None:
    card = own_card()
    rng = np.random.default_rng(0)
    for _ in range(50):
        grids = {modality: rng.random((5, 3)) < 0.5 for modality in MODALITIES}
        probabilities = {modality: rng.random((5, 3), dtype=np.float32) for modality in MODALITIES}
        events = events_of(grids, probabilities, card)
        again = {modality: np.zeros((5, 3), dtype=bool) for modality in MODALITIES}
        for event in events:
            index = card.classes.index(event.name)
            assert event.display == card.display[index]
            first, last = round(event.onset / 0.5), round(event.offset / 0.5)
            assert not again[event.modality][max(first - 1, 0) : last + 1, index].any(), "events that touch are one"
            again[event.modality][first:last, index] = True
            mean = np.mean([float(value) for value in probabilities[event.modality][first:last, index]])
            assert event.probability == pytest.approx(mean, abs=1e-12)
        assert all((again[modality] == grids[modality]).all() for modality in MODALITIES)
        order = [(event.onset, event.offset, card.classes.index(event.name)) for event in events]
        assert all(one <= other for one, other in pairwise(order))


def test_times_are_written_as_a_person_would() -> None:
    card = own_card(seconds=0.1)
    grid = np.zeros((5, 3), dtype=bool)
    grid[3:4, 2] = True
    none = np.zeros_like(grid)
    (event,) = events_of({"audio": none, "visual": grid}, dict.fromkeys(MODALITIES, np.full((5, 3), 0.25)), card)
    assert event == Event("Lawn_mower", "lawn mower", "visual", 0.3, 0.4, 0.25)


def test_nothing_is_no_event() -> None:
    none = dict.fromkeys(MODALITIES, np.zeros((5, 3), dtype=bool))
    assert events_of(none, dict.fromkeys(MODALITIES, np.ones((5, 3), np.float32)), own_card()) == []
