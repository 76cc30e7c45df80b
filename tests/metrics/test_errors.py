"""Kinds of mistakes, against a loop over every cell."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leap_avvp.errors import DataError
from leap_avvp.metrics.errors import ERROR_KINDS, error_counts


def by_hand(said, true, other):
    counts = dict.fromkeys(ERROR_KINDS, 0)
    for b in range(len(said)):
        for t in range(len(said[b])):
            for c in range(len(said[b][t])):
                if said[b][t][c] and true[b][t][c]:
                    counts["correct"] += 1
                elif true[b][t][c]:
                    counts["missed"] += 1
                elif said[b][t][c] and other[b][t][c]:
                    counts["wrong_modality"] += 1
                elif said[b][t][c] and any(true[b][u][c] for u in range(len(said[b]))):
                    counts["wrong_time"] += 1
                elif said[b][t][c]:
                    counts["invented"] += 1
    return counts


@given(seed=st.integers(0, 2**31), shape=st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(1, 4)))
@settings(deadline=None, max_examples=60)
def test_against_a_loop(seed: int, shape: tuple[int, int, int]) -> None:
    generator = torch.Generator().manual_seed(seed)
    grids = [torch.rand(shape, generator=generator) < 0.4 for _ in range(4)]
    lists = [grid.tolist() for grid in grids]
    found = error_counts(*grids)
    assert found == {
        "audio": by_hand(lists[0], lists[2], lists[3]),
        "visual": by_hand(lists[1], lists[3], lists[2]),
    }
    for name, said, true in (("audio", grids[0], grids[2]), ("visual", grids[1], grids[3])):
        shares = found[name]
        assert sum(shares.values()) - shares["missed"] == int(said.sum())
        assert shares["correct"] + shares["missed"] == int(true.sum())


def test_probabilities_are_refused() -> None:
    grid = torch.zeros(1, 2, 3)
    with pytest.raises(DataError, match="boolean"):
        error_counts(grid, grid, grid, grid)
