"""Reads the segment labels of the training videos, whoever made them."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import DataCard
from leap_avvp.data.folder.feature_files import BadFileError, read_array, read_pseudo_labels
from leap_avvp.data.pseudo.layout import LabelLayout, label_layout
from leap_avvp.data.pseudo.lsld import StoredLabels
from leap_avvp.data.pseudo.thresholds import fill_thresholds, read_thresholds, soft_targets
from leap_avvp.errors import ConfigError

__all__ = ["PseudoLabels", "read_segment_labels"]

Each = Callable[[Callable[[int], Any], Sequence[int]], Iterable[Any]]
_CHUNK = 512  # videos


@dataclasses.dataclass(frozen=True)
class PseudoLabels:
    """Segment labels of N videos."""

    audio: NDArray[np.float32]
    """(N, T, C) from 0 to 1; a video with a problem has zeros."""
    visual: NDArray[np.float32]
    """(N, T, C), likewise."""
    outside: int
    """Labels above 0 of events outside the video's weak label. They are kept."""
    notes: list[str]
    """Lines to tell the user."""
    problems: list[tuple[int, BadFileError]]
    """What is wrong, with the index of the video, in the order of videos."""
    layout: LabelLayout
    """Where the labels were found."""


def read_segment_labels(
    kind: str | Path,
    root: str | Path,
    filenames: Sequence[str],
    weak: NDArray[Any],
    card: DataCard,
    link_store: Path | None = None,
    tau: float = 2.0,
    each: Each = map,
) -> PseudoLabels:
    """Read the labels of N videos, which are the training ones.

    ``valor``: integers, 0 or 1. ``uwav``: the soft targets ``y sigmoid((z - theta) / tau)`` of its logits z and
    thresholds theta. ``lsld``: what its ``.npz`` holds, 0 to 1. A folder of one's own: ``audio/ID.npy`` and
    ``visual/ID.npy``, 0 to 1, or one of these layouts.

    A threshold of UWAV may be -inf, where none is best for a class. It becomes the smallest logit of the class over all
    videos that are read, less 1. The released program takes the smallest of a batch, so that its targets depend on who
    shares the batch; these do not.

    Args:
        kind: ``valor``, ``uwav``, ``lsld``, or a folder or ``.npz`` file of one's own.
        root: the data folder.
        filenames: length N, as the annotation files have them.
        weak: (N, C) weak labels, 0 or 1.
        card: T, C, and how a file name becomes an id.
        link_store: a trusted folder that links of single files may lead into.
        tau: the temperature of UWAV's soft targets.
        each: ``each(read, indices)`` yields ``read(index)`` in order; threads are faster off a network.

    Raises:
        DataError: no such files; thresholds or an ``.npz`` that cannot be used. What is wrong with single videos is in
            :attr:`PseudoLabels.problems`.
        ConfigError: an unknown kind, or tau.
    """
    if isinstance(tau, bool) or not isinstance(tau, int | float) or not 0 < tau < math.inf:
        raise ConfigError(f"tau of UWAV's soft targets: expected a finite number above 0, found {tau!r}")
    layout = label_layout(kind, root)
    ids = [card.video_id(name) for name in filenames]
    labelled = np.asarray(weak) != 0
    grids: dict[str, NDArray[np.float32]] = {}
    problems: list[tuple[int, BadFileError]] = []
    notes: list[str] = []
    for modality in layout.files:
        read = _Reader(layout, modality, ids, card, link_store)
        if layout.form == "uwav":
            grids[modality] = _soft(read, labelled, tau, each)
        else:
            grids[modality] = read.all(each, np.dtype(np.float32))
        problems += read.problems
        notes += read.notes()
    outside = sum(_outside(grid, labelled) for grid in grids.values())
    problems.sort(key=lambda problem: problem[0])
    return PseudoLabels(grids["audio"], grids["visual"], outside, list(dict.fromkeys(notes)), problems, layout)


class _Reader:
    """The labels of one modality."""

    def __init__(
        self, layout: LabelLayout, modality: str, ids: Sequence[str], card: DataCard, link_store: Path | None
    ) -> None:
        self.layout, self.modality, self.ids, self.link_store = layout, modality, ids, link_store
        self.shape = (card.segments, card.num_classes)
        self.path = layout.files[modality]
        self.problems: list[tuple[int, BadFileError]] = []
        self._stored: StoredLabels | None = None
        if layout.form == "lsld":
            self._stored = StoredLabels(self.path, layout.base, modality, self.shape, len(ids), link_store)

    def all(self, each: Each, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return (N, T, C), with zeros where a problem is noted."""
        grid: NDArray[Any] = np.zeros((len(self.ids), *self.shape), dtype)

        def read(index: int) -> BadFileError | None:
            try:
                grid[index] = self.one(self.ids[index])
            except BadFileError as problem:
                return problem
            return None

        for index, problem in enumerate(each(read, range(len(self.ids)))):
            if problem is not None:
                self.problems.append((index, problem))
        return grid

    def one(self, identity: str) -> NDArray[Any]:
        """Return (T, C) of a video.

        Raises:
            BadFileError: what is wrong.
        """
        if self._stored is not None:
            return self._stored.read(identity)
        path = self.path / f"{identity}.npy"
        if self.layout.form == "valor":
            return read_pseudo_labels(path, self.layout.base, self.shape, self.link_store)
        values = read_array(path, self.layout.base, (self.shape,), link_store=self.link_store)
        if self.layout.form == "uwav":
            wrong = values.size - np.count_nonzero(np.isfinite(values))
            if wrong:
                raise BadFileError(path, f"expected finite logits, found {wrong:,} NaN or Inf among {values.size:,}")
            return values
        inside = (values >= 0) & (values <= 1)
        if not inside.all():
            raise BadFileError(path, f"expected numbers from 0 to 1, found {values[~inside][0]:g}")
        return values

    def notes(self) -> list[str]:
        """Tell of labels of other videos, which released folders hold, too."""
        if self._stored is not None:
            others, what = self._stored.others(self.ids), "label"
        else:
            own = {f"{identity}.npy" for identity in self.ids}
            try:
                names = os.listdir(self.path)
            except OSError:  # one that may be entered, but not listed
                return []
            hidden = "._"  # what macOS leaves beside each file
            others = sum(name.endswith(".npy") and not name.startswith(hidden) and name not in own for name in names)
            what = "file"
        if not others:
            return []
        of, be = (f"{what} of another video", "is") if others == 1 else (f"{what}s of other videos", "are")
        return [f"{self.layout.name(self.path)}: {others:,} {of} than the training ones {be} not read"]


def _soft(read: _Reader, labelled: NDArray[np.bool_], tau: float, each: Each) -> NDArray[np.float32]:
    """Return UWAV's soft targets (N, T, C)."""
    thresholds = read_thresholds(
        read.layout.thresholds[read.modality], read.layout.base, read.shape[1], read.link_store
    )
    logits = read.all(each, np.dtype(np.float64))
    sound = np.ones(len(logits), np.bool_)
    sound[[index for index, _ in read.problems]] = False
    targets = np.zeros(logits.shape, np.float32)
    if not sound.any():
        return targets
    lowest = logits.min(axis=(0, 1), initial=np.inf, where=sound[:, None, None])
    thresholds = fill_thresholds(thresholds, lowest)
    for first in range(0, len(logits), _CHUNK):
        part = slice(first, first + _CHUNK)
        targets[part] = soft_targets(logits[part], thresholds, labelled[part] & sound[part, None], tau)
    return targets


def _outside(grid: NDArray[np.float32], labelled: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(grid, axis=1)[~labelled].sum())
