"""How each feature set's streams are made of a clip: which network, which pictures or pieces of sound, which rows.

T segments of ``seconds`` s each. For LLP's 10 of 1 s a recipe does what the set's authors did; for others:

* **pictures** are those of the clip at 8 a second whatever a segment's length, of which the authors' choice takes as
  many as the file has rows, at equal distances from the first to the last: a clip of another length than T segments
  is *stretched*. :func:`fit` lays a clip of another length at its true times instead.
* **VGGish** hears whole seconds: as many as a segment begins, at equal distances inside it, and their mean; a segment
  under 0.975 s is filled up with zeros.
* **CLAP's embedding** is of the segment, the T-th part of the sound; of one longer than 10 s the mean of as many
  stretches of 10 s as it begins.
* **CLAP's map** is of 10 s: of another length the maps of as many stretches of 10 s as it begins, each of their 32
  places in time laid where it was heard, and averaged onto 32 places of the whole.
* **embedded** is ours, see :mod:`leap_avvp.media.zero_shot`; it never stretches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card.reduce import file_rows
from leap_avvp.errors import DataError, check_choice
from leap_avvp.media.backbones.clap import CLAP
from leap_avvp.media.backbones.clip import CLIP
from leap_avvp.media.backbones.r2plus1d import R2Plus1D18
from leap_avvp.media.backbones.resnet152 import ResNet152
from leap_avvp.media.backbones.vggish import VGGish
from leap_avvp.media.opening import Clip
from leap_avvp.media.pictures import constant_rate, frames_at
from leap_avvp.media.rows import centres, clap_map, clap_rows, embedded_rows, evenly, vggish_rows
from leap_avvp.media.sampling import LLP_RATE
from leap_avvp.media.sound import read_audio

__all__ = ["RECIPES", "Recipe", "extract_stream", "fit", "pictures_of", "recipes_of", "shrunk"]

_Rows = NDArray[np.float32]
Times = Callable[[int, float], NDArray[np.float64]]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How one stream's file is made of a clip."""

    stream: str
    """``audio``, ``video_2d`` or ``video_3d``."""
    kind: str
    """``sound`` or ``pictures``."""
    rate: float
    """Samples a second, mono; or pictures a second, as :func:`~leap_avvp.media.pictures.constant_rate` yields them."""
    per_file: str
    """R, as ``conf/features/`` has it: ``T``, ``8T``, ``64``."""
    width: int
    """F."""
    weights: str
    """Name in :data:`~leap_avvp.media.weights.WEIGHTS`."""
    about: str
    """What is done, and what about it is our assumption."""
    load: Callable[[Path | None, Any], Any]
    """``(weights, device)`` to a backbone."""
    work: Callable[[Any, Any, int, float], _Rows]
    """``(backbone, material, segments, seconds)`` to (R, F)."""
    times: Times | None = None
    """``(segments, seconds)`` to seconds of the pictures, where they are not those at :attr:`rate`."""

    def rows(self, segments: int) -> int:
        """Return R, the rows of a file of T segments."""
        found = file_rows(self.per_file, segments)
        assert found is not None, self.per_file
        return found

    def make(self, weights: Path | None = None, device: Any = "cpu") -> Any:
        """Return the backbone.

        Args:
            weights: of the backbone; None for the cache's.
            device: on which it runs.

        Raises:
            ConfigError: a package that it needs is not installed.
            DataError: there are no weights, or they are another network's.
        """
        return self.load(weights, device)

    def run(self, backbone: Any, material: Any, segments: int = 10, seconds: float = 1.0) -> _Rows:
        """Return (R, F) float32 of a clip.

        Args:
            backbone: of :meth:`make`.
            material: of ``pictures``: the n of the clip at :attr:`rate`, each as ``backbone.shrink`` returns it; or
                those at :attr:`times`, None where there is none. Of ``sound``: (n,) float32, mono in [-1, 1], at
                :attr:`rate`.
            segments: T.
            seconds: of a segment.

        Raises:
            DataError: there are no pictures, or not enough sound.
        """
        if len(material) == 0 or all(one is None for one in material):
            raise DataError(f"{self.stream}: expected {self.kind} in the clip, found none")
        made = self.work(backbone, material, segments, seconds)
        expected = (self.rows(segments), self.width)
        if made.shape != expected:
            raise DataError(f"{self.stream}: expected {expected} of {self.weights}, found {made.shape}")
        return np.ascontiguousarray(made, np.float32)


def fit(recipe: Recipe, material: Any, segments: int, seconds: float) -> Any:
    """Return a clip's material at the length of T segments, so that nothing is stretched: each row at its true time.

    What is behind T segments is left out; sound that ends early is filled up with zeros, and the last picture repeated.
    The rows behind the clip's end are then of nothing: it is for the caller not to judge them. Pictures up to a quarter
    of a second short are left alone, as LLP's authors' are.
    """
    count = round(recipe.rate * segments * seconds)
    if recipe.times is not None:
        return material
    if recipe.kind == "sound":
        cut = np.asarray(material)[:count]
        return np.pad(cut, (0, count - len(cut)))
    kept = list(material[: count + 2])
    return kept + kept[-1:] * (count - len(kept)) if 0 < len(kept) < count - 2 else kept


def extract_stream(
    clip: Clip, recipe: Recipe, backbone: Any, segments: int = 10, seconds: float = 1.0, stretch: bool = True
) -> _Rows:
    """Return (R, F) float32: a stream's features of a clip.

    Args:
        clip: a stretch of a file.
        recipe: of the stream.
        backbone: of ``recipe.make()``.
        segments: T.
        seconds: of a segment.
        stretch: as the authors did it; else :func:`fit` to the clip's own times.

    Raises:
        DataError: no media file, no pictures or not enough sound in it.
        ConfigError: PyAV or soxr is not installed.
    """
    if recipe.kind == "sound":
        material: Any = read_audio(clip, round(recipe.rate))
    else:
        shown = pictures_of(clip, recipe.rate, recipe.times, segments, seconds)
        material = shrunk(shown, {recipe.stream: backbone})[recipe.stream]
    if not stretch and len(material) > 0:
        material = fit(recipe, material, segments, seconds)
    return recipe.run(backbone, material, segments, seconds)


