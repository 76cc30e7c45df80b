"""The simulated data source: made-up features in a card's shapes, as a rule LLP's. Its numbers are nobody's results."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import LLP, DataCard, Stream
from leap_avvp.data.simulate.features import VideoFeatures, draw_features
from leap_avvp.data.simulate.generic import draw_dense_labels, draw_weak_labels
from leap_avvp.data.simulate.labels import Dense, draw_dense, draw_weak
from leap_avvp.data.simulate.pseudo import agreement, draw_pseudo_labels, draw_soft_targets
from leap_avvp.data.simulate.rows import draw_rows, readable
from leap_avvp.data.simulate.world import simulated_label_embedding, world
from leap_avvp.data.split import SplitData, weak_targets
from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.llp import SPLITS

if TYPE_CHECKING:
    from leap_avvp.data.annotations import SplitAnnotations

__all__ = ["PSEUDO_LABELS", "SimulatedLLP"]

PSEUDO_LABELS = ("valor", "uwav", "weak", "none")
_LARGEST = 99_999


class SimulatedLLP:
    """Simulated videos for developing, testing and demonstrating without real features.

    With LLP's classes and ten segments, labels have LLP's statistics, whatever the feature set; else they are drawn
    as :mod:`leap_avvp.data.simulate.generic` says. C classes, T segments.

    The same arguments always give the same videos, and the first n videos of a split do not change with its size.

    Args:
        num_train: training videos (LLP has 10,000).
        num_val: validation videos (649).
        num_test: test videos (1,200).
        seed: which videos are drawn; the classes look the same for all seeds.
        pseudo_labels: ``valor`` (imperfect segment labels of two simulated teachers), ``uwav`` (soft targets of the
            same teachers, above 0.5 where their labels are 1), ``weak`` (the weak label in every segment of both
            modalities) or ``none`` (as the released programs do without pseudo labels).
        annotations: real annotations by split, instead of simulated ones; the numbers of videos are then theirs, and
            where a split has no dense labels they are simulated from the weak ones.
        noise: size of the feature noise; 1 is tuned, 0 leaves only class overlap and distractors.
        confusion: 0 to 1, how much classes of one family (say, string instruments) look the same.
        alignment: 0 to 1, how much of an event's character its sound and its picture share.
        pseudo_error: size of the teachers' errors; 1 is tuned, 0 gives the truth.
        card: classes, segments, features and how videos are named.

    Raises:
        ConfigError: an argument out of range, or annotations of other classes or segments than the card's.
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
        card: DataCard = LLP,
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
        self.has_teachers = self.pseudo_labels in ("valor", "uwav")
        self.annotations = annotations
        self.card = card
        self._like_llp = card.classes == LLP.classes and card.segments == LLP.segments
        if annotations is not None:
            self.sizes = {split: len(annotations[split].filenames) for split in SPLITS if split in annotations}
            for one in annotations.values():
                if (one.card.classes, one.card.segments) != (card.classes, card.segments):
                    raise ConfigError(f"annotations: expected those of the card {card.name}, found {one.card.name}'s")
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
        facts |= self.card.describe()
        if self.has_teachers and "train" in self.sizes:
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
        number, segments = len(filenames), self.card.segments
        streams = {
            name: np.empty((number, segments, width), dtype=np.float32)
            for name, width in self.card.features.widths.items()
        }
        for index in range(number):
            for rows, one in zip(streams.values(), self.features(split, index), strict=False):
                rows[index] = one
        targets: dict[str, NDArray[np.float32]] = {}
        label = weak.astype(np.float32)
        if split == "train" and self.has_teachers:
            draw = self.teachers if self.pseudo_labels == "valor" else self.soft_targets
            targets["segment_audio"], targets["segment_visual"] = draw(split)
        elif split == "train" and self.pseudo_labels == "weak":
            targets = {f"segment_{each}": np.repeat(label[:, None], segments, axis=1) for each in ("audio", "visual")}
        elif split == "train":
            targets = weak_targets(label, segments)
        return SplitData(
            split,
            list(filenames),
            streams["audio"],
            streams["video_2d"],
            streams.get("video_3d"),
            label,
            target_audio=dense.audio.copy(),
            target_visual=dense.visual.copy(),
            **targets,
        )

    def label_embedding(self) -> NDArray[np.float32]:
        """Return (C, 300) simulated label embeddings, the same for all seeds."""
        return simulated_label_embedding(self.card.classes)

    def rows(self, split: str, index: int) -> dict[str, NDArray[np.float32]]:
        """Return by stream what the feature file of one video holds, (R, F): it reduces to what :meth:`load` returns.

        R is what the feature set says; of LLP (10, 128), (80, 2048) and (10, 512).
        """
        filename = self.labels(split)[0][index]
        return {
            stream.name: draw_rows(stream, filename, pooled, seed=self.seed)
            for stream, pooled in self._streams(self.features(split, index))
        }

    def frames(self, split: str, index: int) -> NDArray[np.float32]:
        """Return what the file of one video's ``video_2d`` holds, of LLP the (80, 2048) frames."""
        return self.rows(split, index)["video_2d"]

    def features(self, split: str, index: int) -> VideoFeatures:
        """Return the features of one video, as :meth:`load` has them."""
        filenames, _, dense = self.labels(split)
        drawn = draw_features(
            filenames[index],
            dense.audio[index],
            dense.visual[index],
            world(self.card.classes, tuple(self.card.features.widths.values()), self.confusion),
            seed=self.seed,
            noise=self.noise,
            alignment=self.alignment,
        )
        return VideoFeatures(*(readable(stream, pooled) for stream, pooled in self._streams(drawn)))

    def _streams(self, features: VideoFeatures) -> list[tuple[Stream, NDArray[np.float32]]]:
        """Return each stream of the set, and its features."""
        return [
            (stream, values)
            for stream, values in zip(self.card.features.streams.values(), features, strict=False)
            if values is not None
        ]

    def _rng(self, split: str, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(split.encode()), purpose])

    def labels(self, split: str) -> tuple[list[str], NDArray[np.bool_], Dense]:
        """Return file names, weak labels (N, C) and dense labels of a split, drawn once."""
        check_choice("split", split, self.sizes)
        if split not in self._truth:
            if self.annotations is None:
                filenames = [_filename(split, index, self.card) for index in range(self.sizes[split])]
                weak = self._draw_weak(split, len(filenames))
                self._truth[split] = filenames, weak, self._draw_dense(split, weak)
            else:
                given = self.annotations[split]
                if given.audio is None or given.visual is None:
                    dense = self._draw_dense(split, given.weak)
                else:
                    dense = Dense(given.audio, given.visual)
                self._truth[split] = given.filenames, given.weak, dense
        return self._truth[split]

    def _draw_weak(self, split: str, number: int) -> NDArray[np.bool_]:
        if self._like_llp:
            return draw_weak(split, number, self._rng(split, 0))
        order = self._rng("", 3).permutation(self.card.num_classes)  # one for all splits
        return draw_weak_labels(number, self.card.num_classes, order, self._rng(split, 0))

    def _draw_dense(self, split: str, weak: NDArray[np.bool_]) -> Dense:
        if self._like_llp:
            return draw_dense(weak, self._rng(split, 1))
        return draw_dense_labels(weak, self.card.segments, self._rng(split, 1))

    def teachers(self, split: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what the simulated audio and visual teachers say of a split, (N, T, C) of 0 and 1 each."""
        _, weak, dense = self.labels(split)
        return draw_pseudo_labels((dense.audio, dense.visual), weak, self._rng(split, 2), self.pseudo_error)

    def soft_targets(self, split: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return how sure the same teachers are, (N, T, C) from 0 to 1 each: above 0.5 where they say 1."""
        _, weak, dense = self.labels(split)
        return draw_soft_targets((dense.audio, dense.visual), weak, self._rng(split, 2), self.pseudo_error)


def _filename(split: str, index: int, card: DataCard) -> str:
    """Return a made-up name such as ``sim000042tr_0_10``; like YouTube ids some begin with ``-`` or ``_``.

    Of a card whose ids are whole names it is ``sim000042tr``.
    """
    stem = f"sim{index:06d}"
    if index % 16 in (5, 11):
        stem = ("-" if index % 16 == 5 else "_") + f"sim{index:05d}"
    return f"{stem}{split[:2]}{'_0_10' if card.ids == 'llp' else ''}"
