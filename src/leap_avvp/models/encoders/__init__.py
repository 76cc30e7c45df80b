"""Encoders: segment features of two modalities, (B, T, D) each, made aware of their context."""

from leap_avvp.models.encoders.han import HAN
from leap_avvp.models.encoders.mm_pyramid import MMPyramid
from leap_avvp.models.encoders.pass_through import PassThrough

__all__ = ["HAN", "MMPyramid", "PassThrough"]
