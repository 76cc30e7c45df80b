"""Bars over a split, read back from their artists."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

from leap_avvp.errors import ConfigError
from leap_avvp.figures.save import SIMULATED
from leap_avvp.figures.summary import error_bars, per_class_bars
from leap_avvp.metrics.errors import DecisionCounts, decision_counts
from leap_avvp.metrics.per_class import per_class_f1


def random_grids(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    grids = [torch.rand((6, 10, 25), generator=generator) < 0.2 for _ in range(2)]
    generator.manual_seed(99)  # the truth is the same for every run
    grids += [torch.rand((6, 10, 25), generator=generator) < 0.2 for _ in range(2)]
    for grid in grids:
        grid[:, :, 8] = False  # one class that occurs nowhere
    return grids


def widths(axis: Axes) -> list[list[float]]:
    return [[bar.get_width() for bar in container] for container in axis.containers]


def test_bars_are_f1_and_differences() -> None:
    runs = {"MMIL": per_class_f1(*random_grids(0)), "LEAP": per_class_f1(*random_grids(1))}
    figure = per_class_bars(runs, "simulated")
    audio, audio_difference, visual, visual_difference = figure.axes
    for axis, difference, name in (
        (audio, audio_difference, "segment/audio"),
        (visual, visual_difference, "segment/visual"),
    ):
        expected = [torch.nan_to_num(scores[name]).numpy() for scores in runs.values()]
        np.testing.assert_allclose(widths(axis), expected)
        np.testing.assert_allclose(widths(difference)[0], expected[1] - expected[0])
        assert difference.get_title() == "LEAP - MMIL"
        assert [text.get_text() for text in axis.texts].count("absent") == 2
    assert [label.get_text() for label in audio.get_yticklabels()][:2] == ["Speech", "Car"]
    assert SIMULATED in [text.get_text() for text in figure.texts]


def test_one_run_has_no_differences_and_real_data_no_mark() -> None:
    figure = per_class_bars({"LEAP": per_class_f1(*random_grids(0))}, "llp", names=("event/audio_visual",))
    (axis,) = figure.axes
    assert axis.get_title() == "event, audio_visual: F1 (%)"
    assert not any("SIMULATED" in text.get_text() for text in figure.texts)


def test_shares_of_mistakes_are_of_what_is_true_and_of_what_is_said() -> None:
    counts = decision_counts(*random_grids(0))
    figure = error_bars({"LEAP": counts}, "simulated")
    true, said = figure.axes
    assert [label.get_text() for label in true.get_yticklabels()] == ["LEAP: audio", "LEAP: visual"]
    for row, own in enumerate(counts.values()):
        totals = {name: int(value.sum()) for name, value in own._asdict().items()}
        for axis, kinds in (
            (true, ("hit", "missed")),
            (said, ("hit", "wrong_modality", "wrong_time", "wrong_both", "invented")),
        ):
            whole = sum(totals[kind] for kind in kinds)
            bars = [bar for bar in axis.patches if round(bar.get_y() + bar.get_height() / 2) == row]
            shares = [bar.get_width() for bar in bars]
            assert shares == pytest.approx([100 * totals[kind] / whole for kind in kinds])
            assert sum(shares) == pytest.approx(100)
            assert [bar.get_x() for bar in bars] == pytest.approx(np.cumsum([0, *shares[:-1]]).tolist())
    named = [text.get_text() for text in figure.legends[0].texts]
    assert named == ["right", "missed", "wrong modality", "wrong time", "wrong modality and time", "invented"]
    assert SIMULATED in [text.get_text() for text in figure.texts]


def test_a_run_that_says_nothing_is_drawn() -> None:
    zero = torch.zeros(25, dtype=torch.int64)
    silent = DecisionCounts(*[zero + (name == "missed") for name in DecisionCounts._fields])
    true, said = error_bars({"LEAP": {"audio": silent, "visual": silent}}, "llp").axes
    assert [text.get_text() for text in said.texts] == ["none", "none"]
    assert [bar.get_width() for bar in true.patches] == [0, 100, 0, 100]


def grids_of(classes: int, occurring: list[int]) -> list[torch.Tensor]:
    """Return grids in which the classes that occur are on more, the later they stand in the list."""
    grids = [torch.zeros((4, 60, classes), dtype=torch.bool) for _ in range(4)]
    for grid in grids:
        for place, label in enumerate(occurring):
            grid[: 1 + place % 4, : 5 + place, label] = True
    return grids


def names_of(axis: Axes) -> list[str]:
    return [label.get_text() for label in axis.get_yticklabels()]


def test_of_many_classes_those_that_occur_have_bars(make_card) -> None:
    card = make_card(100, 60)
    grids = grids_of(100, [3, 50, 99])
    grids[0][:, :, 50] = False
    runs = {"MMIL": per_class_f1(*grids), "LEAP": per_class_f1(*grids_of(100, [3, 50, 99]))}
    figure = per_class_bars(runs, "own", card=card)
    figure.draw_without_rendering()
    audio = figure.axes[0]
    assert names_of(audio)[1:] == ["class_50", "class_99"]
    assert names_of(audio)[0].startswith("playing the $\\alpha$")
    assert widths(audio) == [[100, 0, 100], [100, 100, 100]]
    assert figure.get_supxlabel().endswith("\nShown: 3 of 100 classes, those that occur in truth or prediction.")
    assert "data: own" in [text.get_text() for text in figure.texts]
    every = per_class_bars({"LEAP": per_class_f1(*grids_of(28, [3]))}, "own", card=make_card(28, 60))
    assert len(names_of(every.axes[0])) == 28
    assert "Shown" not in every.get_supxlabel()
    assert every.get_figheight() > figure.get_figheight()


def test_of_too_many_classes_those_of_most_true_segments_have_bars(make_card) -> None:
    card = make_card(527, 60)
    scores = {"LEAP": per_class_f1(*grids_of(527, list(range(120))))}
    true = torch.stack([grid.sum(dim=(0, 1)) for grid in grids_of(527, list(range(120)))[2:]]).sum(dim=0).numpy()
    figure = per_class_bars(scores, "own", card=card, true_segments=true)
    shown = names_of(figure.axes[0])
    assert len(shown) == 100
    assert shown == [card.display[label] for label in sorted(np.argsort(-true, kind="stable")[:100].tolist())]
    assert "those with most true segments; 20 more that occur in truth or prediction" in figure.get_supxlabel()


def test_a_card_of_one_class_is_drawn(make_card) -> None:
    grids = [torch.ones((2, 1, 1), dtype=torch.bool)] * 4
    figure = per_class_bars({"LEAP": per_class_f1(*grids)}, "own", card=make_card(1, 1))
    figure.draw_without_rendering()
    assert names_of(figure.axes[0]) == ["class_0"]


@pytest.mark.parametrize("number", [0, 3])
def test_other_numbers_of_runs_are_refused(number: int) -> None:
    grids = random_grids(0)
    labels = [str(index) for index in range(number)]
    with pytest.raises(ConfigError, match=f"expected 1 to 2 runs, found {number}"):
        per_class_bars({label: per_class_f1(*grids) for label in labels}, "llp")
    with pytest.raises(ConfigError, match=f"expected 1 to 2 runs, found {number}"):
        error_bars({label: decision_counts(*grids) for label in labels}, "llp")
