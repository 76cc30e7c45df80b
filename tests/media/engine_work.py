"""Timelines that need no network, for engines that are sent what makes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.media.decode import Clip
from leap_avvp.media.names import Names
from leap_avvp.timeline import Timeline
from leap_avvp.timeline.zero_shot import parse_zero_shot


class Pair:
    """Hears nothing, and sees how bright it is."""

    class ear:  # noqa: N801  (a network of the pair)
        rate = 16_000

    def hear(self, samples: NDArray[np.float32], segments: int, seconds: float, names: Names) -> NDArray[np.float32]:
        return np.full((segments, len(names.classes)), 0.25, np.float32)

    def see(self, frames: Iterable[Any], segments: int, seconds: float, names: Names) -> NDArray[np.float32]:
        scores = np.full((segments, len(names.classes)), np.nan, np.float32)
        for time, picture in frames:
            if picture is not None:
                scores[int(time // seconds)] = picture.mean() / 255
        return scores


@dataclasses.dataclass(frozen=True)
class Brightness:
    """As :class:`leap_avvp.timeline.many.ZeroShotParsing`."""

    device: str = "cpu"

    @property
    def recipes(self) -> dict[str, Any]:
        return {}

    def describe(self) -> dict[str, Any]:
        return {"seconds": 1.0}

    def __call__(self) -> Callable[[Clip], Timeline]:
        names = Names(("bright",), ((0,),), ((0,),))
        return lambda clip: parse_zero_shot(clip, Pair(), names, seconds=1.0)  # type: ignore[arg-type]
