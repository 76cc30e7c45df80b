"""Segment labels out of a teacher's scores and weak labels. N videos, T segments, C classes.

* **A label** stands where the video's weak label has the class and the score is above its threshold.
* **A threshold** that the teacher does not have is a quantile (0.95) of the class' scores in all segments of the videos
  whose weak label lacks it: what is heard or seen in one segment of twenty where it is not.
* **What the teacher cannot judge**, as a class that the image network has no name for: see :func:`segment_labels`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import ConfigError
from leap_avvp.media.teachers import MODALITIES, Sense, Teacher

__all__ = ["UNJUDGED", "check_enough", "segment_labels", "thresholds_of"]

UNJUDGED = ("none", "weak")
"""What stands for a class that a sense cannot judge: see :func:`segment_labels`."""
_Scores = Mapping[str, NDArray[np.float32]]
_Flags = NDArray[np.bool_]


def thresholds_of(
    teacher: Teacher, scores: Mapping[str, Sequence[NDArray[np.float32]]], weak: _Flags, classes: Sequence[str]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, dict[str, str]]]:
    """Return the thresholds (C,) by modality, and by class where each comes from.

    They are NaN of classes that are judged in no video: without a threshold, or in no weak label at all.

    Args:
        teacher: with thresholds, for some classes or all; or without.
        scores: by modality, (T, C) of each of N videos; NaN where nothing was judged.
        weak: (N, C).
        classes: names, for messages.

    Raises:
        ConfigError: a threshold is missing, and too few videos lack the class to take one from them.
    """
    found: dict[str, NDArray[np.float64]] = {}
    origins: dict[str, dict[str, str]] = {}
    for modality, sense in teacher.senses.items():
        values, said = np.array(sense.thresholds, np.float64), {}
        for place, name in enumerate(classes):
            if not sense.judged[place] or not weak[:, place].any():
                values[place] = math.nan
            elif not math.isnan(values[place]):
                said[name] = "the teacher's"
            else:
                values[place], number = _quantile(teacher, scores[modality], weak, place)
                _check(teacher, modality, name, number)
                said[name] = f"{teacher.quantile:g} quantile of {number:,} videos without it"
        found[modality], origins[modality] = values, said
    return found, origins


def check_enough(teacher: Teacher, weak: _Flags, classes: Sequence[str]) -> None:
    """See before anything is judged whether enough videos lack each class whose threshold is missing.

    Args:
        teacher: of C classes.
        weak: (N, C).
        classes: names, for messages.

    Raises:
        ConfigError: too few.
    """
    for modality, sense in teacher.senses.items():
        open_ = sense.judged & np.isnan(sense.thresholds) & weak.any(axis=0)
        for place in np.flatnonzero(open_).tolist():
            _check(teacher, modality, classes[place], int((~weak[:, place]).sum()))


def _check(teacher: Teacher, modality: str, name: str, number: int) -> None:
    if number < teacher.videos:
        raise ConfigError(
            f"{name}, {modality}: teacher {teacher.name} has no threshold for it, and only {number:,} videos that are "
            f"judged lack it in their weak label, expected at least {teacher.videos:,} to take one from; give more "
            "videos, or a teacher in a YAML file with thresholds of your own (docs/extract.md)"
        )


def _quantile(teacher: Teacher, scores: Sequence[NDArray[np.float32]], weak: _Flags, place: int) -> tuple[float, int]:
    """Return a class' threshold, and of how many videos it is."""
    without = [one[:, place] for one, labelled in zip(scores, weak[:, place], strict=True) if not labelled]
    judged = [one[~np.isnan(one)] for one in without]
    judged = [one for one in judged if len(one)]
    if not judged:
        return math.nan, 0
    return float(np.quantile(np.concatenate(judged).astype(np.float64), teacher.quantile)), len(judged)


def segment_labels(
    scores: _Scores,
    thresholds: Mapping[str, NDArray[np.float64]],
    labelled: _Flags,
    senses: Mapping[str, Sense],
    *,
    soft: bool = False,
    temperature: float = 1.0,
    unjudged: str = "none",
) -> dict[str, NDArray[np.generic]]:
    """Return the labels (T, C) of a video by modality: int64, 0 or 1; or float32 from 0 to 1 if ``soft``.

    A soft label is ``y sigmoid((z - theta) / temperature)``: a half at the threshold, and 0 outside the weak label.
    A segment without sound or picture is 0.

    Of a class that a sense cannot judge at all, ``unjudged="weak"`` puts the weak label into every segment. ``"none"``
    claims nothing, so 0, where the other sense found the class: the weak label says that it is heard *or* seen, and
    that much is then explained. Where the other sense judged it and found it in no segment, or cannot judge it either,
    it must be here, or may: then the weak label stands in every segment.

    Args:
        scores: (T, C) by modality, NaN where nothing was judged.
        thresholds: (C,) by modality; NaN of classes that are not judged.
        labelled: (C,) y, the weak label.
        senses: of the teacher.
        soft: see above.
        temperature: likewise.
        unjudged: see :data:`UNJUDGED`.
    """
    found: dict[str, NDArray[np.generic]] = {}
    hard: dict[str, _Flags] = {}
    for modality in MODALITIES:
        above = scores[modality].astype(np.float64) - thresholds[modality]
        with np.errstate(invalid="ignore"):
            hard[modality] = (above > 0) & labelled
        if soft:
            known = labelled & ~np.isnan(above)
            shares = np.exp(-np.logaddexp(0, -np.where(known, above, 0.0) / temperature))
            found[modality] = np.where(known, shares, 0.0).astype(np.float32)
        else:
            found[modality] = hard[modality].astype(np.int64)
    for modality, other in zip(MODALITIES, reversed(MODALITIES), strict=True):
        open_ = labelled & ~senses[modality].judged
        if unjudged == "none":
            open_ = open_ & ~hard[other].any(axis=0)
        found[modality][:, open_] = 1
    return found
