"""LSLD's label refinement (Fan et al., NeurIPS 2023): weak labels into labels of segments by what texts say of them.

1. :func:`pick_subsets`. A video with 1 to 3 labels has a text for every non-empty subset of them, joined by " and ",
   and one more, "other". In each segment the text of the highest cosine wins; labels that it does not name are 0.
2. :func:`reweight`, of what is seen only. A labelled segment that lies below some other segment of its video in the
   cosine with the class' text is made soft, and an unlabelled one above some labelled one gets a little.

Subsets are sets of classes here and no texts: whether a text names a class is never asked of its letters, which would
find "car" in "cartoon". Stage 2 compares the segments of one video. That is our reading: over all videos at once its
condition would hold for every class, and would give labels outside the weak ones. N videos, T segments, C classes,
S texts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LSLD_WORDS", "MOST_LABELS", "class_similarities", "pick_subsets", "reweight", "subset_texts", "subsets"]

MOST_LABELS = 3
"""A video with more keeps its weak label in every segment."""
LSLD_WORDS = (
    *("Speeching", "Car", "Cheering", "Dog", "Cat", "Frying food", "playing basketball", "Fire alarm ringing"),
    *("Chainsaw", "playing the Cello", "playing the Banjo", "Singing", "Chicken", "playing the Violin"),
    *("Vacuum cleaner", "Baby laughter", "playing the Accordion", "Lawn-mower", "Motorcycle", "Helicopter"),
    *("playing the guitar", "Telephone bell ringing", "Baby cry", "Blender", "Clapping"),
)
"""(25,): what LSLD calls LLP's classes, as its program spells them."""
_OTHER = "other"


def subsets(count: int) -> list[tuple[int, ...]]:
    """Return the subsets of ``count`` labels in the order of their texts: by size, then by place; last "other", ().

    None of a count of 0, or above :data:`MOST_LABELS`.
    """
    if not 1 <= count <= MOST_LABELS:
        return []
    return [*(one for size in range(1, count + 1) for one in itertools.combinations(range(count), size)), ()]


def subset_texts(words: Sequence[str], weak: NDArray[Any]) -> list[str]:
    """Return the texts that a video's segments are compared with: 2, 4 or 8, in the order of :func:`subsets`.

    Args:
        words: (C,) what a class is called.
        weak: (C,) the video's weak label.
    """
    named = [words[place] for place in np.flatnonzero(weak).tolist()]
    return [" and ".join(named[place] for place in one) or _OTHER for one in subsets(len(named))]


def pick_subsets(similarities: NDArray[Any], weak: NDArray[Any]) -> NDArray[np.bool_]:
    """Return stage 1's labels (N, T, C): those that the best text of each segment names.

    Of equal cosines the first wins. A segment of NaN, in which there was nothing to compare, has no label. More than
    three labels stay in every segment.

    Args:
        similarities: (N, T, S) cosines with the texts of :func:`subset_texts`; what lies behind a video's texts is not
            looked at.
        weak: (N, C).
    """
    labelled = np.asarray(weak) != 0
    counts = labelled.sum(axis=1)
    labels = np.repeat((labelled & (counts > MOST_LABELS)[:, None])[:, None], similarities.shape[1], axis=1)
    for count in range(1, MOST_LABELS + 1):
        videos = np.flatnonzero(counts == count)
        named = np.array([[place in one for place in range(count)] for one in subsets(count)])  # (2^count, count)
        cosines = similarities[videos, :, : len(named)]
        known = ~np.isnan(cosines).any(axis=2, keepdims=True)
        won = named[np.where(known, cosines, 0).argmax(axis=2)] & known  # (n, T, count)
        classes = np.nonzero(labelled[videos])[1].reshape(-1, count)
        grid = labels[videos]
        np.put_along_axis(grid, classes[:, None], won, axis=2)
        labels[videos] = grid
    return labels


def class_similarities(similarities: NDArray[Any], weak: NDArray[Any]) -> NDArray[np.float64]:
    """Return the cosines (N, T, C) with the texts that name one class, NaN where a video has none of it.

    Args:
        similarities: (N, T, S), as :func:`pick_subsets` takes them.
        weak: (N, C).
    """
    labelled = np.asarray(weak) != 0
    counts = labelled.sum(axis=1)
    found = np.full((*similarities.shape[:2], labelled.shape[1]), np.nan)
    place = np.cumsum(labelled, axis=1) - 1  # texts of one class come first, in the order of classes
    for video, name in zip(*np.nonzero(labelled & (counts <= MOST_LABELS)[:, None]), strict=True):
        found[video, :, name] = similarities[video, :, place[video, name]]
    return found


def reweight(
    labels: NDArray[Any], similarities: NDArray[Any], event_ratio: float = 4.0, noise_ratio: float = 0.4
) -> NDArray[np.float32]:
    """Return stage 2's labels (N, T, C) from 0 to 1.

    Of a video and class, with cosines s+ of the labelled segments and s- of the others: where max s- > min s+, a
    labelled one with s < max s- becomes ``event_ratio`` s, and an unlabelled one with s > min s+ ``noise_ratio`` s.
    What would not lie between 0 and 1 stays as it is.

    Args:
        labels: (N, T, C), 0 or 1.
        similarities: (N, T, C) cosines with the class' text; what is NaN stays as it is.
        event_ratio: of labelled segments.
        noise_ratio: of unlabelled ones.
    """
    labelled, cosines = np.asarray(labels) != 0, np.asarray(similarities, np.float64)
    known = ~np.isnan(cosines)
    lowest = np.where(labelled & known, cosines, np.inf).min(axis=1, keepdims=True)
    highest = np.where(~labelled & known, cosines, -np.inf).max(axis=1, keepdims=True)
    unsure = known & (highest > lowest)
    refined = labelled.astype(np.float64)
    below, above = labelled & (cosines < highest), ~labelled & (cosines > lowest)
    for doubted, ratio in ((below, event_ratio), (above, noise_ratio)):
        soft = cosines * ratio
        refined = np.where(unsure & doubted & (soft > 0) & (soft < 1), soft, refined)
    return np.asarray(refined, np.float32)
