"""What a timeline says: events, rows that are worth showing, plain content, and what it refuses."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from leap_avvp.errors import DataError
from leap_avvp.timeline import ZERO_SHOT, TimelineEvent
from leap_avvp.timeline.result import FORMAT, clock, printable


def test_events_are_maximal_runs_with_their_mean(make) -> None:
    events = make().events()
    assert [event[1:5] for event in events] == [
        ("Dog", "audio", 0, 9),
        ("Dog", "visual", 1, 2),
        ("Dog", "visual", 3, 10),
        ("Speech", "audio", 5, 7),
        ("Speech", "audio", 9, 10),
    ]
    assert events[0] == TimelineEvent("Dog", "Dog", "audio", 0.0, 9.0, pytest.approx(0.9355556, abs=1e-6))
    assert events[3].probability == pytest.approx(0.945)


def test_times_are_as_short_as_in_annotation_files(make) -> None:
    assert [event.offset for event in make(seconds=0.1).events()][:2] == [0.9, 0.2]


def test_rows_begin_with_what_occurs_and_end_with_what_was_not_judged(make) -> None:
    rows = make().rows()
    assert rows == [(1, "audio"), (1, "visual"), (0, "audio"), (2, "visual"), (2, "audio"), (0, "visual")]
    assert make().rows(2) == rows[:2]


def test_shown_are_events_and_their_other_side_where_it_was_not_judged(make) -> None:
    assert make().shown() == [(1, "audio"), (1, "visual"), (0, "audio"), (0, "visual")]


def test_where_nothing_occurs_the_likeliest_are_shown(make) -> None:
    nothing = np.zeros((10, 3), np.bool_)
    timeline = make(audio_on=nothing, visual_on=nothing)
    assert timeline.events() == []
    assert timeline.shown(3) == [(0, "audio"), (1, "audio"), (1, "visual")]


def test_where_nothing_was_judged_rows_say_so(make) -> None:
    unknown = np.full((10, 3), np.nan, np.float32)
    timeline = make(audio=unknown, visual=unknown)
    assert timeline.shown(2) == [(0, "audio"), (0, "visual")]
    assert not timeline.judged(0, "audio")
    assert math.isnan(timeline.highest(0, "audio"))


def test_plain_content_is_json_and_keeps_what_was_not_judged_apart(make) -> None:
    content = json.loads(json.dumps(make().to_dict(), allow_nan=False))
    assert content["format"] == FORMAT == "leap-avvp/timeline/1"
    assert content["caution"] == ZERO_SHOT
    assert content["segments"] == 10
    assert content["probabilities"]["audio"][2] == [0.35, 0.73, 0.02]
    assert content["probabilities"]["visual"][2] == [None, 0.4, 0.0]
    assert content["events"][0]["modality"] == "audio"
    assert "probabilities" not in make().to_dict(probabilities=False)


def test_a_trained_model_needs_no_caution(make) -> None:
    assert make(zero_shot=False).caution is None
    assert "not LEAP" in (make().caution or "")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"audio": np.zeros((10, 2), np.float32), "visual": np.zeros((10, 2), np.float32)}, r"\(10, 2\)"),
        ({"audio": np.zeros((10, 3), np.float32), "visual": np.zeros((9, 3), np.float32)}, r"\(9, 3\)"),
        ({"audio": np.full((10, 3), 1.5, np.float32), "visual": np.zeros((10, 3), np.float32)}, "1.5"),
        ({"visual_on": np.ones((10, 3), np.bool_)}, "not a number"),
        ({"audio_on": np.zeros((10, 3), np.float32)}, "float32"),
        ({"classes": ("Dog", "Dog", "Cat")}, "'Dog'"),
        ({"classes": ("a\tb", "Dog", "Cat")}, r"'a\\tb'"),
        ({"display": ("Dog",)}, r"\(10, 3\)"),
        ({"seconds": 0.0}, "0.0 a segment"),
        ({"duration": math.nan}, "nan"),
        ({"start": -1.0}, "from -1.0"),
    ],
)
def test_parts_that_do_not_fit_are_refused(make, change, found) -> None:
    with pytest.raises(DataError, match=found):
        make(**change)


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [
        (0, 0, "0:00"),
        (65.4, 0, "1:05"),
        (3605, 0, "1:00:05"),
        (7200, 0, "2:00:00"),
        (0.5, 1, "0:00.5"),
        (59.96, 1, "1:00.0"),
    ],
)
def test_times_are_read_by_people(seconds, digits, text) -> None:
    assert clock(seconds, digits) == text


def test_what_cannot_be_shown_is_replaced() -> None:
    assert printable("a\nb\x07\udcff\u2028") == "a\N{REPLACEMENT CHARACTER}b" + 3 * "\N{REPLACEMENT CHARACTER}"
    assert printable("犬 – 🐕‍🦺 \u00a0") == "犬 – 🐕‍🦺 \u00a0"
    assert printable("a\u202eb") == "a\N{REPLACEMENT CHARACTER}b"
