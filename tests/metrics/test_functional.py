"""The ten scores of a video: the released program's, a slow oracle's and a few worked by hand."""

from __future__ import annotations

import operator
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.metrics.functional import (
    SCORE_NAMES,
    Counts,
    event_counts,
    float_dtype,
    per_video_f1,
    per_video_scores,
    segment_counts,
)
from leap_avvp.metrics.grids import Grids

# The oracle: plain Python, one class of one video at a time, runs as sets of seconds.

Row = list[bool]


def runs(row: Row) -> list[set[int]]:
    found: list[set[int]] = []
    for second, on in enumerate(row):
        if on and second and row[second - 1]:
            found[-1].add(second)
        elif on:
            found.append({second})
    return found


def iou(one: set[int], other: set[int]) -> Fraction:
    return Fraction(len(one & other), len(one | other))


def class_counts(level: str, said: Row, true: Row, threshold: Fraction = Fraction(1, 2)) -> np.ndarray:
    if level == "segment":
        pairs = list(zip(said, true, strict=True))
        return np.array([pairs.count((True, True)), pairs.count((True, False)), pairs.count((False, True))])
    tp = sum(any(iou(run, other) >= threshold for other in runs(true)) for run in runs(said))
    fn = sum(all(iou(run, other) < threshold for run in runs(said)) for other in runs(true))
    return np.array([tp, len(runs(said)) - tp, fn])


def mean_f1(counts: list[np.ndarray]) -> float:
    f1 = [2 * tp / (2 * tp + fp + fn) for tp, fp, fn in counts if tp + fp + fn]
    return sum(f1) / len(f1) if f1 else 1.0


def oracle(video: list[Tensor]) -> dict[str, float]:
    """Score one video: four grids (T, C)."""
    grids = [grid.T.tolist() for grid in video]  # lists (C, T)
    both = [
        [[a and v for a, v in zip(*rows, strict=True)] for rows in zip(*pair, strict=True)]
        for pair in (grids[:2], grids[2:])
    ]
    scores = {}
    for level in ("segment", "event"):
        counts = {
            name: [class_counts(level, *rows) for rows in zip(said, true, strict=True)]
            for name, said, true in (
                ("audio", grids[0], grids[2]),
                ("visual", grids[1], grids[3]),
                ("audio_visual", *both),
            )
        }
        kinds = {name: mean_f1(values) for name, values in counts.items()}
        summed = [a + v for a, v in zip(counts["audio"], counts["visual"], strict=True)]
        for name, value in (kinds | {"type_av": sum(kinds.values()) / 3, "event_av": mean_f1(summed)}).items():
            scores[f"{level}/{name}"] = value
    return scores


@st.composite
def videos(draw: st.DrawFn, grids: int = 4) -> list[Tensor]:
    """Draw boolean grids (B, T, C) of any shape, from empty to full, with runs of any length."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 14), st.integers(1, 4)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth, drawn = None, []
    for _ in range(grids):
        density, stay = draw(st.sampled_from((0.0, 0.2, 0.5, 0.9, 1.0))), draw(st.sampled_from((0.0, 0.6)))
        grid = rng.random(shape) < density
        for t in range(1, shape[1]):
            grid[:, t] = np.where(rng.random(grid[:, t].shape) < stay, grid[:, t - 1], grid[:, t])
        # Independent grids seldom match: take most seconds of an earlier one every other time.
        if truth is not None and draw(st.booleans()):
            grid = np.where(rng.random(shape) < 0.9, truth, grid)
        truth = grid
        drawn.append(torch.from_numpy(grid))
    return drawn


def row(text: str) -> Tensor:
    """Return a grid (1, T, 1) from a drawing such as ``.##.``."""
    return torch.tensor([mark == "#" for mark in text])[None, :, None]


def grid(*rows: str) -> Tensor:
    """Return a grid (1, T, C), one drawing a class."""
    return torch.cat([row(text) for text in rows], dim=2)


def plain(counts: Counts) -> tuple[list[int], ...]:
    """Return the counts of a single video."""
    return tuple(value[0].tolist() for value in counts)


# The released program


def test_every_video_scores_what_the_released_program_gives(golden: SimpleNamespace) -> None:
    scores = per_video_scores(*golden.grids)
    assert len(golden.per_video) == 8
    for name, expected in golden.per_video.items():
        assert len(expected) == 1200
        torch.testing.assert_close(
            scores[name], expected, rtol=0, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}"
        )


