"""All streams of a clip at once: each network loaded once, each picture decoded once. T segments of ``seconds`` s."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import FeatureSet, named_features
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.media.decode import Clip, probe, read_audio
from leap_avvp.media.recipes import RECIPES, Recipe, pictures_of, shrunk

__all__ = ["LONGER", "SHORTER", "Extractor", "Made", "Request", "origins_of"]

SHORTER = 0.25
"""Seconds that a clip may be shorter than T segments before it is noted."""
LONGER = 0.5
"""Seconds that it may be longer before it is cut; LLP's own clips are up to 0.1 s longer, and taken whole."""
_GPU_BATCH = 128
_Rows = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Request:
    """A clip, and the streams that are wanted of it."""

    clip: Clip
    streams: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Made:
    """What was made of a clip."""

    rows: Mapping[str, _Rows]
    """By stream: (R, F), finite."""
    lacking: Mapping[str, str]
    """By stream: why it was not made."""
    notes: Mapping[str, float]
    """``shorter`` or ``cut``: the seconds of the clip; ``silence``: those of silence in place of sound."""
    seconds: float
    """Of the clip, that were looked at."""


def origins_of(features: FeatureSet) -> dict[str, str]:
    """Return for each stream of a feature set the set of :data:`~leap_avvp.media.recipes.RECIPES` that makes it so.

    A set of one's own may take its streams from several: they are known by folder and shape.

    Raises:
        ConfigError: a stream that no network here makes.
    """
    found: dict[str, str] = {}
    for name, stream in features.streams.items():
        known = {origin: named_features(origin).streams[name] for origin in RECIPES if name in RECIPES[origin]}
        fits = [
            origin
            for origin, one in known.items()
            if (one.folder, one.rows, one.width) == (stream.folder, stream.rows, stream.width)
        ]
        if not fits:
            made = ", ".join(dict.fromkeys(f"{one.folder} ({one.rows}, {one.width})" for one in known.values()))
            raise ConfigError(
                f"features={features.name}: {name}: nothing here makes {stream.folder} ({stream.rows}, "
                f"{stream.width}); what can be made: {made}"
            )
        found[name] = features.name if features.name in fits else fits[0]
    return found


@dataclasses.dataclass(frozen=True)
class Extractor:
    """Loads the networks of some streams where it is called, and returns what turns a :class:`Request` into a
    :class:`Made`; it can be sent to another process."""

    origins: Mapping[str, str]
    """By stream: the feature set whose recipe makes it."""
    segments: int = 10
    seconds: float = 1.0
    device: str = "cpu"
    silence: bool = False
    """Whether a clip without sound gets the features of digital silence."""

    @property
    def recipes(self) -> dict[str, Recipe]:
        """By stream."""
        return {stream: RECIPES[origin][stream] for stream, origin in self.origins.items()}

    def shape(self, stream: str) -> tuple[int, int]:
        """Return (R, F) of a stream's file."""
        recipe = self.recipes[stream]
        return recipe.rows(self.segments), recipe.width

    def __call__(self) -> Callable[[Request], Made]:
        """Load the networks.

        Raises:
            ConfigError: a package is not installed.
            DataError: there are no weights, or they are another network's.
        """
        return self.with_backbones({stream: recipe.make(device=self.device) for stream, recipe in self.recipes.items()})

    def with_backbones(self, backbones: Mapping[str, Any]) -> Callable[[Request], Made]:
        """Return the same with networks that are loaded already, by stream."""
        if not self.device.startswith("cpu"):
            for backbone in backbones.values():
                _widen(backbone)
        return lambda request: self._made(backbones, request)

    def _made(self, backbones: Mapping[str, Any], request: Request) -> Made:
        info = probe(request.clip.path)
        clip, seconds, notes = self._placed(request.clip, info.duration)
        recipes = {stream: self.recipes[stream] for stream in request.streams}
        rows: dict[str, _Rows] = {}
        lacking: dict[str, str] = {}
        for stream, material in self._materials(clip, recipes, backbones, (info.has_audio, info.has_video)):
            recipe = recipes[stream]
            if len(material) == 0 and recipe.kind == "sound" and self.silence:
                notes["silence"] = self.segments * self.seconds
                material = np.zeros(round(self.segments * self.seconds * recipe.rate), np.float32)  # noqa: PLW2901
            if len(material) == 0 or all(one is None for one in material):
                lacking[stream] = f"no {recipe.kind}"
                continue
            try:
                made = recipe.run(backbones[stream], material, self.segments, self.seconds)
            except DataError as error:
                lacking[stream] = str(error)
                continue
            if np.isfinite(made).all():
                rows[stream] = made
            else:
                lacking[stream] = f"{recipe.weights} gave NaN or Inf"
        return Made(rows, lacking, notes, seconds)

    def _placed(self, clip: Clip, duration: float) -> tuple[Clip, float, dict[str, float]]:
        """Return the clip, cut where it is too long, its seconds, and notes of its length.

        Raises:
            DataError: it begins behind the end of its file.
        """
        wanted = self.segments * self.seconds
        end = min(duration, duration if clip.end is None else clip.end)
        if duration <= 0:  # a single picture without a length
            return clip, 0.0, {}
        if end <= clip.start:
            raise DataError(f"{clip.path}: expected {clip.start:g} s to lie in it, found {duration:.3g} s of media")
        length = round(end - clip.start, 3)
        if length > wanted + LONGER:
            return dataclasses.replace(clip, end=clip.start + wanted), wanted, {"cut": length}
        return clip, length, {"shorter": length} if length < wanted - SHORTER else {}

    def _materials(
        self, clip: Clip, recipes: Mapping[str, Recipe], backbones: Mapping[str, Any], there: tuple[bool, bool]
    ) -> Iterator[tuple[str, Any]]:
        """Yield each stream with what its recipe is made of; nothing where the file has none."""
        heard, shown = there
        groups: dict[Any, list[str]] = {}
        for stream, recipe in recipes.items():
            groups.setdefault((recipe.kind, recipe.rate, recipe.times), []).append(stream)
        for (kind, rate, times), streams in groups.items():
            if kind == "sound":
                samples = read_audio(clip, round(rate)) if heard else np.zeros(0, np.float32)
                yield from ((stream, samples) for stream in streams)
                continue
            pictures: Iterable[Any] = ()
            if shown:
                pictures = pictures_of(clip, rate, times, self.segments, self.seconds)
            yield from shrunk(pictures, {stream: backbones[stream] for stream in streams}).items()


def _widen(backbone: Any) -> None:
    """Let all pictures or sounds of a video go through the network at once."""
    parts: tuple[Any, ...] = (backbone, getattr(backbone, "ear", None), getattr(backbone, "eye", None))
    for one in parts:
        if hasattr(one, "batch"):
            one.batch = max(one.batch, _GPU_BATCH)
