"""LLP's annotation files: rows, what is wrong with them, and splits of videos with their labels."""

from leap_avvp.data.annotations.dirt import Dirt
from leap_avvp.data.annotations.splits import SplitAnnotations, find_annotations, read_annotations, write_annotations
from leap_avvp.data.annotations.versions import VERSIONS, audio_in_version

__all__ = [
    "VERSIONS",
    "Dirt",
    "SplitAnnotations",
    "audio_in_version",
    "find_annotations",
    "read_annotations",
    "write_annotations",
]
