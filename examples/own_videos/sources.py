"""Which recordings the composed clips are made of: sounds and photos out of Debian's ``gcompris-qt-data``.

``seen`` are those of training and validation clips, ``unseen`` those of test clips and of the clips that are parsed
at the end. A class with one recording of a kind lends it to both: a sound by halves where it is long enough, a
photo cut and moved otherwise.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rcc import Resources

__all__ = ["CLASSES", "FOLDER", "RATE", "Class", "Material", "Photo", "Sound", "missing"]

FOLDER = Path("/usr/share/gcompris-qt/rcc")
RATE = 32_000
"""Samples a second of the clips' sound."""
_LARGEST = 800  # pixels of a photo's longer side that are kept: more than any clip shows


@dataclasses.dataclass(frozen=True)
class Sound:
    """A recording, or the seconds of it that lie between ``start`` and ``end``."""

    file: str
    name: str
    start: float = 0.0
    end: float | None = None


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photo, and the part of it that shows the event: left, top, right and bottom in [0, 1]."""

    file: str
    name: str
    part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Class:
    """The recordings of a class; without photos it is only ever heard."""

    sounds: tuple[Sound, ...]
    unseen_sounds: tuple[Sound, ...]
    photos: tuple[Photo, ...] = ()
    unseen_photos: tuple[Photo, ...] = ()


def _animal(name: str, start: float = 0.0, end: float | None = None) -> Sound:
    return Sound("explore_farm_animals", f"animals/{name}.ogg", start, end)


def _noise(name: str, start: float = 0.0, end: float | None = None) -> Sound:
    return Sound("memory-sound", f"resource/{name}.ogg", start, end)


def _photo(name: str, *part: float) -> Photo:
    return Photo("explore_farm_animals", f"animals/{name}.webp", part or (0.0, 0.0, 1.0, 1.0))  # type: ignore[arg-type]


def _large(name: str, *part: float) -> Photo:
    return Photo("erase", f"resource/{name}.webp", part)  # type: ignore[arg-type]


_CHICKEN, _DUCK, _SHEEP, _PIG = (
    (_photo("chicken"),),
    (_photo("duck", 0.05, 0.05, 1.0, 1.0),),
    (_photo("sheep", 0.05, 0.0, 0.95, 1.0),),
    (_photo("pig", 0.1, 0.1, 0.9, 1.0),),
)
CLASSES: dict[str, Class] = {
    # Three recordings of barks; a shepherd and two retrievers.
    "dog": Class(
        (_animal("dog"), _noise("LRBark_1_LA_cut")),
        (_noise("LRBark_3_LA_cut"),),
        (_photo("dog"), Photo("babyshapes", "dog1/dog3.webp")),
        (Photo("babyshapes", "dog2/dog3.webp"), Photo("babyshapes", "dog2/dog5.webp")),
    ),
    "cat": Class(
        (_animal("cat", 0.85),),
        (_animal("cat", 0.0, 0.8),),
        (_photo("cat", 0.25, 0.0, 1.0, 0.85),),
        (_large("kitten", 0.3, 0.0, 0.9, 0.9),),
    ),
    "chicken": Class((_animal("chickens", 0.0, 6.0),), (_animal("chickens", 6.0),), _CHICKEN, _CHICKEN),
    "cow": Class(
        (_animal("cow", 0.0, 2.2),),
        (_animal("cow", 2.2),),
        (_photo("cow", 0.15, 0.2, 0.95, 1.0),),
        (_large("calf", 0.0, 0.0, 0.85, 1.0),),
    ),
    "duck": Class((_animal("duck", 0.0, 2.5),), (_animal("duck", 2.5),), _DUCK, _DUCK),
    "horse": Class(
        (_animal("horse", 0.0, 1.6),),
        (_animal("horse", 1.6),),
        (_large("horse", 0.2, 0.1, 0.9, 1.0),),
        (_photo("horse", 0.1, 0.2, 0.95, 1.0),),
    ),
    "pig": Class((_animal("pig", 0.0, 2.8),), (_animal("pig", 2.8),), _PIG, _PIG),
    "sheep": Class((_animal("sheep"),), (_animal("sheep"),), _SHEEP, _SHEEP),
    "rain": Class((_noise("LRRain_in_garden_01_LA_cut", 0.0, 2.5),), (_noise("LRRain_in_garden_01_LA_cut", 2.5),)),
}
"""Of each class its recordings."""

_OTHERS = ("LRApplauses_1_LA_cut", "LRTrain_slowing_down_01_LA_cut", "LRLaPause_short", "LRHeart_beat_01_LA")
_VIEWS = ("categorization", "images/monuments/", "images/renewable/dam")


class Material:
    """The recordings, decoded when they are first asked for and kept."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Read the directories of the resource files in ``folder``."""
        self._folder = folder
        self._files: dict[str, Resources] = {}
        self._sounds: dict[Sound, NDArray[np.float32]] = {}
        self._photos: dict[Photo, Image.Image] = {}
        views, *starts = _VIEWS
        paths = [path for path in self._resources(views) if path.endswith(".webp")]
        self._views = sorted(path for path in paths if any(start in path for start in starts))

    def sound(self, sound: Sound) -> NDArray[np.float32]:
        """Return (n,) samples at :data:`RATE`, without the silence around them, with a root mean square of 0.1."""
        if sound not in self._sounds:
            samples = _decode(self._bytes(sound.file, sound.name))
            end = len(samples) if sound.end is None else round(sound.end * RATE)
            self._sounds[sound] = _level(_trim(samples[round(sound.start * RATE) : end]))
        return self._sounds[sound]

    def photo(self, photo: Photo) -> Image.Image:
        """Return the part of a photo that shows the event."""
        if photo not in self._photos:
            image = _flat(Image.open(io.BytesIO(self._bytes(photo.file, photo.name))))
            left, top, right, bottom = photo.part
            image = image.crop(
                (
                    round(left * image.width),
                    round(top * image.height),
                    round(right * image.width),
                    round(bottom * image.height),
                )
            )
            image.thumbnail((_LARGEST, _LARGEST))
            self._photos[photo] = image
        return self._photos[photo]

    def others(self) -> Sequence[Sound]:
        """Return sounds that belong to no class: applause, a train, a piano, a heart. All clips share them."""
        return [_noise(name) for name in _OTHERS]

    def views(self, unseen: bool) -> Sequence[Photo]:
        """Return photos of buildings and dams, which show no event: every other one is for clips of unseen photos."""
        return [Photo(_VIEWS[0], name) for name in self._views[int(unseen) :: 2]]

    def _resources(self, file: str) -> Resources:
        if file not in self._files:
            self._files[file] = Resources(self._folder / f"{file}.rcc")
        return self._files[file]

    def _bytes(self, file: str, name: str) -> bytes:
        resources = self._resources(file)
        return resources[next(path for path in resources if path.endswith(name))]


