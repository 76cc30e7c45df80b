"""Figures of LLP that the simulator follows.

Every number is an aggregate (a count or a mean) of the annotation files of Tian, Li and Xu, "Unified Multisensory
Perception: Weakly-Supervised Audio-Visual Video Parsing" (ECCV 2020), in their corrected version. "Evaluation" means
validation and test together (1,849 videos): only those have dense labels. Class ids are those of
:data:`leap_avvp.llp.CLASSES`.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "AUDIBLE_VISIBLE_BOTH",
    "BOTH_AUDIO",
    "BY_CLASS",
    "HEARD_ONLY",
    "LABELS_PER_VIDEO",
    "PAIRS",
    "SINGLES",
    "VISUAL",
    "ClassFigures",
    "RunTable",
]


class ClassFigures(NamedTuple):
    """How often events of one class occur, and how long they last."""

    alone_train: int
    """Training videos whose only weak label it is; speech is never alone there."""
    alone_eval: int
    """Evaluation videos whose only weak label it is."""
    heard: int
    """Evaluation videos in which it is heard."""
    seen: int
    """Evaluation videos in which it is seen."""
    both: int
    """Evaluation videos in which it is heard and seen."""
    heard_only_seconds: float
    """Mean seconds for which it is heard in a video where it is never seen. Classes with fewer than 20 such events
    share the mean of those classes, 7.5 s."""
    heard_seconds: float
    """Mean seconds for which it is heard in a video where it is seen too."""
    seen_seconds: float
    """Mean seconds for which it is seen in a video, heard or not."""


BY_CLASS: tuple[ClassFigures, ...] = (
    ClassFigures(0, 9, 988, 225, 223, 5.1, 5.8, 4.8),  # Speech
    ClassFigures(253, 44, 106, 133, 104, 7.5, 9.4, 9.1),  # Car
    ClassFigures(215, 14, 126, 54, 49, 5.4, 7.8, 7.4),  # Cheering
    ClassFigures(51, 10, 148, 157, 135, 7.5, 6.2, 9.5),  # Dog
    ClassFigures(16, 5, 43, 59, 40, 7.5, 4.6, 9.2),  # Cat
    ClassFigures(208, 14, 63, 60, 59, 7.5, 9.5, 9.0),  # Frying_(food)
    ClassFigures(132, 7, 66, 77, 62, 7.5, 4.2, 4.2),  # Basketball_bounce
    ClassFigures(116, 13, 36, 30, 30, 7.5, 7.5, 7.7),  # Fire_alarm
    ClassFigures(218, 33, 45, 44, 44, 7.5, 8.6, 8.7),  # Chainsaw
    ClassFigures(41, 11, 116, 100, 93, 9.5, 9.3, 9.1),  # Cello
    ClassFigures(17, 2, 42, 36, 34, 7.5, 8.7, 9.2),  # Banjo
    ClassFigures(350, 57, 269, 187, 186, 7.4, 7.8, 7.2),  # Singing
    ClassFigures(228, 53, 93, 91, 86, 7.5, 7.4, 9.4),  # Chicken_rooster
    ClassFigures(218, 29, 226, 193, 186, 9.2, 8.7, 9.1),  # Violin_fiddle
    ClassFigures(388, 58, 98, 93, 92, 7.5, 8.8, 9.3),  # Vacuum_cleaner
    ClassFigures(55, 10, 32, 25, 25, 7.5, 6.4, 6.8),  # Baby_laughter
    ClassFigures(361, 50, 82, 62, 61, 9.0, 9.3, 9.1),  # Accordion
    ClassFigures(130, 23, 44, 42, 41, 7.5, 8.2, 9.4),  # Lawn_mower
    ClassFigures(76, 21, 75, 80, 71, 7.5, 8.6, 8.9),  # Motorcycle
    ClassFigures(439, 72, 102, 95, 93, 7.5, 9.4, 9.0),  # Helicopter
    ClassFigures(58, 5, 144, 148, 131, 7.5, 8.5, 9.2),  # Acoustic_guitar
    ClassFigures(36, 6, 19, 11, 11, 7.5, 6.5, 7.0),  # Telephone_bell_ringing
    ClassFigures(174, 38, 75, 63, 62, 7.5, 8.3, 8.5),  # Baby_cry_infant_cry
    ClassFigures(213, 26, 55, 56, 55, 7.5, 6.7, 9.4),  # Blender
    ClassFigures(39, 6, 128, 77, 71, 4.7, 6.3, 5.7),  # Clapping
)
"""In the order of :data:`leap_avvp.llp.CLASSES`."""

LABELS_PER_VIDEO: dict[str, tuple[int, int, int, int]] = {
    "train": (4032, 5879, 89, 0),
    "val": (212, 367, 56, 14),
    "test": (404, 649, 118, 26),
}
"""Videos with 1, 2, 3 and 4 weak labels (the three test videos with 0, 5 and 7 left out or counted as 4)."""

SINGLES: dict[str, tuple[int, ...]] = {
    "train": tuple(figures.alone_train for figures in BY_CLASS),
    "eval": tuple(figures.alone_eval for figures in BY_CLASS),
}
"""By class: videos whose only weak label it is."""

PAIRS: tuple[tuple[int, int, int, int, int], ...] = (
    (0, 3, 668, 134, 13),
    (0, 13, 571, 72, 17),
    (0, 11, 497, 44, 52),
    (9, 13, 497, 71, 16),
    (0, 1, 366, 57, 22),
    (0, 6, 320, 40, 30),
    (0, 18, 312, 41, 16),
    (0, 2, 247, 21, 60),
    (0, 20, 227, 37, 28),
    (0, 22, 251, 37, 0),
    (0, 12, 204, 37, 4),
    (0, 4, 164, 42, 5),
    (11, 20, 129, 32, 43),
    (0, 5, 135, 50, 1),
    (0, 24, 96, 20, 63),
    (0, 19, 146, 21, 4),
    (0, 14, 104, 32, 4),
    (0, 7, 102, 22, 1),
    (0, 15, 89, 15, 7),
    (0, 23, 78, 30, 0),
    (0, 17, 85, 21, 0),
    (13, 20, 61, 10, 18),
    (0, 8, 66, 9, 3),
    (0, 21, 62, 13, 0),
    (0, 10, 61, 9, 5),
    (2, 11, 38, 13, 18),
    (10, 11, 45, 4, 17),
    (2, 24, 7, 7, 48),
    (0, 16, 43, 11, 4),
    (10, 13, 36, 3, 6),
    (11, 24, 9, 10, 25),
    (11, 13, 28, 2, 13),
    (0, 9, 26, 5, 6),
    (11, 16, 21, 5, 5),
    (10, 20, 8, 1, 19),
    (2, 6, 1, 2, 24),
    (9, 20, 5, 3, 16),
    (9, 11, 9, 3, 9),
    (1, 18, 4, 3, 12),
    (6, 24, 0, 0, 19),
    (13, 16, 9, 2, 3),
    (20, 24, 0, 0, 12),
    (3, 14, 3, 3, 3),
    (9, 10, 1, 0, 8),
    (8, 18, 9, 0, 0),
    (3, 4, 5, 1, 3),
    (3, 11, 6, 1, 1),
    (9, 16, 3, 1, 2),
    (13, 24, 1, 0, 5),
    (1, 19, 0, 4, 2),
    (16, 20, 1, 1, 4),
)
"""(class, class, training videos with exactly these two labels, evaluation videos with exactly these two, pairs within
evaluation videos of three or four labels), for the 51 pairs counted six times or more: 99.6 % of training's pairs."""

