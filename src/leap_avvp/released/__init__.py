"""The released programs' weights: which key is which, and their way into a parser of ours and back."""

from leap_avvp.released.key_maps import Architecture, dead_shapes, key_map, load_released, recognise, to_released

__all__ = ["Architecture", "dead_shapes", "key_map", "load_released", "recognise", "to_released"]
