"""Files of cosines between segments and texts, from anybody's teacher, in the order in which labels are refined.

An ``.npz`` with ``video_id`` (N,), ``audio`` and ``visual`` (N, T, S), ``texts`` (N, S) or, the same for all, (S,), and
perhaps ``words`` (C,). N videos, T segments, S texts, C classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import DataCard
from leap_avvp.data.pseudo.refine import LSLD_WORDS, subset_texts
from leap_avvp.errors import DataError
from leap_avvp.files.npz import NpzArchive, open_npz

__all__ = ["Similarities", "class_words", "read_similarities"]

MODALITIES = ("audio", "visual")
_TEXTS = 8  # of a video with three labels


@dataclasses.dataclass(frozen=True)
class Similarities:
    """Cosines of N videos with the texts of their own labels."""

    audio: NDArray[np.float32]
    """(N, T, 8), in the order of :func:`~leap_avvp.data.pseudo.refine.subset_texts`; NaN behind them, and in segments
    that have no sound."""
    visual: NDArray[np.float32]
    """(N, T, 8), likewise."""
    words: tuple[str, ...]
    """(C,) what the texts call a class."""
    others: int = 0
    """Videos of the file that were not asked for."""


def class_words(card: DataCard) -> tuple[str, ...]:
    """Return (C,) what a class is called in texts: LSLD's words of LLP's classes, else a class' name as it is shown."""
    return LSLD_WORDS if card.is_llp else tuple(card.display)


def read_similarities(path: Path, ids: Sequence[str], weak: NDArray[Any], card: DataCard) -> Similarities:
    """Read the cosines of N videos.

    A text is found where it equals " and ".join of its classes' words, or "other"; it may stand at any place.

    Args:
        path: the file.
        ids: (N,) of the videos.
        weak: (N, C) their weak labels; those with no label, or more than three, need not be in the file.
        card: T and C.

    Raises:
        DataError: missing or damaged, of other shapes, a video or one of its texts missing, NaN in a part of a segment.
    """
    with open_npz(path) as archive:
        found = _read(archive, path, card)
    words = tuple(map(str, found["words"])) if "words" in found else class_words(card)
    rows = {str(name): place for place, name in enumerate(found["video_id"])}
    if len(rows) != len(found["video_id"]):
        raise DataError(f"{path}: video_id: expected each video once, found one twice")
    shape = (len(ids), card.segments, _TEXTS)
    grids = {modality: np.full(shape, np.nan, np.float32) for modality in MODALITIES}
    for video, name in enumerate(ids):
        wanted = subset_texts(words, weak[video])
        if not wanted:
            continue
        if name not in rows:
            lost = sum(bool(subset_texts(words, weak[n])) and one not in rows for n, one in enumerate(ids))
            raise DataError(f"{path}: expected every video with 1 to 3 labels, found {lost:,} missing, first {name}")
        texts = found["texts"] if found["texts"].ndim == 1 else found["texts"][rows[name]]
        places = {str(text): place for place, text in reversed(list(enumerate(texts)))}
        for text in wanted:
            if text not in places:
                there = ", ".join(map(repr, filter(None, places)))
                raise DataError(f"{path}: texts: expected {text!r} among those of video {name}, found {there[:200]}")
        columns = [places[text] for text in wanted]
        for modality, grid in grids.items():
            cosines = found[modality][rows[name]][:, columns]
            bad = np.isinf(cosines) | (np.isnan(cosines) & ~np.isnan(cosines).all(axis=1, keepdims=True))
            if bad.any():
                raise DataError(
                    f"{path}: {modality}: video {name}: expected finite cosines, or NaN in a whole segment, found "
                    f"{cosines[bad][0]:g}"
                )
            grid[video, :, : len(columns)] = cosines
    return Similarities(grids["audio"], grids["visual"], words, len(rows.keys() - set(ids)))


def _read(archive: NpzArchive, path: Path, card: DataCard) -> dict[str, NDArray[Any]]:
    missing = [name for name in ("video_id", *MODALITIES, "texts") if name not in archive.names]
    if missing:
        raise DataError(
            f"{path}: expected video_id (N,), audio and visual (N, T, S) and texts (N, S), found no {missing[0]}"
            + ("; a subset of labels has a text of its own (docs/extract.md)" if missing[0] == "texts" else "")
        )
    count = archive.header("video_id").shape
    texts = archive.header("texts").shape
    wanted = {
        "video_id": ("SU", ((*count[:1],),)),
        "texts": ("SU", ((*count[:1], *texts[-1:]), texts[-1:])),
        **{modality: ("fiu", ((*count[:1], card.segments, *texts[-1:]),)) for modality in MODALITIES},
    }
    if "words" in archive.names:
        wanted["words"] = ("SU", ((card.num_classes,),))
    found = {}
    for name, (kinds, shapes) in wanted.items():
        header = archive.header(name)
        if header.dtype.kind not in kinds or header.shape not in shapes:
            what = "texts" if kinds == "SU" else "numbers"
            of = " or ".join(map(str, shapes))
            raise DataError(f"{path}: {name}: expected {what} of shape {of}, found {header.dtype} {header.shape}")
        array = archive.read(name)
        found[name] = np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array
    return found
