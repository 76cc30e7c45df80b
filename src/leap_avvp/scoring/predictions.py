"""Anybody's predictions, in a file, to the ten numbers."""

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
from leap_avvp.card.dataset import CARD_FILE
from leap_avvp.card.read import card_of
from leap_avvp.data.annotations import SplitAnnotations, find_annotations, read_annotations
from leap_avvp.data.simulate.export import MARKER
from leap_avvp.errors import DataError, check_choice
from leap_avvp.metrics import ParsingMetrics
from leap_avvp.metrics.protocol import FILTERS, filtering
from leap_avvp.scoring.prediction_files import boolean, names_of, read_arrays, read_predictions, write_predictions
from leap_avvp.scoring.report import score_table

__all__ = ["ScoreResult", "read_predictions", "score_predictions", "write_predictions"]

_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class ScoreResult:
    """The ten numbers of a prediction file, with all that they depend on."""

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

    def table(self) -> Table:
        """Return the numbers for the terminal."""
        simulated = self.data_source == "simulated"  # its annotation files are no version of LLP's
        warning = " (SIMULATED data, not comparable with LLP)" if simulated else ""
        whose = "" if self.data_source in ("simulated", "llp") else f" of {self.data_source}"
        title = f"{self.split}: {self.videos:,} of {self.expected:,} videos{whose}{warning}"
        version = f"; audio annotations: {self.audio_annotations}" if self.audio_annotations and not simulated else ""
        return score_table(self.scores, title, f"protocol: {self.protocol}{version}")

    def to_dict(self) -> dict[str, object]:
        """Return plain content."""
        return {"format": "leap-avvp/score/1", **dataclasses.asdict(self)}


def score_predictions(
    predictions: str | Path,
    annotations: str | Path,
    split: str = "test",
    *,
    filter: str = "none",
    allow_missing: bool = False,
    link_store: str | Path | None = None,
    card: DataCard | str | Path | None = None,
) -> ScoreResult:
    """Score a file of predictions on the real annotations. T segments, C classes.

    Args:
        predictions: an ``.npz`` with ``video_id`` (N,), of LLP 11-character ids or whole names
            ``<id>_<start>_<end>``, in any order; ``audio`` and ``visual`` (N, T, C), boolean or 0 and 1; for the
            filters also ``video``, or ``video_audio`` and ``video_visual``, (N, C).
        annotations: folder of the CSV files.
        split: ``val`` or ``test``.
        filter: ``none`` takes the segments as given; ``union`` keeps those of a class only where ``video`` holds it (or
            ``video_audio`` or ``video_visual``, without that array); ``per_modality`` keeps audio segments only where
            ``video_audio`` holds the class, and visual ones where ``video_visual`` does; ``mixed`` audio as ``union``,
            and visual as ``per_modality``.
        allow_missing: score the videos that are there, instead of stopping when some are not.
        link_store: a trusted folder that the CSV files may be links into.
        card: the data card, or its file; None for ``dataset.yaml`` in the folder of the annotations or in the one
            around it, and LLP's where there is none.

    Raises:
        ConfigError: another split or filter.
        DataError: naming the file, what was expected and what was found.
    """
    check_choice("--split", split, ("val", "test"))
    check_choice("--filter", filter, FILTERS)
    predictions = Path(predictions)
    own = _card_beside(Path(annotations), card)
    folder = find_annotations(annotations, annotations, own)
    truth, dirt = read_annotations(folder, ("val", "test") if own.is_llp else (split,), link_store, own)
    target = truth[split]
    if target.audio is None or target.visual is None:
        raise DataError(
            f"{folder}: no dense labels for {split}{'' if own.dense else f': the card {own.name} names none'}"
        )
    arrays = read_arrays(predictions, filter, own, len(target.filenames))
    place = _match(predictions, names_of(arrays.pop("video_id")), target, allow_missing)
    there = np.array([name in place for name in target.video_ids])
    order = [place[name] for name in target.video_ids if name in place]
    said = _filtered({name: boolean(predictions, name, array)[order] for name, array in arrays.items()}, filter)
    metrics = ParsingMetrics()
    grids = (said["audio"], said["visual"], target.audio[there], target.visual[there])
    metrics.update(*(torch.from_numpy(grid) for grid in grids))
    return ScoreResult(
        scores={name: float(value) for name, value in metrics.compute().items()},
        protocol=f"filter={filter}{' (segments as given)' if filter == 'none' else ''}, event IoU>=0.5",
        split=split,
        videos=len(order),
        expected=len(target.filenames),
        audio_annotations=dirt.audio_version if own.is_llp else None,
        data_source="simulated"
        if any((near / MARKER).exists() for near in (folder, folder.resolve().parent))
        else own.name,
    )


def _card_beside(annotations: Path, card: DataCard | str | Path | None) -> DataCard:
    """Return the card of the annotations in a folder."""
    if isinstance(card, DataCard):
        return card
    near = (annotations, annotations.absolute().parent, annotations.resolve().parent)
    return card_of(next((place for place in near if (place / CARD_FILE).is_file()), None), card)


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