# The oracle


@given(videos())
@settings(deadline=None, max_examples=200)
def test_scores_are_the_oracles(grids: list[Tensor]) -> None:
    scores = per_video_scores(*grids)
    assert tuple(scores) == SCORE_NAMES
    for index, video in enumerate(zip(*grids, strict=True)):
        expected = oracle(list(video))
        assert {name: value[index].item() for name, value in scores.items()} == pytest.approx(expected, abs=1e-12)


SIZES = [(3, 1, 1), (3, 10, 1), (2, 1, 527), (1, 10, 527), (2, 10, 28), (1, 60, 100), (2, 600, 3), (1, 600, 1)]


def long_grids(shape: tuple[int, int, int], seed: int = 0) -> list[Tensor]:
    """Return two predictions and their truths (B, T, C): events of many segments, most of which are found in part."""
    rng = np.random.default_rng(seed)
    truth = []
    for _ in range(2):
        change = rng.random(shape) < 0.08
        change[:, 0] = rng.random(change[:, 0].shape) < 0.5
        occurs = rng.random((shape[0], 1, shape[2])) < max(0.1, 2 / shape[2])
        truth.append((np.cumsum(change, axis=1) % 2 == 1) & occurs)
    said = [np.where(rng.random(shape) < 0.05, rng.random(shape) < 0.1, grid) for grid in truth]
    return [torch.from_numpy(grid) for grid in (*said, *truth)]


@pytest.mark.parametrize("shape", SIZES)
def test_scores_are_the_oracles_for_any_number_of_segments_and_classes(shape: tuple[int, int, int]) -> None:
    grids = long_grids(shape)
    scores = per_video_scores(*grids)
    counts = event_counts(grids[0], grids[2])
    for index, video in enumerate(zip(*grids, strict=True)):
        expected = oracle(list(video))
        assert {name: value[index].item() for name, value in scores.items()} == pytest.approx(expected, abs=1e-12)
        for label in range(shape[2]):
            found = [int(value[index, label]) for value in counts]
            assert found == class_counts("event", video[0][:, label].tolist(), video[2][:, label].tolist()).tolist()
    if shape[1] > 10:
        assert counts.tp.sum() > 0 < counts.fp.sum(), "some are found, and not all"


def test_many_videos_are_scored_in_parts_and_no_score_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    grids = long_grids((7, 10, 28))
    whole = per_video_scores(*grids)
    monkeypatch.setattr("leap_avvp.metrics.grids._PART", 2 * 10 * 28)  # two videos at a time
    assert [len(part.pred_audio) for part in Grids(*grids).parts()] == [2, 2, 2, 1]
    for name, value in per_video_scores(*grids).items():
        assert torch.equal(value, whole[name])
    monkeypatch.setattr("leap_avvp.metrics.grids._PART", 1)  # a video is never cut
    assert [len(part.pred_audio) for part in Grids(*grids).parts()] == [1] * 7


@given(videos(grids=2), st.fractions(Fraction(1, 20), 1, max_denominator=20))
@settings(deadline=None, max_examples=200)
def test_event_counts_are_the_oracles_at_any_threshold(grids: list[Tensor], threshold: Fraction) -> None:
    counts = torch.stack(event_counts(*grids, iou_threshold=float(threshold)), dim=-1)
    for b, c in np.ndindex(counts.shape[:2]):
        said, true = (value[b, :, c].tolist() for value in grids)
        assert counts[b, c].tolist() == class_counts("event", said, true, threshold).tolist()