def pictures_of(
    clip: Clip, rate: float, times: Times | None, segments: int, seconds: float
) -> Iterator[NDArray[np.uint8] | None]:
    """Yield the pictures of a clip that recipes of this :attr:`Recipe.rate` and :attr:`Recipe.times` are made of."""
    return constant_rate(clip, rate) if times is None else frames_at(clip, times(segments, seconds))


def shrunk(pictures: Iterable[Any], backbones: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return what each network need keep of some pictures, by stream; None where there is none."""
    kept: dict[str, list[Any]] = {stream: [] for stream in backbones}
    before: Any = None
    small: dict[str, Any] = {}
    for picture in pictures:
        if not small or picture is not before:  # the same again where one stands long
            before = picture
            small = {
                stream: None if picture is None else backbone.shrink(picture) for stream, backbone in backbones.items()
            }
        for stream, one in small.items():
            kept[stream].append(one)
    return kept


def _ear(weights: Path | None, device: Any) -> Any:
    from leap_avvp.media.backbones.yamnet import YAMNet
    from leap_avvp.media.zero_shot import ZeroShot  # the embedded pair is loaded by who uses it

    pair = ZeroShot(device)
    if weights is not None:
        pair.ear = YAMNet(weights, device)
    return pair


def _eye(weights: Path | None, device: Any) -> Any:
    from leap_avvp.media.backbones.efficientnet_lite0 import EfficientNetLite0

    return EfficientNetLite0(weights, device)


def _embedded_times(segments: int, seconds: float) -> NDArray[np.float64]:
    from leap_avvp.media.zero_shot import row_times

    return row_times(segments, seconds)


def _clip(name: str, preparation: str) -> Callable[[Path | None, Any], CLIP]:
    return lambda weights, device: CLIP(weights, device, name, preparation)


def _clap(name: str) -> Callable[[Path | None, Any], CLAP]:
    return lambda weights, device: CLAP(weights, device, name)


_R2PLUS1D = Recipe(
    "video_3d", "pictures", LLP_RATE, "T", 512, "r2plus1d_18",
    "8 a segment of the pictures at 8 a second, evenly; eight to a row", R2Plus1D18, evenly(8),
)  # fmt: skip
_SETS = {
    "embedded": (
        Recipe(
            "audio", "sound", 16_000, "4T", 1024, "yamnet", "the second around each quarter of a segment",
            _ear, lambda pair, samples, segments, seconds: pair.embed_audio(samples, segments, seconds),
        ),
        Recipe(
            "video_2d", "pictures", LLP_RATE, "4T", 1280, "efficientnet_lite0",
            "the picture in the middle of each quarter of a segment", _eye, embedded_rows, _embedded_times,
        ),
    ),
    "llp": (
        Recipe(
            "audio", "sound", 44_100, "T", 128, "vggish",
            "whole seconds at 16 kHz, taken from 44.1 kHz unfiltered as MoviePy does", VGGish, vggish_rows,
        ),
        Recipe(
            "video_2d", "pictures", LLP_RATE, "8T", 2048, "resnet152",
            "8 a segment of the pictures at 8 a second, evenly", ResNet152, evenly(8),
        ),
        _R2PLUS1D,
    ),
    "valor": (
        Recipe(
            "audio", "sound", CLAP.rate, "64", 768, "clap_630k_fusion",
            "the map of the whole sound", _clap("clap_630k_fusion"), clap_map,
        ),
        Recipe(
            "video_2d", "pictures", LLP_RATE, "T", 768, "clip_vit_l14",
            "1 a segment of the pictures at 8 a second, evenly from the first to the last",
            _clip("clip_vit_l14", "valor"), evenly(1),
        ),
        _R2PLUS1D,
    ),
    "uwav": (
        Recipe(
            "audio", "sound", CLAP.rate, "T", 512, "clap_630k_fusion",
            "each segment's embedding; VALOR's checkpoint and cut are assumed, of the same authors",
            _clap("clap_630k_fusion"), clap_rows,
        ),
        Recipe(
            "video_2d", "pictures", LLP_RATE, "T", 768, "clip_vit_l14",
            "the middle picture of each segment; VALOR's preparation and length 1 are assumed",
            _clip("clip_vit_l14", "valor"), centres,
        ),
        _R2PLUS1D,
    ),
    "lsld": (
        Recipe(
            "audio", "sound", CLAP.rate, "T", 512, "clap_htsat_unfused",
            "each segment's embedding; VALOR's cut is assumed", _clap("clap_htsat_unfused"), clap_rows,
        ),
        Recipe(
            "video_2d", "pictures", LLP_RATE, "8T", 512, "clip_vit_b16",
            "8 a segment of the pictures at 8 a second, evenly; not of length 1",
            _clip("clip_vit_b16", "openai"), evenly(8),
        ),
    ),
}  # fmt: skip
RECIPES: Mapping[str, Mapping[str, Recipe]] = {
    name: {recipe.stream: recipe for recipe in some} for name, some in _SETS.items()
}
"""By feature set of ``conf/features/`` and stream."""


def recipes_of(feature_set: str) -> Mapping[str, Recipe]:
    """Return the recipes of a feature set, by stream.

    Raises:
        ConfigError: no such set, naming the nearest.
    """
    return RECIPES[check_choice("features", feature_set, RECIPES)]
