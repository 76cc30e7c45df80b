"""Metrics of audio-visual video parsing, and the protocols under which they are reported."""

from leap_avvp.metrics.exclusive import EXCLUSIVE_NAMES, exclusive_scores
from leap_avvp.metrics.functional import SCORE_NAMES, per_video_scores
from leap_avvp.metrics.parsing import ParsingMetrics
from leap_avvp.metrics.protocol import Protocol
from leap_avvp.metrics.protocol_files import read_protocol
from leap_avvp.metrics.tuning import TunedProtocol, tune_protocol

__all__ = [
    "EXCLUSIVE_NAMES",
    "SCORE_NAMES",
    "ParsingMetrics",
    "Protocol",
    "TunedProtocol",
    "exclusive_scores",
    "per_video_scores",
    "read_protocol",
    "tune_protocol",
]