AUDIBLE_VISIBLE_BOTH: tuple[tuple[int, int, int], ...] = tuple(
    (figures.heard, figures.seen, figures.both) for figures in BY_CLASS
)
"""By class: evaluation videos in which it is heard, is seen, is both."""


class RunTable(NamedTuple):
    """How events of one kind lie in time. An event is a (video, class) pair, a run a maximal stretch of its seconds."""

    lengths: tuple[int, ...]
    """Runs of 1, 2, ..., 10 seconds."""
    runs: tuple[int, int, int, int]
    """Events of 1, 2, 3 and 4 runs."""
    from_start: int
    """Runs that begin at second 0."""
    to_end: int
    """Runs that last to second 10."""
    seconds: tuple[float, ...]
    """By class: mean seconds of an event."""


HEARD_ONLY = RunTable(
    lengths=(393, 310, 194, 142, 91, 54, 61, 49, 33, 278),
    runs=(829, 279, 58, 11),
    from_start=653,
    to_end=669,
    seconds=tuple(figures.heard_only_seconds for figures in BY_CLASS),
)
"""The audio of events that are heard and never seen."""

BOTH_AUDIO = RunTable(
    lengths=(317, 240, 222, 180, 109, 104, 99, 77, 84, 1041),
    runs=(1697, 274, 65, 7),
    from_start=1513,
    to_end=1568,
    seconds=tuple(figures.heard_seconds for figures in BY_CLASS),
)
"""The audio of events that are heard and seen."""

VISUAL = RunTable(
    lengths=(223, 200, 170, 143, 87, 101, 74, 72, 46, 1365),
    runs=(1958, 203, 32, 4),
    from_start=1775,
    to_end=1742,
    seconds=tuple(figures.seen_seconds for figures in BY_CLASS),
)
"""The video of events that are seen, heard or not."""
