"""Anybody's predictions, in a file, to the numbers."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from leap_avvp.card import DataCard
from leap_avvp.data.annotations import SplitAnnotations
from leap_avvp.errors import DataError, check_choice
from leap_avvp.metrics import ParsingMetrics, Protocol, exclusive_scores, per_video_scores
from leap_avvp.metrics.protocol import FILTERS, filtering
from leap_avvp.scoring.per_video import PerVideo
from leap_avvp.scoring.prediction_files import (
    boolean,
    names_of,
    read_arrays,
    read_predictions,
    read_probabilities,
    write_predictions,
)
from leap_avvp.scoring.report import score_table
from leap_avvp.scoring.truth import Truth, read_truth

__all__ = [
    "ScoreResult",
    "Scored",
    "Way",
    "read_predictions",
    "score_file",
    "score_predictions",
    "write_predictions",
]

_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class ScoreResult:
    """The numbers of a prediction file, with all that they depend on."""

    scores: dict[str, float]
    """In percent, with ``average``; names as :class:`~leap_avvp.metrics.ParsingMetrics` has them."""
    protocol: str
    split: str
    videos: int
    """Scored."""
    expected: int
    """In the split."""
    audio_annotations: str | None
    """Which version of LLP's audio annotation file; None of other data."""
    data_source: str = "llp"
    """Name of the data card, or ``simulated`` where the annotations lie in a folder of simulated videos."""
    predictions: str = ""
    """The file."""

    @property
    def title(self) -> str:
        """Which videos; simulated ones are named as such."""
        warning = " (SIMULATED data, not comparable with LLP)" if self.data_source == "simulated" else ""
        whose = "" if self.data_source in ("simulated", "llp") else f" of {self.data_source}"
        return f"{self.split}: {self.videos:,} of {self.expected:,} videos{whose}{warning}"

    @property
    def version(self) -> str:
        """The version of LLP's audio annotations, for a caption; the files of simulated videos are none of LLP's."""
        there = self.audio_annotations and self.data_source != "simulated"
        return f"; audio annotations: {self.audio_annotations}" if there else ""

    def table(self) -> Table:
        """Return the numbers for the terminal."""
        return score_table(self.scores, self.title, f"protocol: {self.protocol}{self.version}")

    def to_dict(self) -> dict[str, object]:
        """Return plain content."""
        return {"format": "leap-avvp/score/1", **dataclasses.asdict(self)}


@dataclasses.dataclass(frozen=True)
class Way:
    """How a file is read: its own binary predictions, filtered, or a protocol on its probabilities."""

    label: str
    """As it was asked for."""
    filter: str = "none"
    """Of binary predictions, which the file holds."""
    protocol: Protocol | None = None
    """Of probabilities, which the file holds; then there is no filter."""

    @property
    def name(self) -> str:
        """One line that goes with the numbers."""
        if self.protocol is not None:
            return self.protocol.name
        return f"filter={self.filter}{' (segments as given)' if self.filter == 'none' else ''}, event IoU>=0.5"


@dataclasses.dataclass(frozen=True)
class Scored:
    """A result, and the scores of its videos behind it. N videos."""

    result: ScoreResult
    videos: PerVideo
    way: str = ""
    """The label of the way."""
    version: str | None = None
    """Of the audio annotations, where one was asked for."""


def score_predictions(
    predictions: str | Path,
    annotations: str | Path,
    split: str = "test",
    *,
    filter: str = "none",
    protocol: Protocol | None = None,
    audio_annotations: str | None = None,
    allow_missing: bool = False,
    link_store: str | Path | None = None,
    card: DataCard | str | Path | None = None,
) -> ScoreResult:
    """Score a file of predictions on the real annotations. T segments, C classes.

    Args:
        predictions: an ``.npz`` with ``video_id`` (N,), of LLP 11-character ids or whole names
            ``<id>_<start>_<end>``, in any order; ``audio`` and ``visual`` (N, T, C), boolean or 0 and 1; for the
            filters also ``video``, or ``video_audio`` and ``video_visual``, (N, C). With a protocol instead
            probabilities: ``segment_audio_prob`` and ``segment_visual_prob`` (N, T, C) and, as it needs,
            ``video_prob``, ``audio_prob`` and ``visual_prob`` (N, C).
        annotations: folder of the CSV files.
        split: ``val`` or ``test``.
        filter: ``none`` takes the segments as given; ``union`` keeps those of a class only where ``video`` holds it (or
            ``video_audio`` or ``video_visual``, without that array); ``per_modality`` keeps audio segments only where
            ``video_audio`` holds the class, and visual ones where ``video_visual`` does; ``mixed`` audio as ``union``,
            and visual as ``per_modality``.
        protocol: how probabilities become predictions; the file's own binary ones are then not looked at.
        audio_annotations: ``old`` or ``corrected``: that version of LLP's, whichever is there; None for the one there.
        allow_missing: score the videos that are there, instead of stopping when some are not.
        link_store: a trusted folder that the CSV files may be links into.
        card: the data card, or its file; None for ``dataset.yaml`` in the folder of the annotations or in the one
            around it, and LLP's where there is none.

    Raises:
        ConfigError: another split or filter.
        DataError: naming the file, what was expected and what was found.
    """
    check_choice("--filter", filter, FILTERS)
    truth = read_truth(annotations, split, link_store, card)
    way = Way(filter, filter, protocol)
    return score_file(Path(predictions), truth, way, (audio_annotations,), allow_missing)[0].result


