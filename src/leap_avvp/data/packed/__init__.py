"""A packed, memory-mapped set of a whole folder: written once, then read many times faster."""

from leap_avvp.data.packed.source import PackedLLP, find_packed, open_folder

__all__ = ["PackedLLP", "find_packed", "open_folder"]
