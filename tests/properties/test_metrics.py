"""Metrics and protocols against plain Python, on every grid that is short and on grids of any shape."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leap_avvp.metrics import ParsingMetrics, Protocol, per_video_scores
from leap_avvp.metrics.functional import event_counts, segment_counts
from leap_avvp.metrics.per_class import PER_CLASS_NAMES, per_class_f1
from leap_avvp.metrics.protocol import FILTERS, non_finite_videos

pytestmark = pytest.mark.no_cover  # drawn many times, over lines that other tests cover
DRAWN = settings(deadline=None, max_examples=100, derandomize=True)


def intervals(row: list[bool]) -> list[tuple[int, int]]:
    """Return the runs of a row as (start, end), by looking at every stretch there is."""
    length = len(row)
    return [
        (start, end)
        for start in range(length)
        for end in range(start + 1, length + 1)
        if all(row[start:end]) and not (start and row[start - 1]) and not (end < length and row[end])
    ]


def events(said: list[bool], true: list[bool]) -> tuple[int, int, int]:
    """Return true positives, false positives and misses, at an IoU of a half."""

    def match(one: tuple[int, int], other: tuple[int, int]) -> bool:
        common = max(0, min(one[1], other[1]) - max(one[0], other[0]))
        return 2 * common >= (one[1] - one[0]) + (other[1] - other[0]) - common

    found, there = intervals(said), intervals(true)
    right = sum(any(match(run, other) for other in there) for run in found)
    return right, len(found) - right, sum(not any(match(run, other) for other in found) for run in there)


@pytest.mark.parametrize("length", range(7))
def test_events_of_every_pair_of_short_rows(length: int) -> None:
    rows = list(itertools.product([False, True], repeat=length))
    pairs = list(itertools.product(rows, rows))
    said, true = (
        torch.tensor([pair[place] for pair in pairs], dtype=torch.bool).reshape(len(pairs), length, 1)
        for place in (0, 1)
    )
    found = torch.stack(event_counts(said, true)).squeeze(-1).T.tolist()
    assert found == [list(events(list(one), list(other))) for one, other in pairs]
    segments = torch.stack(segment_counts(said, true)).squeeze(-1).T.tolist()
    both = [[sum(map(bool.__and__, *pair)), sum(pair[0]), sum(pair[1])] for pair in pairs]
    assert segments == [[common, one - common, other - common] for common, one, other in both]


@st.composite
def grids(draw: st.DrawFn, number: int = 4) -> list[Tensor]:
    """Draw boolean grids (B, T, C), empty axes, all zeros and all ones among them."""
    shape = draw(st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 5)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return [torch.from_numpy(rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.7, 1.0]))) for _ in range(number)]


@given(grids())
@DRAWN
def test_scores_stay_in_range_and_turn_with_the_modalities(said_and_true: list[Tensor]) -> None:
    audio, visual, true_audio, true_visual = said_and_true
    scores = per_video_scores(*said_and_true)
    turned = per_video_scores(visual, audio, true_visual, true_audio)
    for level in ("segment", "event"):
        for name, other in (("audio", "visual"), ("audio_visual", "audio_visual"), ("event_av", "event_av")):
            torch.testing.assert_close(scores[f"{level}/{name}"], turned[f"{level}/{other}"], rtol=0, atol=1e-12)
    for value in scores.values():
        assert value.shape == audio.shape[:1]
        assert ((value >= 0) & (value <= 1)).all()


@given(grids())
@DRAWN
def test_a_class_that_never_occurs_changes_no_score(said_and_true: list[Tensor]) -> None:
    wider = [
        torch.cat([grid, torch.zeros_like(grid[..., :1]), torch.zeros_like(grid[..., :1])], 2) for grid in said_and_true
    ]
    for name, value in per_video_scores(*said_and_true).items():
        torch.testing.assert_close(per_video_scores(*wider)[name], value, rtol=0, atol=1e-12)


@given(grids(), st.integers(1, 3))
@DRAWN
def test_the_metric_is_the_mean_over_videos_in_batches_of_any_size(said_and_true: list[Tensor], size: int) -> None:
    if not len(said_and_true[0]):
        return
    metrics = ParsingMetrics()
    for part in zip(*(grid.split(size) for grid in said_and_true), strict=True):
        metrics.update(*part)
    found = metrics.compute()
    means = {
        name: 100 * math.fsum(value.tolist()) / len(value) for name, value in per_video_scores(*said_and_true).items()
    }
    assert {name: float(found[name]) for name in means} == pytest.approx(means, abs=1e-9)
    assert float(found["average"]) == pytest.approx(math.fsum(means.values()) / len(means), abs=1e-9)


@given(grids())
@DRAWN
def test_the_f1_of_each_class_against_plain_python(said_and_true: list[Tensor]) -> None:
    found = per_class_f1(*said_and_true)
    assert tuple(found) == PER_CLASS_NAMES
    audio, visual, true_audio, true_visual = said_and_true
    pairs = {
        "audio": (audio, true_audio),
        "visual": (visual, true_visual),
        "audio_visual": (audio & visual, true_audio & true_visual),
    }
    batch, _, classes = audio.shape
    for name, (said, true) in pairs.items():
        for event in range(classes):
            tp = fp = fn = hit = wrong = lost = 0
            for video in range(batch):
                one, other = said[video, :, event].tolist(), true[video, :, event].tolist()
                right, extra, missed = events(one, other)
                tp, fp, fn = tp + right, fp + extra, fn + missed
                for p, t in zip(one, other, strict=True):
                    hit, wrong, lost = hit + (p and t), wrong + (p and not t), lost + (t and not p)
            for level, (right, extra, missed) in {"segment": (hit, wrong, lost), "event": (tp, fp, fn)}.items():
                whole = 2 * right + extra + missed
                expected = 200 * right / whole if whole else math.nan
                assert float(found[f"{level}/{name}"][event]) == pytest.approx(expected, abs=1e-9, nan_ok=True)


PROBABILITY = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])  # thresholds are drawn from them too


@given(data=st.data(), filter=st.sampled_from(FILTERS))
@DRAWN
def test_protocols_against_plain_python(data: st.DataObject, filter: str) -> None:
    batch, length, classes = data.draw(st.tuples(*[st.integers(1, 3)] * 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))

    def draw(*shape: int) -> Tensor:
        return torch.from_numpy(rng.choice([0.0, 0.1, 0.25, 0.5, 0.75, 1.0], shape))

    out = {name: draw(batch, classes) for name in ("video_prob", "audio_prob", "visual_prob")}
    out |= {f"segment_{name}_prob": draw(batch, length, classes) for name in ("audio", "visual")}
    segment, video, own = data.draw(PROBABILITY), data.draw(PROBABILITY), data.draw(st.none() | PROBABILITY)
    found = Protocol(filter, segment, video, segment_threshold_audio=own).apply(out)
    for modality, grid in zip(("audio", "visual"), found, strict=True):
        threshold = own if modality == "audio" and own is not None else segment
        level = {"union": "video_prob", "per_modality": f"{modality}_prob"}.get(filter)
        for b, t, c in itertools.product(range(batch), range(length), range(classes)):
            said = float(out[f"segment_{modality}_prob"][b, t, c]) >= threshold
            allowed = level is None or float(out[level][b, c]) >= video
            assert bool(grid[b, t, c]) == (said and allowed)


@given(data=st.data())
@DRAWN
def test_non_finite_probabilities_are_found_wherever_they_are(data: st.DataObject) -> None:
    shapes = {
        "video_prob": (4, 3),
        "audio_prob": (4, 3),
        "segment_audio_prob": (4, 5, 3),
        "segment_visual_prob": (4, 5, 3),
    }
    dtype = data.draw(st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]))
    out = {name: torch.ones(shape, dtype=dtype) for name, shape in shapes.items()}
    spoilt = data.draw(
        st.lists(
            st.tuples(st.sampled_from([*shapes]), st.integers(0, 3), st.sampled_from([math.nan, math.inf, -math.inf]))
        )
    )
    for name, video, value in spoilt:
        out[name][video].view(-1)[data.draw(st.integers(0, out[name][video].numel() - 1))] = value
    assert non_finite_videos(out) == sorted({video for _, video, _ in spoilt})
    assert non_finite_videos({"label_audio_feature": torch.full((2, 2), math.nan)}) == []