def score_file(
    path: Path, truth: Truth, way: Way, versions: Sequence[str | None] = (None,), allow_missing: bool = False
) -> list[Scored]:
    """Score a file, read in one way, against each version of the annotations; see :func:`score_predictions`.

    Raises:
        LeapError: see there.
    """
    target = truth.target
    number = len(target.filenames)
    if way.protocol is None:
        arrays = read_arrays(path, way.filter, truth.card, number)
    else:
        arrays = read_probabilities(path, way.protocol, truth.card, number)
    place = _match(path, names_of(arrays.pop("video_id")), target, allow_missing)
    there = np.array([name in place for name in target.video_ids])
    ids = [name for name in target.video_ids if name in place]
    order = [place[name] for name in ids]
    if way.protocol is None:
        binary = {name: boolean(path, name, array)[order] for name, array in arrays.items()}
        said = [torch.from_numpy(grid) for grid in _filtered(binary, way.filter).values()]
    else:
        out = {name: torch.from_numpy(np.ascontiguousarray(array[order])) for name, array in arrays.items()}
        said = list(way.protocol.apply(out))
    found = []
    for version in versions:
        grids = [*said, *(torch.from_numpy(grid[there]) for grid in truth.grids(version))]
        metrics = ParsingMetrics()
        metrics.update(*grids)
        result = ScoreResult(
            scores={name: float(value) for name, value in metrics.compute().items()},
            protocol=way.name,
            split=target.split,
            videos=len(order),
            expected=number,
            audio_annotations=truth.said_version(version),
            data_source=truth.data_source,
            predictions=str(path),
        )
        values = per_video_scores(*grids) | exclusive_scores(*grids)
        videos = PerVideo(ids, {name: each.numpy() for name, each in values.items()})
        found.append(Scored(result, videos, way.label, version))
    return found


def _filtered(said: Mapping[str, NDArray[np.bool_]], filter: str) -> dict[str, NDArray[np.bool_]]:
    """Return ``audio`` and ``visual`` (N, T, C) with the video-level predictions applied."""
    kept = {}
    for modality in ("audio", "visual"):
        kept[modality] = said[modality]
        name = filtering(filter, modality)
        if name == "video_prob":
            union = said["video"] if "video" in said else said["video_audio"] | said["video_visual"]
            kept[modality] = said[modality] & union[:, None, :]
        elif name is not None:
            kept[modality] = said[modality] & said[f"video_{modality}"][:, None, :]
    return kept


def _match(path: Path, given: Sequence[str], target: SplitAnnotations, allow_missing: bool) -> dict[str, int]:
    """Return the row of each video's predictions, by its id.

    A whole name must be the split's own: other seconds of the same video are not what was annotated.
    """
    ids = target.video_ids
    spellings = dict(zip([*ids, *target.filenames], [*ids, *ids], strict=True))
    unknown = [name for name in given if name not in spellings]
    if unknown:
        raise DataError(f"{path}: expected videos of the {target.split} split, found {_first(unknown)}")
    repeated = [name for name, times in Counter(spellings[name] for name in given).items() if times > 1]
    if repeated:
        raise DataError(f"{path}: expected each video once, found more than once {_first(repeated)}")
    place = {spellings[name]: row for row, name in enumerate(given)}
    missing = [name for name in ids if name not in place]
    if not place or (missing and not allow_missing):
        advice = "; --allow-missing scores the others alone" if place else ""
        raise DataError(
            f"{path}: expected all {len(ids):,} {target.split} videos, found {len(place):,}: missing are "
            f"{_first(missing)}{advice}"
        )
    return place


def _first(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _SHOWN else ""
    return f"{len(names):,}: {', '.join(repr(name[:40]) for name in names[:_SHOWN])}{more}"
