"""The attention lift against a plain loop, in batches of any size."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from leap_avvp.errors import DataError
from leap_avvp.metrics.attention import AttentionLift, attention_lift, lift_report


def maps(
    videos: int = 7, heads: int = 3, classes: int = 5, segments: int = 6
) -> tuple[dict[str, Tensor], list[Tensor]]:
    generator = torch.Generator().manual_seed(0)
    shape = (videos, heads, classes, segments)
    out = {f"{name}_attention": torch.randn(shape, generator=generator).softmax(-1) for name in ("audio", "visual")}
    truth = [torch.rand(videos, segments, classes, generator=generator) < 0.3 for _ in range(2)]
    truth[0][:, :, 1] = False  # never heard, yet seen
    return out, truth


def oracle(attention: Tensor, target: Tensor) -> tuple[list[float | None], float]:
    """Return the mean lift of each class over the videos that have it, and the mean over such classes."""
    videos, heads, classes, segments = attention.shape
    found: list[float | None] = []
    for c in range(classes):
        values = []
        for b in range(videos):
            true = [t for t in range(segments) if target[b, t, c]]
            if true:
                inside = sum(float(attention[b, h, c, t]) for h in range(heads) for t in true) / heads
                values.append(inside / (len(true) / segments))
        found.append(sum(values) / len(values) if values else None)
    there = [value for value in found if value is not None]
    return found, sum(there) / len(there)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_plain_loop_says_the_same(size: int) -> None:
    out, truth = maps()
    metric = AttentionLift(5)
    for start in range(0, 7, size):
        rows = slice(start, start + size)
        metric.update({name: each[rows] for name, each in out.items()}, *(grid[rows] for grid in truth))
    report = lift_report(metric.compute(), list("abcde"))
    for modality, target in zip(("audio", "visual"), truth, strict=True):
        by_class, mean = oracle(out[f"{modality}_attention"], target)
        assert report[modality] == pytest.approx(mean, abs=1e-6)
        assert [row[modality] for row in report["by_class"].values()] == pytest.approx(by_class, abs=1e-6)
    assert report["by_class"]["b"]["audio"] is None
    assert report["by_class"]["b"]["visual"] > 0


def test_states_merge_by_their_sums() -> None:
    out, truth = maps()
    halves = [AttentionLift(5), AttentionLift(5)]
    for metric, rows in zip(halves, (slice(0, 3), slice(3, 7)), strict=True):
        metric.update({name: each[rows] for name, each in out.items()}, *(grid[rows] for grid in truth))
    halves[0].merge_state(halves[1])
    by_class, _ = oracle(out["visual_attention"], truth[1])
    assert halves[0].compute()["visual_by_class"].tolist() == pytest.approx(by_class, abs=1e-6)


def test_even_attention_is_1_and_all_of_it_inside_is_the_most() -> None:
    target = torch.zeros(1, 10, 2, dtype=torch.bool)
    target[0, 2:6, 0] = target[0, 9, 1] = True
    assert attention_lift(torch.full((1, 8, 2, 10), 0.1), target)[0].tolist() == pytest.approx([1, 1])
    inside = torch.where(target.transpose(1, 2), 1.0, 0.0)
    focused = (inside / inside.sum(-1, keepdim=True))[:, None]
    assert attention_lift(focused, target)[0].tolist() == pytest.approx([10 / 4, 10])
    assert attention_lift(focused.flip(1), ~target).tolist() == [[0.0, 0.0]]


def test_a_modality_without_a_map_has_no_number() -> None:
    out, truth = maps()
    metric = AttentionLift(5)
    metric.update({"audio_attention": out["audio_attention"]}, *truth)
    report = lift_report(metric.compute(), list("abcde"))
    assert report["visual"] is None
    assert math.isfinite(report["audio"])


def test_low_precision_keeps_the_sums_wide() -> None:
    out, truth = maps()
    metric = AttentionLift(5).to(torch.bfloat16)
    metric.update({name: each.bfloat16() for name, each in out.items()}, *truth)
    assert metric.sums.dtype == torch.float64
    by_class, _ = oracle(out["visual_attention"].bfloat16().float(), truth[1])
    assert metric.compute()["visual_by_class"].tolist() == pytest.approx(by_class, abs=1e-6)


def test_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match=r"expected \(videos, heads, classes, segments\) = \(1, 'H', 2, 10\), found"):
        attention_lift(torch.zeros(1, 8, 10, 2), torch.zeros(1, 10, 2, dtype=torch.bool))
