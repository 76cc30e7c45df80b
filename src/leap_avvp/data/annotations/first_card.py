"""A first data card for somebody's annotation files: the classes that stand in them, and what else is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from leap_avvp.card import DataCard, FeatureSet
from leap_avvp.card.dataset import CARD_FILE
from leap_avvp.card.features import known_features
from leap_avvp.card.read import card_from
from leap_avvp.data.annotations.rows import read_dense_names, read_weak_names
from leap_avvp.errors import DataError
from leap_avvp.files import write_whole
from leap_avvp.llp import CLASSES

__all__ = ["write_first_card"]

_HEAD = """\
# The data card of {name}, written from {files}. docs/own-data.md says what may stand here.
# Classes may get names to show: write `Dog_bark: dog, barking` in place of `- Dog_bark`, for all of them.
"""
_MISSING = """\
# A training also needs weak.{split}: videos that {use}.
"""


def write_first_card(
    weak: Mapping[str, Path],
    dense: Mapping[str, Path],
    features: FeatureSet,
    *,
    name: str = "own",
    segments: int = 10,
    seconds: float = 1.0,
    out: Path | None = None,
    overwrite: bool = False,
) -> tuple[Path, DataCard]:
    """Write a card; return its file and what it says.

    Classes stand in alphabetical order (LLP's own in LLP's).

    Args:
        weak: by split, the CSV with ``filename`` and ``event_labels``.
        dense: by modality, the CSV with ``filename, onset, offset, event_labels``; maybe none.
        features: of the videos.
        name: of the data.
        segments: T.
        seconds: of a segment.
        out: the card; None is ``dataset.yaml`` beside the files, or above their folder if that is called annotations.
        overwrite: replace a card that is there.

    Raises:
        DataError: a file that cannot be read, files in different folders, or a card that is there.
        ConfigError: a size or a name that cannot be.
    """
    files = [*weak.values(), *dense.values()]
    folders = {file.resolve().parent for file in files}
    if len(folders) > 1:
        raise DataError(f"expected annotation files in one folder, found {', '.join(map(str, sorted(folders)))}")
    folder = files[0].parent
    if out is None:
        out = (folder.parent if folder.name in ("annotations", "data") else folder) / CARD_FILE
    elif out.is_dir():
        out = out / CARD_FILE
    if out.exists() and not overwrite:
        raise DataError(f"{out}: a data card is there; --overwrite replaces it, --out FILE writes another")
    found: set[str] = set()
    for file in weak.values():
        found |= read_weak_names(file)
    for file in dense.values():
        found |= read_dense_names(file)
    classes = list(CLASSES) if found <= set(CLASSES) else sorted(found)
    content = {
        "name": name,
        "classes": classes,
        "segments": segments,
        "seconds": seconds,
        "weak": {split: file.name for split, file in weak.items()},
        "dense": {modality: file.name for modality, file in dense.items()},
        "ids": "filename",
        "features": features.name if features.name in known_features() else features.to_dict(),
    }
    card = card_from(content, str(out))
    text = _HEAD.format(name=name, files=", ".join(file.name for file in files))
    uses = {"val": "pick the epoch", "test": "are scored at the end"}
    text += "".join(_MISSING.format(split=split, use=use) for split, use in uses.items() if split not in weak)
    if not dense:
        text += "# And dense.audio and dense.visual: when events of these videos are heard and seen.\n"
    write_whole(out, text + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120))
    return out, card
