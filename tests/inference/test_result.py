"""One parsed video as text, JSON and a data frame."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from leap_avvp.errors import ConfigError
from leap_avvp.inference import ParseResult
from tests.inference.helpers import own_card


def result(**changes: Any) -> ParseResult:
    audio, visual = np.full((5, 3), 0.25, np.float32), np.full((5, 3), 0.5, np.float32)
    heard, seen = np.zeros((5, 3), dtype=bool), np.zeros((5, 3), dtype=bool)
    heard[1:3, 0] = heard[4, 0] = seen[:, 2] = True
    audio[1:3, 0] = 0.75, 1.0
    whole = np.full(3, 0.5, np.float32)
    given = {
        "video_id": "walk.1",
        "card": own_card(),
        "protocol": "filter=none",
        "audio": audio,
        "visual": visual,
        "video": whole,
        "heard": whole,
        "seen": whole,
        "audio_events": heard,
        "visual_events": seen,
        "trained_on": "garden",
    }
    return ParseResult(**(given | changes))


def test_the_timeline_has_a_row_for_what_occurs_and_a_character_a_segment() -> None:
    assert str(result()).splitlines() == [
        "walk.1: 3 events in 2.5 s, a character is 0.5 s; filter=none",
        "  birdsong    heard  .##.#",
        "  lawn mower  seen   #####",
    ]


def test_a_silent_video_and_a_simulated_model_say_so() -> None:
    none = np.zeros((5, 3), dtype=bool)
    (line,) = str(result(audio_events=none, visual_events=none, trained_on="simulated")).splitlines()
    assert line.startswith("walk.1: 0 events in 2.5 s")
    assert line.endswith("the model was trained on SIMULATED data")


def test_json_holds_the_events_and_when_asked_the_probabilities() -> None:
    content = json.loads(result().to_json())
    assert content == result().to_dict()
    assert "probabilities" not in content
    assert [content[key] for key in ("video_id", "card", "segments", "seconds")] == ["walk.1", "garden", 5, 0.5]
    assert content["events"][0] == {
        "name": "Lawn_mower",
        "display": "lawn mower",
        "modality": "visual",
        "onset": 0.0,
        "offset": 2.5,
        "probability": 0.5,
    }
    assert [event["probability"] for event in content["events"][1:]] == [0.875, 0.25]
    full = json.loads(result().to_json(probabilities=True, indent=1))
    assert full["classes"] == ["Bird song", "Rain", "Lawn_mower"]
    np.testing.assert_array_equal(np.array(full["probabilities"]["audio"], np.float32), result().audio)
    assert {name: np.shape(values) for name, values in full["probabilities"].items()} == {
        **{"audio": (5, 3), "visual": (5, 3)},
        **{"video": (3,), "heard": (3,), "seen": (3,)},
    }


def test_a_data_frame_has_a_row_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = SimpleNamespace(DataFrame=lambda rows, columns: [dict(zip(columns, row, strict=True)) for row in rows])
    monkeypatch.setitem(sys.modules, "pandas", frame)
    rows = result().to_dataframe()
    assert [row["event"] for row in rows] == ["Lawn_mower", "Bird song", "Bird song"]
    assert rows[1] == {
        **{"video_id": "walk.1", "event": "Bird song", "display": "birdsong", "modality": "audio"},
        **{"onset": 0.5, "offset": 1.5, "probability": 0.875},
    }


def test_pandas_itself_takes_them() -> None:
    pytest.importorskip("pandas")
    none = np.zeros((5, 3), dtype=bool)
    assert result().to_dataframe()["offset"].tolist() == [2.5, 1.5, 2.5]
    empty = result(audio_events=none, visual_events=none).to_dataframe()
    assert len(empty) == 0
    assert "probability" in empty


def test_without_pandas_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"pip install 'leap-avvp\[dataframe\]'"):
        result().to_dataframe()
