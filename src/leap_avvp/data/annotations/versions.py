"""The two versions of LLP's audio annotations that circulate, each had from a copy of the other.

Most forks carry the older file, on which published numbers therefore rest; AVVP-ECCV20 has since corrected three rows.
The older one has two rows of ``JfZEqeLZqWk_30_40`` (Speech, 0 to 4 and 7 to 10) under the name ``Baby_cry_infant_cry``,
and one of ``KvIjsmANkxI_10_20`` (Cat, 0 to 1) with a backtick behind it. The released programs look for rows by a
video's whole name, so they never find these three: no error is raised, and two test videos have another truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leap_avvp.card import DataCard
from leap_avvp.errors import DataError, check_choice
from leap_avvp.llp import CLASSES

__all__ = ["MISNAMED", "VERSIONS", "audio_in_version", "audio_version"]

VERSIONS = ("old", "corrected")
"""The older file as the released programs read it, and the corrected one."""


class _Row(NamedTuple):
    """A row that only the corrected file has under its video's name."""

    video_id: str
    onset: int
    offset: int
    event: int
    misnamed: str
    """Under which the older file has it."""


_ROWS = (
    _Row("JfZEqeLZqWk", 0, 4, CLASSES.index("Speech"), "Baby_cry_infant_cry"),
    _Row("JfZEqeLZqWk", 7, 10, CLASSES.index("Speech"), "Baby_cry_infant_cry"),
    _Row("KvIjsmANkxI", 0, 1, CLASSES.index("Cat"), "KvIjsmANkxI_10_20`"),
)
MISNAMED = frozenset(row.misnamed for row in _ROWS)
"""Names in the older file that are no video's."""


def audio_version(audio: NDArray[np.bool_], video_ids: Sequence[str]) -> str | None:
    """Return which version the audio truth is of; None where none of the videos differs between them.

    Args:
        audio: (N, T, C) what is heard when.
        video_ids: length N, 11 characters each.

    Raises:
        DataError: it is of neither.
    """
    place = {name: row for row, name in enumerate(video_ids)}
    marked = [audio[place[row.video_id], row.onset : row.offset, row.event] for row in _ROWS if row.video_id in place]
    if not marked:
        return None
    segments = np.concatenate(marked)
    if segments.all():
        return "corrected"
    if not segments.any():
        return "old"
    names = ", ".join(dict.fromkeys(row.video_id for row in _ROWS))
    raise DataError(
        f"annotation versions: expected the audio annotations of {names} as one of the two files has them, "
        "found a mixture: no version can be derived from this file; copy one of LLP's own"
    )


def audio_in_version(
    audio: NDArray[np.bool_], video_ids: Sequence[str], version: str, card: DataCard, simulated: bool = False
) -> NDArray[np.bool_]:
    """Return the audio truth as one of :data:`VERSIONS` has it, whichever it is of.

    Args:
        audio: (N, T, C) what is heard when.
        video_ids: length N.
        version: ``old`` or ``corrected``.
        card: of the data.
        simulated: whether the videos are simulated, which have one version.

    Raises:
        ConfigError: another version.
        DataError: data that are not LLP, or annotations that are of neither version.
    """
    check_choice("annotation version", version, VERSIONS)
    if simulated or not card.is_llp:
        found = "simulated videos" if simulated else f"those of {card.name}"
        raise DataError(f"annotation versions: expected LLP's audio annotations, which have two, found {found}")
    if audio_version(audio, video_ids) in (None, version):
        return audio
    place = {name: row for row, name in enumerate(video_ids)}
    changed = audio.copy()
    for row in _ROWS:
        if row.video_id in place:
            changed[place[row.video_id], row.onset : row.offset, row.event] = version == "corrected"
    return changed
