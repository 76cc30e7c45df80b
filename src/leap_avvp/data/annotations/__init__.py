"""LLP's annotation files: rows, what is wrong with them, and splits of videos with their labels."""

from leap_avvp.data.annotations.dirt import Dirt
from leap_avvp.data.annotations.splits import SplitAnnotations, find_annotations, read_annotations, write_annotations

__all__ = ["Dirt", "SplitAnnotations", "find_annotations", "read_annotations", "write_annotations"]
