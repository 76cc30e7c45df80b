"""Trained models in use: load one, parse videos with it, predict a whole folder, hand it on."""

from leap_avvp.inference.events import Event
from leap_avvp.inference.export import export_model
from leap_avvp.inference.loading import load
from leap_avvp.inference.parser import Parser
from leap_avvp.inference.predictions import predict
from leap_avvp.inference.result import ParseResult
from leap_avvp.inference.videos import open_videos

__all__ = ["Event", "ParseResult", "Parser", "export_model", "load", "open_videos", "predict"]
