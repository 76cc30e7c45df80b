"""Audible-only and visible-only scores against a plain reading, and that the ten numbers do not know of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from leap_avvp.errors import DataError
from leap_avvp.metrics import EXCLUSIVE_NAMES, SCORE_NAMES, ParsingMetrics, exclusive_scores

Grid = NDArray[np.bool_]


def random_grids(videos: int, seed: int, segments: int = 10, classes: int = 4) -> list[Tensor]:
    """Return grids with empty videos and classes, long and short runs, and much that both modalities share."""
    rng = np.random.default_rng(seed)
    common = rng.random((videos, segments, classes)) < 0.5
    grids = []
    for _ in range(4):
        grid = np.where(rng.random(common.shape) < 0.7, common, rng.random(common.shape) < 0.5)
        grid &= rng.random((videos, 1, classes)) < 0.7
        grids.append(torch.from_numpy(grid & (rng.random((videos, 1, 1)) < 0.8)))
    return grids


def runs(flags: list[bool]) -> list[set[int]]:
    """Return the maximal runs of True, each as the set of its segments."""
    found: list[set[int]] = []
    for t, flag in enumerate(flags):
        if flag and t and flags[t - 1]:
            found[-1].add(t)
        elif flag:
            found.append({t})
    return found


def oracle(said: Grid, true: Grid, level: str) -> float:
    """Return the F1 of one video (T, C), a class after the other."""
    values = []
    for c in range(said.shape[1]):
        mine, theirs = said[:, c].tolist(), true[:, c].tolist()
        if not any(mine) and not any(theirs):
            continue
        if level == "segment":
            tp = sum(a and b for a, b in zip(mine, theirs, strict=True))
            fp, fn = sum(mine) - tp, sum(theirs) - tp
        else:
            first, second = runs(mine), runs(theirs)
            tp = sum(any(len(a & b) / len(a | b) >= 0.5 for b in second) for a in first)
            fp = len(first) - tp
            fn = sum(not any(len(a & b) / len(a | b) >= 0.5 for a in first) for b in second)
        values.append(2 * tp / (2 * tp + fp + fn))
    return sum(values) / len(values) if values else 1.0


@pytest.mark.parametrize("seed", range(6))
def test_a_plain_reading_says_the_same(seed: int) -> None:
    grids = random_grids(12, seed)
    found = exclusive_scores(*grids)
    assert tuple(found) == EXCLUSIVE_NAMES
    pa, pv, ta, tv = (grid.numpy() for grid in grids)
    pairs = {"audible_only": (pa & ~pv, ta & ~tv), "visible_only": (pv & ~pa, tv & ~ta)}
    values = set()
    for level in ("segment", "event"):
        for name, (said, true) in pairs.items():
            expected = [oracle(said[video], true[video], level) for video in range(12)]
            assert found[f"{level}/{name}"].tolist() == pytest.approx(expected, abs=1e-12)
            values |= set(expected)
    assert len(values) > 10, "the grids say little"


def test_an_event_is_a_run_of_segments_that_are_heard_and_not_seen() -> None:
    # Heard for all ten seconds, its source in the picture in second 4: two audible-only events, four and five long.
    heard, seen = torch.ones(1, 10, 1, dtype=torch.bool), torch.zeros(1, 10, 1, dtype=torch.bool)
    seen[0, 4] = True
    nothing = torch.zeros_like(seen)
    found = exclusive_scores(heard, nothing, heard, seen)
    # Said: one run of ten. It overlaps the longer true run by 5 of 10, and the shorter by 4 of 10.
    assert found["event/audible_only"].item() == pytest.approx(2 / (2 + 1))
    assert found["segment/audible_only"].item() == pytest.approx(18 / (18 + 1))
    assert found["segment/visible_only"].item() == 1.0, "nothing is only seen, and nothing is said to be"
    assert exclusive_scores(nothing, heard, heard, seen)["event/visible_only"].item() == 0.0


def test_videos_without_any_score_1_and_videos_do_not_touch() -> None:
    grids = random_grids(9, 3)
    empty = torch.zeros(1, 10, 4, dtype=torch.bool)
    assert {value.item() for value in exclusive_scores(empty, empty, empty, empty).values()} == {1.0}
    whole = exclusive_scores(*grids)
    for video in range(9):
        alone = exclusive_scores(*(grid[video : video + 1] for grid in grids))
        assert {name: value.item() for name, value in alone.items()} == {
            name: values[video].item() for name, values in whole.items()
        }


def test_the_metric_has_them_beside_the_ten_and_their_average() -> None:
    grids = random_grids(11, 4)
    with_them, without = ParsingMetrics(), ParsingMetrics(exclusive=False)
    for start in range(0, 11, 4):
        part = [grid[start : start + 4] for grid in grids]
        with_them.update(*part)
        without.update(*part)
    scores, ten = with_them.compute(), without.compute()
    assert tuple(scores) == (*SCORE_NAMES, "average", *EXCLUSIVE_NAMES)
    assert {name: scores[name].item() for name in ten} == {name: value.item() for name, value in ten.items()}
    assert scores["average"].item() == pytest.approx(np.mean([scores[name].item() for name in SCORE_NAMES]))
    expected = {name: 100 * value.mean().item() for name, value in exclusive_scores(*grids).items()}
    assert {name: scores[name].item() for name in EXCLUSIVE_NAMES} == pytest.approx(expected, abs=1e-10)


def test_grids_are_checked() -> None:
    with pytest.raises(DataError, match="pred_visual: expected a boolean tensor"):
        exclusive_scores(torch.zeros(1, 2, 3) > 0, torch.zeros(1, 2, 3), *[torch.zeros(1, 2, 3) > 0] * 2)
