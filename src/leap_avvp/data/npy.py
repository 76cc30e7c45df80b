"""The header of a ``.npy`` file, read before anything is allocated, unpacked or executed."""

from leap_avvp.npz import NpyHeader, read_npy_header

__all__ = ["NpyHeader", "read_npy_header"]
