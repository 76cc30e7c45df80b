"""A sharded set: one folder of plain ``.npy`` files with a record a video, and ``index.json``, which names them.

A shard is never changed once the index names it. Beside each lies ``<shard>.sums``: the SHA-256 of the shard's header
and of each block of videos, one a line; the SHA-256 of that file is the shard's checksum in the index. So opening a set
reads the index alone, and any block can be held against its checksum without reading the rest of its shard.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from leap_avvp.card import LLP, DataCard, FeatureSet
from leap_avvp.card.dataset import CARD_FILE
from leap_avvp.card.read import card_content, card_from
from leap_avvp.errors import DataError
from leap_avvp.files import write_whole

__all__ = [
    "INDEX",
    "PROGRESS",
    "Shard",
    "ShardIndex",
    "damaged",
    "npy_head",
    "read_index",
    "record_type",
    "shards_folder",
]

SHARD_FORMAT = "leap-avvp/shards/1"
INDEX = "index.json"
PROGRESS = "progress.json"
"""What is written already of a set whose packing has not come to its end."""
_NAME_BYTES = 200
"""The longest filename that a card allows."""


@dataclasses.dataclass(frozen=True)
class Shard:
    """One ``.npy`` file of records."""

    file: str
    videos: int
    sha256: str
    """Of ``<file>.sums``."""


@dataclasses.dataclass(frozen=True)
class ShardIndex:
    """What a sharded set says of itself."""

    dtype: str
    """Of the features: ``float32`` or ``float16``."""
    simulated: bool
    """Made from simulated videos: its numbers must not pass as real ones."""
    pseudo_labels: str
    """The kind of the segment labels that are in the shards (``leap_avvp.data.targets.KINDS``, or a path)."""
    block: int
    """Videos that share a checksum, and that are read together."""
    labels: Mapping[str, Mapping[str, str]]
    """By split: the types of its label fields, by name."""
    shards: Mapping[str, list[Shard]]
    """By split, in the order in which they were packed."""
    missing: Mapping[str, int]
    """By split: videos that the last packing left out because files of theirs were missing."""
    card: Mapping[str, Any]
    """The data card with its features."""
    version: str
    """Of the package that wrote it last."""

    def data_card(self) -> DataCard:
        """Return the card, with the features that are in the shards."""
        return card_from(self.card, f"{INDEX}: card")

    def record(self, split: str) -> np.dtype[Any]:
        """Return the type of a video's record: ``filename``, features (T, F), and labels (C,) or (T, C)."""
        return record_type(self.data_card(), self.dtype, self.labels[split])

    def fingerprint(self, *splits: str) -> str:
        """Return 16 hex digits of the splits' videos, features and labels, made of the checksums of their shards."""
        known = [[split, *(shard.sha256 for shard in self.shards.get(split, []))] for split in splits]
        return hashlib.sha256(json.dumps([self.card, known], sort_keys=True).encode()).hexdigest()[:16]

    def write(self, folder: Path) -> None:
        """Write ``index.json``, sealed with its own SHA-256, in place of an older one; and the card as a data folder's.

        Raises:
            DataError: it cannot be written.
        """
        content = json.loads(json.dumps({"format": SHARD_FORMAT, **dataclasses.asdict(self)}))
        write_whole(folder / CARD_FILE, json.dumps(card_content(self.data_card()), indent=1) + "\n")
        write_whole(folder / INDEX, json.dumps({**content, "sha256": _seal(content)}, indent=1) + "\n")


def record_type(card: DataCard, dtype: str, labels: Mapping[str, str]) -> np.dtype[Any]:
    """Return the type of a record, see :meth:`ShardIndex.record`; without gaps between its fields."""
    fields: list[Any] = [("filename", f"S{_NAME_BYTES}")]
    fields += [(name, np.dtype(dtype), (card.segments, width)) for name, width in card.features.widths.items()]
    for name, kind in labels.items():
        shape = (card.num_classes,) if name.startswith("video_") else (card.segments, card.num_classes)
        fields.append((name, np.dtype(kind), shape))
    return np.dtype(fields)


def npy_head(record: np.dtype[Any], videos: int) -> bytes:
    """Return the bytes of a ``.npy`` file before its records."""
    head = io.BytesIO()
    description = np.lib.format.dtype_to_descr(record)
    np.lib.format.write_array_header_1_0(head, {"descr": description, "fortran_order": False, "shape": (videos,)})
    return head.getvalue()


def shards_folder(root: Path, dtype: str, features: FeatureSet = LLP.features) -> Path:
    """Return where the sharded set of a data folder lies: of each feature set its own."""
    which = "" if features == LLP.features else f"-{features.name}"
    return root / f"shards{which}-{dtype}"


def damaged(folder: Path, what: str) -> DataError:
    """Return the error for a set that cannot be trusted, with the way out."""
    return DataError(
        f"{folder}: damaged sharded set: {what}; take the file from a copy of the set, or delete the set and run "
        "`leap-avvp data pack --shards` again"
    )


def _seal(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_index(folder: Path) -> ShardIndex:
    """Read and check ``index.json``.

    Raises:
        DataError: missing, half-written or otherwise damaged, or of another version of the format.
    """
    path = folder / INDEX
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        why = "`leap-avvp data pack --shards DIR` makes one"
        if (folder / PROGRESS).is_file():
            why = "its packing has not come to its end, and the same `leap-avvp data pack --shards` goes on"
        raise DataError(f"{path}: cannot be read ({error.strerror}): no sharded set; {why}") from error
    except ValueError as error:
        raise damaged(folder, f"{INDEX} is not JSON, half of it may be missing") from error
    if not isinstance(content, dict) or "format" not in content:
        raise damaged(folder, f"{INDEX} states no format")
    seal = content.pop("sha256", None)
    if content["format"] != SHARD_FORMAT and str(content["format"]).startswith("leap-avvp/shards/"):
        raise DataError(
            f"{folder}: expected a sharded set of the format {SHARD_FORMAT}, found {content['format']}, which another "
            "version of leap-avvp wrote; run `leap-avvp data pack --shards` into another folder"
        )
    if seal != _seal(content):
        raise damaged(folder, f"the checksum of {INDEX} does not fit what it says")
    del content["format"]
    shards = {split: [Shard(**each) for each in listed] for split, listed in content.pop("shards").items()}
    return ShardIndex(**content, shards=shards)
