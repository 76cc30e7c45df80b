"""Decoders: from encoded segments to what occurs in a video, when, heard or seen."""

from leap_avvp.models.decoders.leap import LEAPDecoder
from leap_avvp.models.decoders.mm_cse import MMCSEDecoder
from leap_avvp.models.decoders.mmil import MMILDecoder

__all__ = ["LEAPDecoder", "MMCSEDecoder", "MMILDecoder"]
