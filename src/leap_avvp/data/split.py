"""One split of videos in memory, and the protocol of the things that yield one."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import LLP, DataCard

__all__ = ["DataSource", "SplitData", "weak_targets"]


@dataclasses.dataclass(frozen=True)
class SplitData:
    """The videos of one split. N videos, T segments, C classes; features and labels float32, truth bool.

    Features of a packed set are memory-mapped, and may be float16.
    """

    split: str
    """``train``, ``val`` or ``test``."""
    filenames: list[str]
    """Length N, as the annotation files have them: ``<11-character id>_<start>_<end>`` of LLP."""
    audio: NDArray[np.float32]
    """(N, T, F), of LLP (N, T, 128)"""
    video_2d: NDArray[np.float32]
    """(N, T, F), of LLP (N, T, 2048), the mean of each second's 8 frames."""
    video_3d: NDArray[np.float32] | None
    """(N, T, F), of LLP (N, T, 512); None where the feature set has none."""
    video_label: NDArray[np.float32]
    """(N, C) weak labels, 0 or 1."""
    segment_audio: NDArray[np.float32] | None = None
    """(N, T, C) training targets of the audio segments (train only)."""
    segment_visual: NDArray[np.float32] | None = None
    """(N, T, C) training targets of the visual segments (train only)."""
    video_audio: NDArray[np.float32] | None = None
    """(N, C) video-level audio targets where they are not the largest of the segments (train only)."""
    video_visual: NDArray[np.float32] | None = None
    """(N, C) video-level visual targets where they are not the largest of the segments (train only)."""
    target_audio: NDArray[np.bool_] | None = None
    """(N, T, C) dense truth (always for val and test; for train only where a simulator knows it)."""
    target_visual: NDArray[np.bool_] | None = None
    """(N, T, C) dense truth, as above."""

    def __len__(self) -> int:
        return len(self.filenames)


def weak_targets(label: NDArray[np.float32], segments: int = LLP.segments) -> dict[str, NDArray[np.float32]]:
    """Return the training targets where there are no pseudo labels, from weak labels (N, C).

    As the released programs have them: what is in the label is heard for sure, and probably seen. ``video_audio`` and
    ``video_visual`` (N, C), and the same in every segment: ``segment_audio`` and ``segment_visual`` (N, T, C).
    """
    targets = {"video_audio": label, "video_visual": np.float32(0.9) * label + np.float32(0.05)}
    for modality in ("audio", "visual"):
        targets[f"segment_{modality}"] = np.repeat(targets[f"video_{modality}"][:, None], segments, axis=1)
    return targets


class DataSource(Protocol):
    """Where splits come from: a folder in the real layout, or the simulator."""

    name: str
    """That of the card, or ``simulated``; every reported number carries it."""
    card: DataCard
    """Classes, segments and features."""

    def describe(self) -> dict[str, object]:
        """Return plain facts about the source (sizes, seed or root, dirt counts) for reports and ``metrics.json``."""
        ...

    def load(self, split: str) -> SplitData:
        """Return one split, checked."""
        ...
