"""What predictions are scored against: the dense annotations of a split, in the version that is asked for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import DataCard
from leap_avvp.card.dataset import CARD_FILE
from leap_avvp.card.read import card_of
from leap_avvp.data.annotations import SplitAnnotations, audio_in_version, find_annotations, read_annotations
from leap_avvp.data.simulate.export import MARKER
from leap_avvp.errors import DataError, check_choice

__all__ = ["Truth", "read_truth"]


@dataclasses.dataclass(frozen=True)
class Truth:
    """The dense annotations of a split."""

    target: SplitAnnotations
    card: DataCard
    data_source: str
    """Name of the card, or ``simulated`` where the annotations lie in a folder of simulated videos."""
    file_version: str | None
    """Which version of LLP's audio annotation file is there; None of other data."""

    def grids(self, version: str | None = None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return what is heard and what is seen, (N, T, C) each.

        Args:
            version: of LLP's audio annotations, ``old`` or ``corrected``; None takes the file as it is.

        Raises:
            LeapError: a version that there is not, or cannot be derived.
        """
        assert self.target.audio is not None
        assert self.target.visual is not None
        audio = self.target.audio
        if version is not None:
            audio = audio_in_version(audio, self.target.video_ids, version, self.card, self.data_source == "simulated")
        return audio, self.target.visual

    def said_version(self, version: str | None = None) -> str | None:
        """Return how results name a version of the audio annotations."""
        if version is None or self.file_version is None:
            return self.file_version
        return f"{version}, from the file: {self.file_version}"


def read_truth(
    annotations: str | Path,
    split: str,
    link_store: str | Path | None = None,
    card: DataCard | str | Path | None = None,
) -> Truth:
    """Read the dense annotations of a split.

    Args:
        annotations: folder of the CSV files.
        split: ``val`` or ``test``.
        link_store: a trusted folder that the CSV files may be links into.
        card: the data card, or its file; None for ``dataset.yaml`` in the folder of the annotations or in the one
            around it, and LLP's where there is none.

    Raises:
        ConfigError: another split.
        DataError: naming the file, what was expected and what was found.
    """
    check_choice("--split", split, ("val", "test"))
    own = _card_beside(Path(annotations), card)
    folder = find_annotations(annotations, annotations, own)
    splits, dirt = read_annotations(folder, ("val", "test") if own.is_llp else (split,), link_store, own)
    target = splits[split]
    if target.audio is None or target.visual is None:
        raise DataError(
            f"{folder}: no dense labels for {split}{'' if own.dense else f': the card {own.name} names none'}"
        )
    simulated = any((near / MARKER).exists() for near in (folder, folder.resolve().parent))
    return Truth(target, own, "simulated" if simulated else own.name, dirt.audio_version if own.is_llp else None)


def _card_beside(annotations: Path, card: DataCard | str | Path | None) -> DataCard:
    """Return the card of the annotations in a folder."""
    if isinstance(card, DataCard):
        return card
    near = (annotations, annotations.absolute().parent, annotations.resolve().parent)
    return card_of(next((place for place in near if (place / CARD_FILE).is_file()), None), card)
