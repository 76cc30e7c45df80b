"""Where work on many videos is done: processes of this machine (:mod:`leap_avvp.media.pool`), Ray or Slurm."""

from leap_avvp.media.engines.engine import Engine, engine_named

__all__ = ["Engine", "engine_named"]
