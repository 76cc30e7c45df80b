"""Networks that are none: feature sets and teachers of plain numbers of a clip, in the shapes of `embedded`.

What a clip is called says what becomes of it: ``dies``, ``slow``, ``brief``, ``nan``.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from leap_avvp.media import pool, weights
from leap_avvp.media.extractor import Extractor, Made, Request
from leap_avvp.media.judges import Judge, Scored, Scorer
from leap_avvp.media.pool import Outcome
from leap_avvp.media.recipes import Recipe
from leap_avvp.media.teachers import MODALITIES
from leap_avvp.media.weights import CACHE, Url, Weight
from tests.media.conftest import tone, write_media

CONTENT = b"no weights at all"
NAMES = ("fake_ear", "fake_eye")
ROWS, EAR, EYE = 4, 1024, 1280


class Ear:
    """Loudness of each row, in all its columns."""

    def rows(self, samples: NDArray[np.float32], segments: int, seconds: float) -> NDArray[np.float32]:
        wanted = round(8_000 * segments * seconds)
        filled = np.pad(samples[:wanted], (0, max(0, wanted - len(samples))))
        loud = np.abs(filled.reshape(ROWS * segments, -1)).mean(axis=1, keepdims=True)
        return np.asarray(loud * np.linspace(1, 2, EAR), np.float32)


class Eye:
    """Brightness of each picture, in all columns of its row."""

    def shrink(self, picture: NDArray[np.uint8]) -> float:
        return float(picture.mean())

    def rows(self, shrunk: Sequence[float | None], segments: int, seconds: float) -> NDArray[np.float32]:
        chosen = np.round(np.linspace(0, len(shrunk) - 1, ROWS * segments)).astype(int)
        bright = np.array([[shrunk[place] or 0.0] for place in chosen])
        return np.asarray(bright * np.linspace(1, 2, EYE), np.float32)


def _work(backbone: Any, material: Any, segments: int, seconds: float) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = backbone.rows(material, segments, seconds)
    return rows


RECIPES = {
    "audio": Recipe("audio", "sound", 8_000, "4T", EAR, "fake_ear", "loudness", lambda *_: Ear(), _work),
    "video_2d": Recipe("video_2d", "pictures", 8.0, "4T", EYE, "fake_eye", "brightness", lambda *_: Eye(), _work),
}


@dataclasses.dataclass(frozen=True)
class FakeExtractor(Extractor):
    """Takes the recipes above in place of any, in whatever process it is."""

    @property
    def recipes(self) -> dict[str, Recipe]:
        return {stream: RECIPES[stream] for stream in self.origins}

    def with_backbones(self, backbones: Mapping[str, Any]) -> Callable[[Request], Made]:
        work = super().with_backbones(backbones)

        def odd(request: Request) -> Made:
            name = request.clip.name
            if "dies" in name:
                os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(0.3 if "slow" in name else 0.05 if "brief" in name else 0.0)
            made = work(request)
            if "nan" in name:
                return dataclasses.replace(made, rows={}, lacking=dict.fromkeys(request.streams, "NaN"))
            return made

        return odd


def fake_weights(folder: Path) -> dict[str, Weight]:
    """Write weights of the fakes into a cache folder, and return their entries of the registry."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {}
    for name in NAMES:
        (folder / name).write_bytes(CONTENT)
        digest = hashlib.sha256(CONTENT).hexdigest()
        known[name] = Weight(name, name, "?", digest, "none", Url("https://example.invalid"), ("embedded",), name)
    return known


def install(patch: pytest.MonkeyPatch, cache: Path) -> None:
    """Let `leap-avvp extract` and `label` use the fakes in this process and those that it starts."""
    for name, weight in fake_weights(cache).items():
        patch.setitem(weights.WEIGHTS, name, weight)  # type: ignore[arg-type]
    patch.setenv(CACHE, str(cache))
    patch.setattr("leap_avvp.media.asked.Extractor", FakeExtractor)
    patch.setattr("leap_avvp.media.judges.Scorer", FakeScorer)


def in_process(opener: Callable[[], Callable[[Any], Any]], items: Sequence[Any], jobs: int) -> Iterator[Outcome]:
    """Do in this process what :func:`pool.outcomes` does in others."""
    work = opener() if items else None
    for index, item in enumerate(items):
        assert work is not None
        yield pool._outcome(work, index, item)


def write_clips(folder: Path, names: Sequence[str], seconds: float = 2.0) -> Path:
    """Write short clips that differ, 4 pictures a second and sound at 8 kHz; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        pictures = [np.full((16, 16, 3), (37 * index + 11 * n) % 256, np.uint8) for n in range(round(4 * seconds))]
        write_media(
            folder / f"{name}.mkv",
            pictures=[] if "blind" in name else pictures,
            rate=4,
            codec="ffv1",
            pix_fmt="yuv420p",
            sound=None if "deaf" in name else tone(seconds, 8_000, pitch=200.0 + 40 * index) * (1 + index % 3) / 3,
            sound_rate=8_000,
        )
    return folder


@dataclasses.dataclass(frozen=True)
class FakeScorer(Scorer):
    """A teacher that hears how loud and sees how bright it is, and likes each class less than the one before."""

    @property
    def recipes(self) -> dict[str, Recipe]:
        return {modality: RECIPES[stream] for modality, stream in MODALITIES.items()}

    @property
    def extractor(self) -> Extractor:
        return FakeExtractor(dict.fromkeys(MODALITIES.values(), "embedded"), self.segments, self.seconds)

    def __call__(self) -> Callable[[Any], Scored]:
        judges: dict[str, Judge] = {}
        for modality, scale in (("audio", 20.0), ("visual", 0.05)):
            known = self.teacher.senses[modality].judged
            judges[modality] = functools.partial(_liking, scale, known)
        if self.root is not None:
            return lambda video: self._of_files(judges, str(video))
        work = self.extractor()
        return lambda clip: self._of_clip(judges, work, clip)


def _liking(scale: float, known: NDArray[np.bool_], rows: NDArray[np.float32], segments: int) -> NDArray[np.float32]:
    strong = scale * rows.reshape(segments, -1).mean(axis=1, keepdims=True) - np.arange(len(known))
    return np.where(known, strong, np.nan).astype(np.float32)
