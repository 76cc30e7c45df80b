"""Kinds of mistakes, against a loop over every decision."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leap_avvp.errors import DataError
from leap_avvp.metrics.errors import ERROR_KINDS, DecisionCounts, decision_counts


def kind_of(said: bool, here: list[bool], there: list[bool], segment: int) -> str:
    """Return the kind of one decision, from the truth of its class over the segments of its video."""
    if here[segment]:
        return "hit" if said else "missed"
    if not said:
        return "silent"
    if there[segment]:
        return "wrong_modality"
    if any(here):
        return "wrong_time"
    return "wrong_both" if any(there) else "invented"


def count_by_loop(said: torch.Tensor, here: torch.Tensor, there: torch.Tensor) -> dict[str, list[int]]:
    videos, segments, classes = said.shape
    counts = {name: [0] * classes for name in DecisionCounts._fields}
    for video in range(videos):
        for label in range(classes):
            truth = here[video, :, label].tolist(), there[video, :, label].tolist()
            for segment in range(segments):
                counts[kind_of(bool(said[video, segment, label]), *truth, segment)][label] += 1
    return counts


@st.composite
def four_grids(draw: st.DrawFn) -> list[torch.Tensor]:
    shape = [draw(st.integers(0, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 4))]
    density = draw(st.sampled_from([0.0, 0.15, 0.5, 1.0]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    return [torch.rand(shape, generator=generator) < density for _ in range(3)] + [
        torch.rand(shape, generator=generator) < 0.2
    ]


@given(four_grids())
@settings(max_examples=150, deadline=None)
def test_counts_are_those_of_a_loop_and_leave_nothing_out(grids: list[torch.Tensor]) -> None:
    pred_audio, pred_visual, target_audio, target_visual = grids
    found = decision_counts(*grids)
    loops = {
        "audio": count_by_loop(pred_audio, target_audio, target_visual),
        "visual": count_by_loop(pred_visual, target_visual, target_audio),
    }
    videos, segments, classes = pred_audio.shape
    for modality, loop in loops.items():
        counts = found[modality]
        assert {name: value.tolist() for name, value in counts._asdict().items()} == loop
        assert sum(counts).tolist() == [videos * segments] * classes
        agree = (grids[0] == grids[2]) if modality == "audio" else (grids[1] == grids[3])
        assert counts.correct.tolist() == agree.sum(dim=(0, 1)).tolist()


@pytest.mark.parametrize("shape", [(2, 1, 1), (1, 1, 527), (2, 10, 527), (2, 60, 100), (2, 600, 2)])
def test_counts_are_those_of_a_loop_for_any_size_and_in_parts(
    shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    occurs = torch.rand((shape[0], 1, shape[2]), generator=generator) < max(0.05, 1 / shape[2])
    grids = [occurs & (torch.rand(shape, generator=generator) < 0.5) for _ in range(4)]
    whole = decision_counts(*grids)
    assert {name: value.tolist() for name, value in whole["audio"]._asdict().items()} == count_by_loop(
        grids[0], grids[2], grids[3]
    )
    monkeypatch.setattr("leap_avvp.metrics.grids._PART", shape[1] * shape[2])
    for modality, counts in decision_counts(*grids).items():
        assert all(torch.equal(*pair) for pair in zip(counts, whole[modality], strict=True))


def test_each_kind_by_hand() -> None:
    heard, seen, said = (torch.zeros(1, 4, 5, dtype=torch.bool) for _ in range(3))
    heard[0, :2, 0] = True  # said in segments 1 and 2: one hit, one miss, one at the wrong time
    said[0, 1:3, 0] = True
    seen[0, 0, 1] = True  # seen only: said in its own segment, and in another
    said[0, :2, 1] = True
    said[0, 3, 2] = True  # nowhere
    heard[0, 0, 3] = seen[0, 1, 3] = said[0, 1, 3] = True  # heard at another time, seen right then: modality decides
    audio = decision_counts(said, seen, heard, seen)["audio"]
    assert audio.hit.tolist() == [1, 0, 0, 0, 0]
    assert audio.missed.tolist() == [1, 0, 0, 1, 0]
    assert audio.wrong_time.tolist() == [1, 0, 0, 0, 0]
    assert audio.wrong_modality.tolist() == [0, 1, 0, 1, 0]
    assert audio.wrong_both.tolist() == [0, 1, 0, 0, 0]
    assert audio.invented.tolist() == [0, 0, 1, 0, 0]
    assert audio.silent.tolist() == [1, 2, 3, 2, 4]
    assert ERROR_KINDS == ("missed", "wrong_modality", "wrong_time", "wrong_both", "invented")


def test_probabilities_are_refused() -> None:
    grid = torch.zeros(1, 2, 3, dtype=torch.bool)
    with pytest.raises(DataError, match="target_visual: expected a boolean"):
        decision_counts(grid, grid, grid, grid.float())