@given(videos(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_a_video_scores_the_same_in_any_order_and_batch(grids: list[Tensor], random: object) -> None:
    scores = per_video_scores(*grids)
    order = torch.randperm(len(grids[0]), generator=torch.Generator().manual_seed(random.randrange(2**31)))  # type: ignore[attr-defined]
    shuffled = per_video_scores(*(value[order] for value in grids))
    alone = [per_video_scores(*(value[[index]] for value in grids)) for index in range(len(order))]
    for name, value in scores.items():
        assert torch.equal(shuffled[name], value[order])
        assert torch.equal(torch.cat([one[name] for one in alone]), value)


@given(videos())
@settings(deadline=None)
def test_classes_may_come_in_any_order_and_time_run_backwards(grids: list[Tensor]) -> None:
    scores = per_video_scores(*grids)
    turned = per_video_scores(*(value.flip(1, 2) for value in grids))
    for name, value in scores.items():
        torch.testing.assert_close(turned[name], value, rtol=0, atol=1e-12)


@given(videos(grids=2))
@settings(deadline=None)
def test_the_truth_scores_1(grids: list[Tensor]) -> None:
    for value in per_video_scores(*grids, *grids).values():
        assert torch.equal(value, torch.ones(len(grids[0]), dtype=torch.float64))


# Worked by hand


def test_segment_counts() -> None:
    said = grid("##.#", "....", "#...")
    true = grid(".###", "..##", "....")
    assert plain(segment_counts(said, true)) == ([2, 0, 0], [1, 0, 1], [1, 2, 0])


@pytest.mark.parametrize(
    ("said", "true", "expected"),
    [
        ("#####.....", "##########", (1, 0, 0)),  # IoU 5/10: the threshold itself counts
        ("####......", "##########", (0, 1, 1)),  # 4/10
        ("##########", "###.......", (0, 1, 1)),  # 3/10: the other way round
        ("..####....", "####......", (0, 1, 1)),  # 2/6
        (".###......", "####......", (1, 0, 0)),  # 3/4
        ("#.#.#.#.#.", ".#.#.#.#.#", (0, 5, 5)),  # the most runs that fit, side by side
        ("#.#.#.#.#.", "#.#.#.#.#.", (5, 0, 0)),
        ("####.#####", "##########", (1, 1, 0)),  # only the second reaches 5/10; the truth is found by it
        ("##########", "####.#####", (1, 0, 1)),  # one prediction for two true runs: found by one, missed the other
        (".#........", ".#......#.", (1, 0, 1)),
        ("#.........", ".........#", (0, 1, 1)),
        ("..........", "...###....", (0, 0, 1)),
        ("...###....", "..........", (0, 1, 0)),
        ("..........", "..........", (0, 0, 0)),
    ],
)
def test_event_counts(said: str, true: str, expected: tuple[int, int, int]) -> None:
    assert plain(event_counts(row(said), row(true))) == tuple([value] for value in expected)


def test_several_predicted_runs_may_count_for_one_true_run() -> None:
    said, true = row("####.#####"), row("##########")
    assert plain(event_counts(said, true, iou_threshold=0.4)) == ([2], [0], [0])


def test_runs_of_different_classes_and_videos_do_not_touch() -> None:
    said = torch.cat((grid("...#", "#..."), grid("#...", "...#")))
    true = torch.cat((grid("..##", "##.."), grid("##..", "..##")))
    for counts in (event_counts(said, true), event_counts(true, said)):
        assert [value.tolist() for value in counts] == [[[1, 1], [1, 1]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]


def test_an_iou_equal_to_a_decimal_threshold_reaches_it() -> None:
    said = torch.zeros(1, 100, 1, dtype=torch.bool)
    said[:, :7] = True
    # 7 / 100 is 0.07, but 0.07 * 100 is above 7 in floating point.
    assert plain(event_counts(said, torch.ones_like(said), iou_threshold=0.07)) == ([1], [0], [0])


def test_long_runs_are_counted_exactly_under_autocast() -> None:
    true = torch.ones(1, 601, 1, dtype=torch.bool)
    said = true.clone()
    said[:, 300:] = False  # 300/601 lies below a half; in bfloat16 it is one
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert plain(event_counts(said, true)) == ([0], [1], [1])


def test_f1_is_a_mean_over_the_classes_that_occur() -> None:
    counts = Counts(
        tp=torch.tensor([[2, 0, 0], [0, 0, 0], [0, 0, 0]]),
        fp=torch.tensor([[1, 1, 0], [0, 0, 0], [0, 0, 2]]),
        fn=torch.tensor([[1, 0, 0], [0, 0, 0], [3, 0, 0]]),
    )
    # 4/6 and 0 over two classes; none occurs; two classes, nothing right.
    assert per_video_f1(counts).tolist() == [pytest.approx(1 / 3), 1.0, 0.0]


def test_the_ten_scores_of_one_video() -> None:
    scores = per_video_scores(
        pred_audio=grid("####", "...."),
        pred_visual=grid("##..", "#..."),
        target_audio=grid("##..", "...."),
        target_visual=grid("##..", ".#.."),
    )
    expected = {
        "segment/audio": 2 / 3,  # one class: 2 right, 2 too many
        "segment/visual": 1 / 2,  # classes 1 and 0
        "segment/audio_visual": 1.0,  # both maps are ##.. in the first class
        "segment/type_av": (2 / 3 + 1 / 2 + 1) / 3,
        "segment/event_av": (8 / 10 + 0) / 2,  # first class: 2 + 2 right, 2 + 0 too many
        "event/audio": 1.0,  # IoU 2/4
        "event/visual": 1 / 2,
        "event/audio_visual": 1.0,
        "event/type_av": (1 + 1 / 2 + 1) / 3,
        "event/event_av": 1 / 2,
    }
    assert {name: value.item() for name, value in scores.items()} == pytest.approx(expected, abs=1e-12)


def test_event_av_sums_counts_and_averages_no_scores() -> None:
    # Heard right, seen where nothing is: the class has 1 right and 1 too many in both levels' sums.
    nothing = grid("..")
    scores = per_video_scores(grid("#."), grid("#."), grid("#."), nothing)
    for level in ("segment", "event"):
        assert scores[f"{level}/audio"].item() == 1
        assert scores[f"{level}/visual"].item() == 0
        assert scores[f"{level}/event_av"].item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("shape", [(0, 10, 25), (3, 1, 1), (3, 10, 0), (2, 0, 3)])
def test_nothing_at_all_scores_1(shape: tuple[int, int, int]) -> None:
    empty = torch.zeros(shape, dtype=torch.bool)
    for value in per_video_scores(*[empty] * 4).values():
        assert torch.equal(value, torch.ones(shape[0], dtype=torch.float64))


def test_scores_are_float64_wherever_the_device_has_it() -> None:
    scores = per_video_scores(*[row("#.")] * 4)
    assert {(value.dtype, value.device.type) for value in scores.values()} == {(torch.float64, "cpu")}
    assert float_dtype(torch.device("mps")) == torch.float32
    assert float_dtype(torch.device("cuda")) == torch.float64


def test_arguments_are_left_alone() -> None:
    grids = [row("##.#"), row(".##."), row("#..#"), row("####")]
    copies = [value.clone() for value in grids]
    per_video_scores(*grids)
    assert all(torch.equal(value, copy) for value, copy in zip(grids, copies, strict=True))


# Errors


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pred_audio", torch.rand(2, 10, 25), r"pred_audio: expected a boolean .*threshold.* found torch\.float32"),
        ("target_visual", torch.ones(2, 10, 25, dtype=torch.int64), r"target_visual: .* found torch\.int64"),
        ("pred_visual", np.ones((2, 10, 25), dtype=bool), "pred_visual: expected a boolean tensor .* found ndarray"),
        ("pred_audio", torch.ones(10, 25, dtype=torch.bool), r"pred_audio: .*videos, segments, classes.*\(10, 25\)"),
        (
            "target_audio",
            torch.ones(2, 25, 10, dtype=torch.bool),
            r"target_audio: expected the shape of pred_audio, \(2, 10, 25\), found \(2, 25, 10\)",
        ),
        (
            "target_audio",
            torch.ones(2, 10, 25, dtype=torch.bool, device="meta"),
            "target_audio: expected the device of pred_audio, cpu, found meta",
        ),
    ],
)
def test_a_wrong_argument_is_named(name: str, value: Tensor, message: str) -> None:
    names = ("pred_audio", "pred_visual", "target_audio", "target_visual")
    good = {key: torch.ones(2, 10, 25, dtype=torch.bool) for key in names}
    assert set(Grids(**good).pairs) == {"audio", "visual", "audio_visual"}
    with pytest.raises(DataError, match=message):
        per_video_scores(**(good | {name: value}))


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.01, float("nan")])
def test_a_wrong_iou_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(ConfigError, match="iou_threshold: expected a number above 0 and up to 1, found"):
        event_counts(row("#"), row("#"), iou_threshold=threshold)


def test_only_counts_add_to_counts() -> None:
    one = segment_counts(row("#."), row("##"))
    assert plain(one + one) == ([2], [0], [2])
    with pytest.raises(TypeError):
        operator.add(one, (1, 2, 3))
