"""The simulated data source: LLP's shapes and label statistics, made-up features. Its numbers are nobody's results."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.simulate.features import VideoFeatures, draw_features, draw_frames, simulated_label_embedding
from leap_avvp.data.simulate.labels import Dense, draw_dense, draw_weak
from leap_avvp.data.simulate.pseudo import agreement, draw_pseudo_labels
from leap_avvp.data.split import SplitData, weak_targets
from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.llp import AUDIO_DIM, NUM_SEGMENTS, SPLITS, VISUAL_2D_DIM, VISUAL_3D_DIM

if TYPE_CHECKING:
    from leap_avvp.data.annotations import SplitAnnotations

__all__ = ["PSEUDO_LABELS", "SimulatedLLP"]

PSEUDO_LABELS = ("valor", "none")
_LARGEST = 99_999


class SimulatedLLP:
    """Simulated videos in LLP's shapes, for developing, testing and demonstrating without the real features.

    The same arguments always give the same videos, and the first n videos of a split do not change with its size.

    Args:
        num_train: training videos (LLP has 10,000).
        num_val: validation videos (649).
        num_test: test videos (1,200).
        seed: which videos are drawn; the classes look the same for all seeds.
        pseudo_labels: ``valor`` (imperfect segment labels of two simulated teachers) or ``none`` (targets made from
            the weak label alone).
        annotations: real annotations by split, instead of simulated ones; the numbers of videos are then theirs, and
            where a split has no dense labels they are simulated from the weak ones.
        noise: size of the feature noise; 1 is tuned, 0 leaves only class overlap and distractors.
        confusion: 0 to 1, how much classes of one family (say, string instruments) look the same.
        alignment: 0 to 1, how much of an event's character its sound and its picture share.
        pseudo_error: size of the teachers' errors; 1 is tuned, 0 gives the truth.

    Raises:
        ConfigError: an argument out of range.
    """

    name = "simulated"

    def __init__(
        self,
        num_train: int = 1024,
        num_val: int = 200,
        num_test: int = 400,
        seed: int = 0,
        pseudo_labels: str = "valor",
        annotations: dict[str, SplitAnnotations] | None = None,
        noise: float = 1.0,
        confusion: float = 0.25,
        alignment: float = 0.6,
        pseudo_error: float = 1.0,
    ) -> None:
        self.sizes = {"train": num_train, "val": num_val, "test": num_test}
        for split, size in self.sizes.items():
            if not 1 <= size <= _LARGEST:
                raise ConfigError(f"num_{split}: expected 1 to {_LARGEST}, found {size}")
        if seed < 0:
            raise ConfigError(f"seed: expected 0 or more, found {seed}")
        for option, value, most in (
            ("noise", noise, 100.0),
            ("confusion", confusion, 1.0),
            ("alignment", alignment, 1.0),
            ("pseudo_error", pseudo_error, 100.0),
        ):
            if not 0.0 <= value <= most:
                raise ConfigError(f"{option}: expected 0 to {most:g}, found {value}")
        self.seed = seed
        self.pseudo_labels = check_choice("pseudo_labels", pseudo_labels, PSEUDO_LABELS)
        self.noise, self.confusion, self.alignment, self.pseudo_error = noise, confusion, alignment, pseudo_error
        self.has_teachers = self.pseudo_labels == "valor"
        self.annotations = annotations
        if annotations is not None:
            self.sizes = {split: len(annotations[split].filenames) for split in SPLITS}
        self._truth: dict[str, tuple[list[str], NDArray[np.bool_], Dense]] = {}

    def describe(self) -> dict[str, object]:
        """Return plain facts, all of simulated data: sizes, seed, knobs, quality of the training pseudo labels."""
        facts: dict[str, object] = {
            "source": self.name,
            "note": "simulated features: no score on them can be compared with a published one",
            "annotations": "simulated" if self.annotations is None else "given",
            "videos": dict(self.sizes),
            "seed": self.seed,
            "pseudo_labels": self.pseudo_labels,
            "noise": self.noise,
            "confusion": self.confusion,
            "alignment": self.alignment,
            "pseudo_error": self.pseudo_error,
        }
        if self.has_teachers:
            _, _, dense = self.labels("train")
            for modality, pseudo, truth in zip(("audio", "visual"), self.teachers("train"), dense, strict=True):
                quality = agreement(pseudo, truth)
                facts[f"pseudo_label_precision_{modality}"] = round(quality.precision, 4)
                facts[f"pseudo_label_recall_{modality}"] = round(quality.recall, 4)
        return facts

    def load(self, split: str) -> SplitData:
        """Return one split.

        Raises:
            ConfigError: an unknown split.
        """
        filenames, weak, dense = self.labels(split)
        number = len(filenames)
        audio = np.empty((number, NUM_SEGMENTS, AUDIO_DIM), dtype=np.float32)
        video_2d = np.empty((number, NUM_SEGMENTS, VISUAL_2D_DIM), dtype=np.float32)
        video_3d = np.empty((number, NUM_SEGMENTS, VISUAL_3D_DIM), dtype=np.float32)
        for index in range(number):
            audio[index], video_2d[index], video_3d[index] = self.features(split, index)
        targets: dict[str, NDArray[np.float32]] = {}
        label = weak.astype(np.float32)
        if split == "train" and self.has_teachers:
            targets["segment_audio"], targets["segment_visual"] = self.teachers(split)
        elif split == "train":
            targets = weak_targets(label)
        return SplitData(
            split,
            list(filenames),
            audio,
            video_2d,
            video_3d,
            label,
            target_audio=dense.audio.copy(),
            target_visual=dense.visual.copy(),
            **targets,
        )

    def label_embedding(self) -> NDArray[np.float32]:
        """Return (C, 300) simulated label embeddings, the same for all seeds."""
        return simulated_label_embedding()

    def frames(self, split: str, index: int) -> NDArray[np.float32]:
        """Return (80, 2048), the frames of one video: their mean over each second is its ``video_2d``."""
        filenames, _, _ = self.labels(split)
        return draw_frames(filenames[index], self.features(split, index).video_2d, seed=self.seed)

    def features(self, split: str, index: int) -> VideoFeatures:
        """Return the features of one video, as :meth:`load` has them."""
        filenames, _, dense = self.labels(split)
        return draw_features(
            filenames[index],
            dense.audio[index],
            dense.visual[index],
            seed=self.seed,
            noise=self.noise,
            confusion=self.confusion,
            alignment=self.alignment,
        )

    def _rng(self, split: str, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(split.encode()), purpose])

    def labels(self, split: str) -> tuple[list[str], NDArray[np.bool_], Dense]:
        """Return file names, weak labels (N, C) and dense labels of a split, drawn once."""
        check_choice("split", split, SPLITS)
        if split not in self._truth:
            if self.annotations is None:
                filenames = [_filename(split, index) for index in range(self.sizes[split])]
                weak = draw_weak(split, len(filenames), self._rng(split, 0))
                self._truth[split] = filenames, weak, draw_dense(weak, self._rng(split, 1))
            else:
                given = self.annotations[split]
                if given.audio is None or given.visual is None:
                    dense = draw_dense(given.weak, self._rng(split, 1))
                else:
                    dense = Dense(given.audio, given.visual)
                self._truth[split] = given.filenames, given.weak, dense
        return self._truth[split]

    def teachers(self, split: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what the simulated audio and visual teachers say of a split, (N, T, C) of 0 and 1 each."""
        _, weak, dense = self.labels(split)
        return draw_pseudo_labels((dense.audio, dense.visual), weak, self._rng(split, 2), self.pseudo_error)


def _filename(split: str, index: int) -> str:
    """Return a made-up name such as ``sim000042tr_0_10``; like YouTube ids some begin with ``-`` or ``_``."""
    stem = f"sim{index:06d}"
    if index % 16 in (5, 11):
        stem = ("-" if index % 16 == 5 else "_") + f"sim{index:05d}"
    return f"{stem}{split[:2]}_0_10"
