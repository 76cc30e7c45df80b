"""Timelines to write: the real video's scores of the pretrained pair, and any others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from leap_avvp.timeline import Timeline

Make = Callable[..., Timeline]

HEARD = {"Dog": "99 98 73 97 98 96 91 94 96 32", "Speech": "0 1 35 28 4 90 99 2 4 95", "Cat": "1 0 2 0 0 1 0 0 0 1"}
SEEN = {"Dog": "26 87 40 89 94 77 88 90 87 95", "Cat": "3 1 0 9 2 0 1 1 0 0"}


def column(text: str | None) -> np.ndarray:
    """Return (10,) probabilities of per cents; without a text what was not judged."""
    return np.full(10, np.nan, np.float32) if text is None else np.array(text.split(), np.float32) / 100


@pytest.fixture
def make() -> Make:
    """Return ``make(**changes)``: Dog and Speech heard, Dog seen, Speech not judged by eye, in ten seconds."""

    def make(**changes: Any) -> Timeline:
        classes = changes.pop("classes", ("Speech", "Dog", "Cat"))
        audio = np.stack([column(text) for text in HEARD.values()], axis=1)[:, [1, 0, 2]]
        visual = np.stack([column(SEEN.get(name)) for name in ("Speech", "Dog", "Cat")], axis=1)
        if "audio" in changes:
            audio, visual = changes.pop("audio"), changes.pop("visual")
        with np.errstate(invalid="ignore"):
            on = {"audio_on": audio >= 0.5, "visual_on": visual >= 0.5}
        content: dict[str, Any] = {
            "name": "BjCEufrlXm4",
            "duration": 10.028,
            "seconds": 1.0,
            "classes": classes,
            "display": tuple(name.replace("_", " ") for name in classes),
            "audio": audio,
            "visual": visual,
            "model": "zero-shot: YAMNet + EfficientNet-Lite0",
            "zero_shot": True,
            "facts": {"leap-avvp": "0.1.0", "weights": {"YAMNet": "Apache-2.0"}},
        }
        return Timeline(**(content | on | changes))

    return make


@pytest.fixture
def make_long() -> Callable[..., Timeline]:
    """Return ``make_long(segments, classes=3, seconds=1.0)``: waves of events, Speech not judged by eye."""

    def make_long(segments: int, classes: int = 3, seconds: float = 1.0, **changes: Any) -> Timeline:
        time = np.arange(segments)[:, None]
        place = np.arange(classes)[None]
        audio = (0.5 + 0.5 * np.sin(time / (7 + 3 * place) + place)).astype(np.float32)
        visual = audio[::-1].copy()
        visual[:, 0] = np.nan
        names = tuple(["Speech", "Dog", "Cat", *(f"class_{number}" for number in range(3, classes))][:classes])
        with np.errstate(invalid="ignore"):
            on = {"audio_on": audio >= 0.5, "visual_on": visual >= 0.5}
        content: dict[str, Any] = {
            "name": "long",
            "duration": segments * seconds,
            "seconds": seconds,
            "classes": names,
            "display": names,
            "audio": audio,
            "visual": visual,
            "model": "LEAP checkpoint",
            "zero_shot": False,
        }
        return Timeline(**(content | on | changes))

    return make_long
