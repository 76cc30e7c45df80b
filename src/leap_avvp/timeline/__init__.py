"""What a parsed video is written as: tables, subtitles, a figure and one page.

matplotlib, jinja2 and rich are imported where they are used: reading this package costs no more than numpy.
"""

from leap_avvp.timeline.result import MODALITIES, ZERO_SHOT, Timeline, TimelineEvent
from leap_avvp.timeline.writers import write_events, write_figure, write_outputs, write_page, write_timeline, write_vtt

__all__ = [
    "MODALITIES",
    "ZERO_SHOT",
    "Timeline",
    "TimelineEvent",
    "write_events",
    "write_figure",
    "write_outputs",
    "write_page",
    "write_timeline",
    "write_vtt",
]
