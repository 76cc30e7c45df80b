"""Simulated feature files: a reader's reduction of their rows gives the loaded features back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from leap_avvp.card import DataCard
from leap_avvp.card.reduce import reduce_rows
from leap_avvp.data.simulate import SimulatedLLP
from tests.data.simulate.cards import SETS, SMALL, llp_with, make_card


def check_rows(card: DataCard) -> dict[str, np.ndarray]:
    """Check each stream of a video against what is loaded, and return its rows."""
    source = SimulatedLLP(**SMALL, card=card)
    data = source.load("test")
    rows = source.rows("test", 1)
    assert rows.keys() == card.features.streams.keys()
    for name, stream in card.features.streams.items():
        loaded = getattr(data, name)[1]
        shapes = stream.shapes(card.segments)
        assert not shapes or rows[name].shape == shapes[0]
        assert rows[name].dtype == np.float32
        reduced = reduce_rows(rows[name], stream.reduce, card.segments)
        assert np.abs(reduced - loaded).max() <= 1e-5 * np.abs(loaded).max(), name
        np.testing.assert_array_equal(rows[name], source.rows("test", 1)[name])
    return rows


@pytest.mark.parametrize("name", SETS)
def test_each_set(name: str) -> None:
    check_rows(llp_with(name))


@pytest.mark.parametrize("segments", [1, 10, 31, 60, 600])
def test_maps_of_short_and_long_videos(segments: int) -> None:
    """A map has 32 places in time: what longer videos load is what fits into it."""
    rows = check_rows(make_card(5, segments, "valor"))["audio"]
    assert rows.shape == (64, 768)
    assert np.abs(rows).max() < 100


@pytest.mark.parametrize("segments", [1, 2, 7, 60])
@pytest.mark.parametrize("rows", ["any", "64", "3T"])
def test_pooled_rows(rows: str, segments: int) -> None:
    features = llp_with("lsld").features
    pooled = dataclasses.replace(features.streams["audio"], rows=rows, width=40, reduce="pool")
    card = make_card(5, segments).with_features(
        dataclasses.replace(features, name="pooled", streams=dict(features.streams) | {"audio": pooled})
    )
    found = len(check_rows(card)["audio"])
    assert found == {"any": 3 * segments // 2 + 1, "64": 64, "3T": 3 * segments}[rows]


def test_rows_differ_within_a_segment() -> None:
    rows = check_rows(llp_with("embedded"))
    for values in rows.values():
        assert 0.1 < values.reshape(10, 4, -1).std(axis=1).mean() < 0.5
    assert not np.array_equal(rows["audio"][:, :8], rows["video_2d"][:, :8])


def test_streams_of_one_row_a_segment_are_the_features() -> None:
    source = SimulatedLLP(**SMALL)
    rows, features = source.rows("val", 1), source.features("val", 1)
    np.testing.assert_array_equal(rows["audio"], features.audio)
    np.testing.assert_array_equal(rows["video_2d"], source.frames("val", 1))
