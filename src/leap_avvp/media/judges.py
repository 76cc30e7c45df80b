"""What a teacher says of a video: scores of each segment and class, out of its features. T segments, C classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import named_features
from leap_avvp.card.reduce import file_rows
from leap_avvp.errors import DataError
from leap_avvp.media.arrays import read_rows
from leap_avvp.media.decode import Clip
from leap_avvp.media.extractor import Extractor, Request
from leap_avvp.media.recipes import RECIPES, Recipe
from leap_avvp.media.teachers import MODALITIES, Sense, Teacher, logit

__all__ = ["Scored", "Scorer", "judge_of", "outputs_judge", "prompt_judge"]

Judge = Callable[[NDArray[np.float32], int], NDArray[np.float32]]
"""``(rows, segments)``, (R, F) and T, to scores (T, C); NaN where nothing was judged."""
_Rows = NDArray[np.float32]


def prompt_judge(texts: NDArray[Any], scale: float) -> Judge:
    """Return what scores rows by texts: the scale times their cosine, the mean of a segment's rows.

    Args:
        texts: (C, F), each of length 1.
        scale: what cosines are multiplied by.
    """

    def judge(rows: _Rows, segments: int) -> _Rows:
        found = rows.astype(np.float64)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        cosines = np.divide(found, lengths, out=np.full_like(found, np.nan), where=lengths > 0) @ texts.T
        means = (scale * cosines).reshape(segments, -1, len(texts)).mean(axis=1)
        return np.asarray(means, np.float32)

    return judge


def outputs_judge(weight: _Rows, bias: _Rows, outputs: Sequence[Sequence[int]], exclusive: bool) -> Judge:
    """Return what scores rows by a network's last layer, the highest of a segment's rows.

    Args:
        weight, bias: (K, F), (K,) of its K outputs.
        outputs: (C,) those that stand for a class: none of a class that is not judged.
        exclusive: probabilities that sum to 1, of which a class' are added; else each is one of its own, of which the
            highest counts. A row of zeros is then of no picture.
    """

    def judge(rows: _Rows, segments: int) -> _Rows:
        every = rows.astype(np.float64) @ weight.T.astype(np.float64) + bias
        scores = np.full((len(rows), len(outputs)), np.nan)
        if exclusive:
            every = np.exp(every - every.max(axis=1, keepdims=True))
            every /= every.sum(axis=1, keepdims=True)
        for place, some in enumerate(outputs):
            if some:
                own = every[:, list(some)]
                scores[:, place] = logit(own.sum(axis=1)) if exclusive else own.max(axis=1)
        if exclusive:
            scores[~rows.any(axis=1)] = np.nan
        # Of a segment the highest that is there; NaN where none is.
        return np.asarray(np.fmax.reduce(scores.reshape(segments, -1, len(outputs)), axis=1), np.float32)

    return judge


def judge_of(sense: Sense, backbone: Any) -> Judge:
    """Return what a sense's network says of its own rows."""
    if sense.prompts:
        return prompt_judge(np.asarray(backbone.text(sense.prompts), np.float64), backbone.scale)
    if sense.stream == "audio":
        ear = backbone.ear  # of the pair
        return outputs_judge(_plain(ear._weight), _plain(ear._bias), sense.outputs, exclusive=False)
    last = backbone.network.classifier
    return outputs_judge(_plain(last.weight), _plain(last.bias), sense.outputs, exclusive=True)


def _plain(tensor: Any) -> _Rows:
    return np.asarray(tensor.detach().float().cpu().numpy())


@dataclasses.dataclass(frozen=True)
class Scored:
    """What a teacher says of a video."""

    scores: Mapping[str, NDArray[np.float32]]
    """By modality: (T, C), NaN where nothing was judged."""
    notes: Mapping[str, float]
    """Of a video: see :class:`~leap_avvp.media.extractor.Made`. ``deaf``, ``blind``: it has no sound, no pictures."""
    seconds: float
    """Of the video, that were looked at."""


@dataclasses.dataclass(frozen=True)
class Scorer:
    """Loads a teacher's networks where it is called, and returns what turns a video into a :class:`Scored`.

    A video is a clip, or the name of its feature files.
    """

    teacher: Teacher
    segments: int
    seconds: float
    device: str = "cpu"
    root: Path | None = None
    """Data folder of the features; None: videos are decoded."""
    origins: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """By modality: the feature set whose stream is judged."""

    @property
    def recipes(self) -> dict[str, Recipe]:
        """By modality: how the rows that are judged are made."""
        return {modality: RECIPES[self.origins[modality]][stream] for modality, stream in MODALITIES.items()}

    @property
    def extractor(self) -> Extractor:
        """What makes the rows out of videos."""
        origins = {stream: self.origins[modality] for modality, stream in MODALITIES.items()}
        return Extractor(origins, self.segments, self.seconds, self.device)

    def path(self, modality: str, video: str) -> Path:
        """Return a video's feature file."""
        assert self.root is not None
        folder = named_features(self.origins[modality]).folders[MODALITIES[modality]]
        return self.root / folder / f"{video}.npy"

    def __call__(self) -> Callable[[Clip | str], Scored]:
        """Load the networks.

        Raises:
            ConfigError: a package is not installed.
            DataError: there are no weights, or they are another network's.
        """
        backbones = {modality: recipe.make(device=self.device) for modality, recipe in self.recipes.items()}
        judges = {modality: judge_of(self.teacher.senses[modality], one) for modality, one in backbones.items()}
        if self.root is not None:
            return lambda video: self._of_files(judges, str(video))
        work = self.extractor.with_backbones({MODALITIES[modality]: one for modality, one in backbones.items()})
        return lambda clip: self._of_clip(judges, work, clip)

    def _of_files(self, judges: Mapping[str, Judge], video: str) -> Scored:
        scores = {}
        for modality, judge in judges.items():
            stream = named_features(self.origins[modality]).streams[MODALITIES[modality]]
            rows = file_rows(stream.rows, self.segments)
            assert rows is not None
            shapes = dict.fromkeys(((rows, stream.width), (self.segments, stream.width)))
            scores[modality] = judge(read_rows(self.path(modality, video), tuple(shapes)), self.segments)
        return Scored(scores, {}, self.segments * self.seconds)

    def _of_clip(self, judges: Mapping[str, Judge], work: Callable[[Request], Any], clip: Any) -> Scored:
        made = work(Request(clip, tuple(MODALITIES.values())))
        shape = (self.segments, len(next(iter(self.teacher.senses.values())).judged))
        scores: dict[str, NDArray[np.float32]] = {}
        notes = dict(made.notes)
        for (modality, stream), lack in zip(MODALITIES.items(), ("deaf", "blind"), strict=True):
            why = made.lacking.get(stream)
            if why is None:
                scores[modality] = judges[modality](made.rows[stream], self.segments)
            elif why in ("no sound", "no pictures"):
                scores[modality], notes[lack] = np.full(shape, np.nan, np.float32), made.seconds
            else:
                raise DataError(f"{stream}: {why}")
        return Scored(scores, notes, made.seconds)
