"""The released programs' weights: which key is which, and their way into a parser of ours and back."""

from leap_avvp.released.key_maps import dead_shapes, key_map, load_released, to_released
from leap_avvp.released.program import Architecture
from leap_avvp.released.registry import describe, recognise

__all__ = ["Architecture", "dead_shapes", "describe", "key_map", "load_released", "recognise", "to_released"]
