"""How much of the attention lies inside an event's true seconds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from leap_avvp.figures.attention import attention_bars, attention_focus
from leap_avvp.figures.parsing import ParsedVideo, Parsing


def video(truth: np.ndarray, attention: np.ndarray | None) -> ParsedVideo:
    """Return a video whose two modalities are alike."""
    empty = {"audio": np.zeros((10, 25), dtype=bool), "visual": np.zeros((10, 25), dtype=bool)}
    maps = None if attention is None else {"audio": attention, "visual": attention}
    parsing = Parsing("LEAP", empty, {}, maps, {"audio": 0.5, "visual": 0.5})
    return ParsedVideo("a", "simulated", {"audio": truth, "visual": truth}, (parsing,))


@pytest.fixture
def two_videos() -> list[ParsedVideo]:
    """Return speech for 2 s with 0.6 of the attention inside, and for 4 s with 0.8; a car from beginning to end."""
    videos = []
    for seconds, inside in ((2, 0.6), (4, 0.8)):
        truth = np.zeros((10, 25), dtype=bool)
        truth[:seconds, 0] = True
        truth[:, 1] = True
        attention = np.full((25, 10), 0.1, dtype=np.float32)
        attention[0, :seconds] = inside / seconds
        attention[0, seconds:] = (1 - inside) / (10 - seconds)
        videos.append(video(truth, attention))
    return videos


def test_the_share_inside_the_true_seconds_is_the_mean_over_events(two_videos: list[ParsedVideo]) -> None:
    focus = attention_focus(two_videos, "LEAP")
    assert focus is not None
    for own in focus.values():
        assert own.inside[0] == pytest.approx(0.7)
        assert own.even[0] == pytest.approx(0.3)
        assert own.events.tolist() == [2] + [0] * 24  # the car has no part of the video to lie outside of
        assert np.isnan(own.inside[1])
        assert own.mean() == (pytest.approx(0.7), pytest.approx(0.3))


def test_a_decoder_without_attention_has_no_share() -> None:
    assert attention_focus([video(np.zeros((10, 25), dtype=bool), None)], "LEAP") is None


def test_without_partial_events_there_is_no_mean() -> None:
    focus = attention_focus([video(np.ones((10, 25), dtype=bool), np.full((25, 10), 0.1))], "LEAP")
    assert focus is not None
    assert all(np.isnan(own.mean()).all() for own in focus.values())
    assert isinstance(attention_bars(focus, "LEAP", "simulated"), Figure)


def test_the_bars_state_both_means(two_videos: list[ParsedVideo]) -> None:
    focus = attention_focus(two_videos, "LEAP")
    assert focus is not None
    figure = attention_bars(focus, "LEAP", "simulated")
    assert [axis.get_title() for axis in figure.axes] == [
        "audio: 70 % inside, 30 % if spread evenly",
        "visual: 70 % inside, 30 % if spread evenly",
    ]
    assert figure.axes[0].patches[0].get_width() == pytest.approx(70)


def test_of_many_classes_those_with_such_events_have_bars(make_card) -> None:
    card = make_card(100, 60)
    truth = np.zeros((60, 100), dtype=bool)
    truth[:15, 3] = truth[:30, 70] = truth[:, 9] = True  # the last from beginning to end
    attention = np.full((100, 60), 1 / 60, dtype=np.float32)
    own = dataclasses.replace(video(truth, attention), card=card)
    focus = attention_focus([own], "LEAP", card)
    assert focus is not None
    assert focus["audio"].events.shape == (100,)
    assert focus["visual"].inside[[3, 70]] == pytest.approx([0.25, 0.5])
    figure = attention_bars(focus, "LEAP", "own", card)
    figure.draw_without_rendering()
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[0].startswith("playing the $\\alpha$")
    assert names[1:] == ["class_70"]
    for axis in figure.axes:
        assert [bar.get_width() for bar in axis.patches] == pytest.approx([25, 50])
        assert axis.get_ylim() == (1.6, -0.6)
    assert figure.get_supxlabel().endswith("\nShown: 2 of 100 classes, those that have such events.")


def test_a_large_card_without_such_events_is_drawn(make_card) -> None:
    card = make_card(100, 1)  # in a video of one segment there is no part
    own = dataclasses.replace(video(np.ones((1, 100), dtype=bool), np.ones((100, 1))), card=card)
    focus = attention_focus([own], "LEAP", card)
    assert focus is not None
    attention_bars(focus, "LEAP", "own", card).draw_without_rendering()
