"""F1 of each class, against counting by hand."""

from __future__ import annotations

import pytest
import torch

from leap_avvp.errors import DataError
from leap_avvp.metrics.per_class import PER_CLASS_NAMES, per_class_f1


def grids(*runs: tuple[int, int, int, int], videos: int = 2, segments: int = 4, classes: int = 3) -> torch.Tensor:
    """Return a grid with runs (video, class, first, last)."""
    grid = torch.zeros(videos, segments, classes, dtype=torch.bool)
    for video, label, first, last in runs:
        grid[video, first : last + 1, label] = True
    return grid


def test_counts_are_summed_over_videos_before_f1() -> None:
    heard = grids((0, 0, 0, 3), (1, 0, 0, 0))
    seen = grids((0, 1, 1, 2))
    said_heard = grids((0, 0, 0, 1), (1, 0, 2, 3))
    scores = per_class_f1(said_heard, seen, heard, seen)
    assert set(scores) == set(PER_CLASS_NAMES)
    # class 0, audio: 2 hits, 2 false (video 1), 2 + 1 missed
    assert scores["segment/audio"][0].item() == pytest.approx(100 * 4 / (4 + 2 + 3))
    # events: IoU 2/4 reaches one half; the other run meets nothing
    assert scores["event/audio"][0].item() == pytest.approx(100 * 2 / (2 + 1 + 1))
    assert scores["segment/visual"][1].item() == 100
    assert torch.isnan(scores["segment/audio"][2])
    assert torch.isnan(scores["segment/audio_visual"]).all()


@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 10, 527), (2, 60, 100), (3, 600, 2)])
def test_any_number_of_segments_and_classes_counts_as_its_classes_alone(
    shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    four = [torch.rand(shape, generator=generator) < 0.3 for _ in range(4)]
    whole = per_class_f1(*four)
    for label in {0, shape[2] // 2, shape[2] - 1}:
        alone = per_class_f1(*(grid[:, :, [label]] for grid in four))
        assert {name: value[label].item() for name, value in whole.items()} == pytest.approx(
            {name: value.item() for name, value in alone.items()}, nan_ok=True
        )
        tp = (four[0] & four[2])[:, :, label].sum().item()
        either = four[0][:, :, label].sum().item() + four[2][:, :, label].sum().item()
        expected = 200 * tp / either if either else float("nan")
        assert whole["segment/audio"][label].item() == pytest.approx(expected, nan_ok=True)
    monkeypatch.setattr("leap_avvp.metrics.grids._PART", shape[1] * shape[2])
    for name, value in per_class_f1(*four).items():
        torch.testing.assert_close(value, whole[name], rtol=0, atol=0, equal_nan=True)


def test_probabilities_are_refused() -> None:
    grid = grids((0, 0, 0, 1))
    with pytest.raises(DataError, match="boolean"):
        per_class_f1(grid.float(), grid, grid, grid)
