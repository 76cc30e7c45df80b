"""Models: front end, encoders, decoders, label queries and the parser that joins them."""

from leap_avvp.models.decoders import LEAPDecoder, MMCSEDecoder, MMILDecoder
from leap_avvp.models.encoders import HAN, MMPyramid, PassThrough
from leap_avvp.models.frontend import Frontend, JointFrontend
from leap_avvp.models.label_queries import LabelQueries
from leap_avvp.models.parser import PlainParser, VideoParser

__all__ = [
    "HAN",
    "Frontend",
    "JointFrontend",
    "LEAPDecoder",
    "LabelQueries",
    "MMCSEDecoder",
    "MMILDecoder",
    "MMPyramid",
    "PassThrough",
    "PlainParser",
    "VideoParser",
]
