"""A folder in LLP's real layout: one file a video and feature, read and checked."""

from leap_avvp.data.folder.source import LLPFolder

__all__ = ["LLPFolder"]
