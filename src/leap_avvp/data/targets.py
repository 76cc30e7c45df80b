"""What a split is trained on: pseudo labels of some origin, the dense labels, or the weak ones alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leap_avvp.data.annotations import SplitAnnotations
from leap_avvp.data.folder.feature_files import BadFileError
from leap_avvp.data.pseudo import read_segment_labels
from leap_avvp.data.pseudo.labels import Each
from leap_avvp.data.split import weak_targets
from leap_avvp.errors import ConfigError, DataError, nearest

__all__ = ["KINDS", "TargetFiles", "check_kind", "given_targets", "read_targets"]

KINDS = ("valor", "uwav", "lsld", "dense", "weak", "none")
"""Where the targets of segments come from, beside a folder or file of one's own. ``dense``: the dense labels of the
training videos. ``weak``: the weak label in every segment of both modalities. ``none``: as the released programs train
without pseudo labels, what is in the weak label is heard for sure, and seen with a probability of 0.95."""


def check_kind(value: object) -> str:
    """Return the kind, or the path of label files of one's own.

    Raises:
        ConfigError: neither.
    """
    text = str(value)
    if text in KINDS or (isinstance(value, str | Path) and text and Path(text).exists()):
        return text
    near = nearest(text, KINDS, limit=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(
        f"data.pseudo_labels: expected one of {', '.join(KINDS)}, or a folder that is there, found {text[:80]!r}{hint}"
    )


def given_targets(kind: str, annotations: SplitAnnotations) -> dict[str, NDArray[np.float32]] | None:
    """Return the targets (N, T, C) that need no further files; None for kinds that do.

    Raises:
        DataError: ``dense`` where the training videos have no dense labels.
    """
    label, segments = annotations.weak.astype(np.float32), annotations.card.segments
    if kind == "none":
        return weak_targets(label, segments)
    if kind == "weak":
        repeated = np.repeat(label[:, None], segments, axis=1)
        return {"segment_audio": repeated, "segment_visual": repeated.copy()}
    if kind == "dense":
        if annotations.audio is None or annotations.visual is None:
            raise DataError(
                "data.pseudo_labels=dense: expected dense labels of the training videos, found none: their events must "
                "stand in the card's dense files"
            )
        grids = {"audio": annotations.audio, "visual": annotations.visual}
        return {f"segment_{modality}": grid.astype(np.float32) for modality, grid in grids.items()}
    return None


@dataclasses.dataclass(frozen=True)
class TargetFiles:
    """Targets that were read from files."""

    arrays: Mapping[str, NDArray[np.float32]]
    """``segment_audio`` and ``segment_visual``, (N, T, C) each."""
    problems: Sequence[tuple[int, BadFileError]]
    """What is wrong, by row."""
    outside: int
    """Labels outside the weak label."""
    notes: Sequence[str]
    """To tell."""


def read_targets(
    kind: str, root: Path, annotations: SplitAnnotations, link_store: Path | None = None, each: Each = map
) -> TargetFiles:
    """Read the targets of a split from label files.

    Args:
        kind: ``valor``, ``uwav``, ``lsld`` or a path.
        root: the data folder.
        annotations: of the split.
        link_store: a trusted folder that links of single files may lead into.
        each: applies a reader to all rows.

    Raises:
        DataError: no such files.
    """
    found = read_segment_labels(
        kind, root, annotations.filenames, annotations.weak, annotations.card, link_store, each=each
    )
    arrays = {"segment_audio": found.audio, "segment_visual": found.visual}
    return TargetFiles(arrays, found.problems, found.outside, found.notes)