def missing(folder: Path = FOLDER) -> str | None:
    """Return what to do where recordings are missing, or None where all are there."""
    files = {recording.file for name in CLASSES.values() for recording in (*name.sounds, *name.photos)}
    files |= {"erase", "babyshapes", _VIEWS[0]}
    absent = sorted(file for file in files if not (folder / f"{file}.rcc").is_file())
    if not absent:
        return None
    return f"{folder}: no {absent[0]}.rcc; `apt-get install gcompris-qt-data` brings it (Debian, Ubuntu; 48 MB)"


def _decode(content: bytes) -> NDArray[np.float32]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(io.BytesIO(content)) as container:
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    parts += resampler.resample(None)
    return np.concatenate([part.to_ndarray()[0] for part in parts])


def _trim(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut off what is before and after the 20 ms pieces that are louder than a tenth of the loudest."""
    piece = RATE // 50
    count = len(samples) // piece
    loud = np.sqrt(np.square(samples[: count * piece].reshape(count, piece)).mean(axis=1))
    heard = np.flatnonzero(loud > 0.1 * loud.max())
    return samples[heard[0] * piece : (heard[-1] + 1) * piece]


def _level(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return (samples * (0.1 / np.sqrt(np.square(samples).mean()))).astype(np.float32)


def _flat(image: Image.Image) -> Image.Image:
    """Return an image without transparency: grey where it is seen through."""
    ground = Image.new("RGBA", image.size, (128, 128, 128, 255))
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
