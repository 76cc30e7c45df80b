"""LSLD's refinement against a plain reading of its two stages, and files of similarities."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.card import LLP
from leap_avvp.data.pseudo.refine import (
    LSLD_WORDS,
    class_similarities,
    pick_subsets,
    reweight,
    subset_texts,
    subsets,
)
from leap_avvp.data.pseudo.similarities import Similarities, class_words, read_similarities
from leap_avvp.errors import DataError
from tests.data.pseudo.conftest import CARD

PAGE = Path(__file__).parents[4] / "shared" / "design" / "peers.md"
WORDS = ("car", "cartoon", "dog", "hot dog", "a cat and mouse game")
Array = np.ndarray[Any, Any]


@pytest.fixture
def many() -> tuple[Array, Array]:
    """Return weak labels (60, 5) with 0 to 5 labels a video, and cosines (60, 4, 8), some of them equal."""
    rng = np.random.default_rng(7)
    weak = rng.random((60, 5)) < np.linspace(0, 1, 60)[:, None]
    assert set(weak.sum(axis=1)) == {0, 1, 2, 3, 4, 5}
    cosines = np.round(rng.uniform(-0.1, 0.4, (60, 4, 8)), 2)
    cosines[5::9, 1] = np.nan
    return weak, cosines


def plain_stage_1(weak: Array, cosines: Array) -> list[list[list[int]]]:
    """Read it loop by loop: texts in a list, the first highest, and what it is made of."""
    videos = []
    for labelled, segments in zip(weak, cosines, strict=True):
        own = [place for place, flag in enumerate(labelled) if flag]
        texts: list[set[int]] = [{one} for one in own]
        texts += [{own[i], own[j]} for i in range(len(own)) for j in range(i + 1, len(own))]
        texts += [set(own)] if len(own) == 3 else []
        texts.append(set())
        grid = []
        for segment in segments:
            if len(own) > 3:
                kept = set(own)
            elif not own or math.isnan(segment[0]):
                kept = set()
            else:
                best = max(range(len(texts)), key=lambda place: segment[place])
                kept = texts[best]
            grid.append([int(place in kept) for place in range(len(labelled))])
        videos.append(grid)
    return videos


def plain_stage_2(labels: Array, cosines: Array, event: float, noise: float) -> Array:
    found = labels.astype(float).copy()
    for video in range(labels.shape[0]):
        for name in range(labels.shape[2]):
            times = [t for t in range(labels.shape[1]) if not math.isnan(cosines[video, t, name])]
            inside = [cosines[video, t, name] for t in times if labels[video, t, name]]
            outside = [cosines[video, t, name] for t in times if not labels[video, t, name]]
            if not inside or not outside or not max(outside) > min(inside):
                continue
            for t in times:
                s = cosines[video, t, name]
                if labels[video, t, name] and s < max(outside) and 0 < event * s < 1:
                    found[video, t, name] = event * s
                if not labels[video, t, name] and s > min(inside) and 0 < noise * s < 1:
                    found[video, t, name] = noise * s
    return found


def test_stage_1_equals_a_plain_reading(many: tuple[Array, Array]) -> None:
    weak, cosines = many
    labels = pick_subsets(cosines, weak)
    assert labels.astype(int).tolist() == plain_stage_1(weak, cosines)
    assert not (labels & ~weak[:, None]).any()
    assert labels[weak.sum(axis=1) > 3].sum() == 4 * weak[weak.sum(axis=1) > 3].sum()


@pytest.mark.parametrize(("event", "noise"), [(4.0, 0.4), (1.5, 0.9), (40.0, 3.0)])
def test_stage_2_equals_a_plain_reading(many: tuple[Array, Array], event: float, noise: float) -> None:
    weak, cosines = many
    labels, own = pick_subsets(cosines, weak), class_similarities(cosines, weak)
    found = reweight(labels, own, event, noise)
    np.testing.assert_array_equal(found, plain_stage_2(labels, own, event, noise).astype(np.float32))
    changed = found != labels
    assert (changed & labels).any()
    assert (changed & ~labels).any()
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert not found[~np.repeat(weak[:, None], 4, axis=1)].any()


def test_a_hand_made_video() -> None:
    weak = np.array([[0, 1, 1]])
    #                    b    c    b and c  other
    cosines = np.array([[[0.30, 0.1, 0.20, 0.1], [0.20, 0.1, 0.25, 0.1], [0.24, 0.2, 0.2, 0.3], [0.1, 0.3, 0.2, 0.2]]])
    labels = pick_subsets(cosines, weak)
    assert labels[0].astype(int).tolist() == [[0, 1, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]]
    # b: labelled 0.30 and 0.20, others 0.24 and 0.10. c: labelled 0.1 and 0.3, others 0.1 and 0.2.
    found = reweight(labels, class_similarities(cosines, weak))
    expected = [[0, 1, 0], [0, 0.8, 0.4], [0, 0.096, 0.08], [0, 0, 1]]
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)


def test_texts_are_every_subset_and_other() -> None:
    assert [len(subsets(count)) for count in range(5)] == [0, 2, 4, 8, 0]
    texts = subset_texts(WORDS, np.array([1, 1, 1, 0, 0]))
    assert texts == [
        *("car", "cartoon", "dog", "car and cartoon", "car and dog", "cartoon and dog", "car and cartoon and dog"),
        "other",
    ]
    assert subset_texts(WORDS, np.zeros(5)) == subset_texts(WORDS, np.array([1, 1, 1, 1, 0])) == []


def test_a_text_names_the_classes_it_is_made_of_and_no_part_of_a_word() -> None:
    weak = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0]])
    cosines = np.tile(np.array([0.1, 0.9, 0.2, 0.3]), (2, 1, 1))  # "cartoon" and "hot dog" win
    assert pick_subsets(cosines, weak)[:, 0].astype(int).tolist() == [[0, 1, 0, 0, 0], [0, 0, 0, 1, 0]]


def test_for_lslds_own_words_a_substring_says_the_same() -> None:
    """The released program asks a text for its letters; with these words, that is no mistake."""
    for first in LSLD_WORDS:
        assert [word for word in LSLD_WORDS if word in first] == [first]


def test_lslds_words_equal_the_design_page() -> None:
    if not PAGE.is_file():
        pytest.skip("the design page is not part of a checkout")
    said = re.search(r"Class words: (.*?)\.\n", PAGE.read_text())
    assert said
    assert tuple(said[1].split(", ")) == LSLD_WORDS
    assert class_words(LLP) == LSLD_WORDS
    assert class_words(CARD) == ("a", "b", "c", "d")


@pytest.fixture
def file(tmp_path: Path, names: list[str], weak: Array) -> Callable[..., Path]:
    """Return ``file(**changes)``: similarities of the five videos, and of another, texts in an order of their own."""
    rng = np.random.default_rng(3)
    texts = np.array(["other", "a", "b", "c", "d", "a and b", "a and d", "c and d"])
    content = {
        "video_id": np.array([*reversed(names), "another"]),
        "audio": rng.uniform(-1, 1, (6, 3, 8)),
        "visual": rng.uniform(-1, 1, (6, 3, 8)).astype(np.float16),
        "texts": texts,
    }

    def write(**changes: Any) -> Path:
        path = tmp_path / "similarities.npz"
        new = {**content, **{key: change(content.get(key)) for key, change in changes.items()}}
        np.savez(path, **{key: value for key, value in new.items() if value is not None})
        return path

    return write


@pytest.fixture
def read_file(names: list[str], weak: Array) -> Callable[[Path], Similarities]:
    return lambda path: read_similarities(path, names, weak, CARD)


def test_texts_are_found_wherever_they_stand(file: Callable[..., Path], read_file: Any) -> None:
    path = file()
    with np.load(path) as archive:
        audio = archive["audio"]
    found = read_file(path)
    np.testing.assert_allclose(found.audio[0, :, :4], audio[4][:, [1, 4, 6, 0]], rtol=1e-6)  # a, d, a and d, other
    np.testing.assert_allclose(found.audio[4, :, :4], audio[0][:, [3, 4, 7, 0]], rtol=1e-6)
    np.testing.assert_allclose(found.audio[1, :, :2], audio[3][:, [2, 0]], rtol=1e-6)
    assert np.isnan(found.audio[1, :, 2:]).all()
    assert (found.others, found.words) == (1, ("a", "b", "c", "d"))
    each = read_file(file(texts=lambda texts: np.tile(texts, (6, 1))))
    np.testing.assert_array_equal(each.visual, found.visual)
    own = read_file(
        file(
            texts=lambda _: ["other", "a", "b", "c", "dd", "a and b", "a and dd", "c and dd"],
            words=lambda _: ["a", "b", "c", "dd"],
        )
    )
    np.testing.assert_array_equal(own.visual, found.visual)
    silent = read_file(file(audio=lambda grid: np.where(np.arange(3)[:, None] == 1, np.nan, grid)))
    assert np.isnan(silent.audio[:, 1]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"texts": lambda _: None}, "found no texts; a subset of labels has a text of its own"),
        (
            {"video_id": lambda ids: np.array([*ids[:-2], "x", "y"])},
            "every video with 1 to 3 labels, found 1 missing, first",
        ),
        ({"video_id": lambda ids: np.array([*ids[:-1], ids[0]])}, "video_id: expected each video once"),
        (
            {"texts": lambda texts: np.char.replace(texts, "a and d", "d and a")},
            "texts: expected 'a and d' among those",
        ),
        (
            {"audio": lambda grid: grid[:, :2]},
            r"audio: expected numbers of shape \(6, 3, 8\), found float64 \(6, 2, 8\)",
        ),
        ({"texts": lambda texts: np.tile(texts, (5, 1))}, r"texts: expected texts of shape \(6, 8\) or \(8,\)"),
        ({"visual": lambda grid: grid.astype(str)}, "visual: expected numbers"),
        (
            {"visual": lambda grid: np.where(grid == grid[4, 0, 1], np.nan, grid)},
            "expected finite cosines, or NaN in a who",
        ),
        ({"visual": lambda grid: grid * np.float16(np.inf)}, "visual: video video 0: expected finite cosines"),
        ({"words": lambda _: ["a", "b"]}, r"words: expected texts of shape \(4,\)"),
        ({"video_id": lambda ids: np.array(list(ids), object)}, "video_id: expected texts"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(
    file: Callable[..., Path], read_file: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        read_file(file(**changes))
    assert "\n" not in str(error.value)
