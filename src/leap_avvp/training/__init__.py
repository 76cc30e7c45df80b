"""One run: the module that is trained, its callbacks and checkpoints, and the story from start to ``metrics.json``."""

from leap_avvp.training.checkpoint import load_checkpoint
from leap_avvp.training.module import ParsingModule
from leap_avvp.training.run import run

__all__ = ["ParsingModule", "load_checkpoint", "run"]
