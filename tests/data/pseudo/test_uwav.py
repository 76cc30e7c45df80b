"""UWAV's soft targets: against the released program, by hand, and what is refused."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.card import LLP
from leap_avvp.data.pseudo import read_segment_labels
from leap_avvp.data.pseudo.thresholds import fill_thresholds
from leap_avvp.errors import ConfigError, DataError

GOLDEN = Path(__file__).resolve().parents[4] / "shared" / "parity" / "reference_s0"
MODALITIES = {"audio": "a", "visual": "v"}
Write = Callable[..., Path]


@pytest.fixture
def logits() -> dict[str, np.ndarray[Any, Any]]:
    """Return logits (5, 3, 4) by modality."""
    rng = np.random.default_rng(2)
    return {modality: 4 * rng.standard_normal((5, 3, 4), np.float32) for modality in MODALITIES}


@pytest.fixture
def thresholds() -> dict[str, np.ndarray[Any, Any]]:
    return {"audio": np.array([0.5, -1, -np.inf, 2], np.float32), "visual": np.array([0, 1, 2, -3], np.float32)}


@pytest.fixture
def folder(tmp_path: Path, names, logits, thresholds) -> Write:
    """Return ``folder(below="LLP_Dataset", spelling="threhsolds")``: writes the files, returns the folder of them."""

    def run(below: str = "LLP_Dataset", spelling: str = "threhsolds") -> Path:
        place = tmp_path / below
        for modality, letter in MODALITIES.items():
            (place / f"{letter}_segmentwise_logits").mkdir(parents=True)
            for name, grid in zip(names, logits[modality], strict=True):
                np.save(place / f"{letter}_segmentwise_logits" / f"{name}.npy", grid)
            np.save(place / f"{letter}_classwise_{spelling}.npy", thresholds[modality])
        return place

    return run


def plain(logits, thresholds, weak, tau: float = 2.0) -> np.ndarray[Any, Any]:
    """Compute soft targets number by number."""
    targets = np.zeros(logits.shape, np.float32)
    for n, t, c in np.ndindex(*logits.shape):
        theta = float(thresholds[c])
        if theta == -math.inf:
            theta = min(float(logits[m, s, c]) for m, s in np.ndindex(*logits.shape[:2])) - 1
        if weak[n, c]:
            targets[n, t, c] = 1 / (1 + math.exp(-(float(logits[n, t, c]) - theta) / tau))
    return targets


@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the golden files of the released program are not at {GOLDEN}")
def test_soft_targets_are_those_of_the_released_program(tmp_path):
    inputs, expected = (np.load(GOLDEN / name) for name in ("inputs_uwav.npz", "uwav.targets.npz"))
    names = [f"elevenchar{index}_0_10" for index in range(4)]
    for modality, letter in MODALITIES.items():
        (tmp_path / f"{letter}_segmentwise_logits").mkdir()
        for name, grid in zip(names, inputs[f"logits_{modality}"], strict=True):
            np.save(tmp_path / f"{letter}_segmentwise_logits" / f"{name[:11]}.npy", grid)
        np.save(tmp_path / f"{letter}_classwise_threhsolds.npy", inputs[f"thresholds_{modality}"])
    found = read_segment_labels("uwav", tmp_path, names, inputs["video_label"], LLP)
    for modality in MODALITIES:
        assert np.isneginf(inputs[f"thresholds_{modality}"]).sum() == 1
        np.testing.assert_allclose(getattr(found, modality), expected[f"soft_{modality}"], rtol=0, atol=1e-6)
        lowest = inputs[f"logits_{modality}"].astype(np.float64).min(axis=(0, 1))
        filled = fill_thresholds(inputs[f"thresholds_{modality}"].astype(np.float64), lowest)
        np.testing.assert_allclose(filled, expected[f"threshold_{modality}"], rtol=0, atol=1e-6)
    assert (found.outside, found.problems, found.notes) == (0, [], [])


@pytest.mark.parametrize("tau", [2.0, 0.5, 7])
def test_soft_targets_by_hand(read, folder, logits, thresholds, weak, tau):
    folder()
    found = read("uwav", tau=tau)
    for modality in MODALITIES:
        grid = getattr(found, modality)
        assert grid.dtype == np.float32
        np.testing.assert_allclose(grid, plain(logits[modality], thresholds[modality], weak, tau), rtol=3e-7)
        assert (grid[~np.repeat(weak[:, None], 3, axis=1)] == 0).all()


def test_large_logits_neither_overflow_nor_warn(read, folder, logits, weak):
    logits["audio"][:] = 1e30
    logits["visual"][:] = -1e30
    folder()
    found = read("uwav")
    labelled = np.repeat(weak[:, None], 3, axis=1)
    assert (found.audio[..., :2] == labelled[..., :2]).all()
    assert not found.visual.any()


@pytest.mark.parametrize("below", ["LLP_Dataset", "."])
@pytest.mark.parametrize("spelling", ["threhsolds", "thresholds"])
def test_either_place_and_spelling(read, folder, logits, thresholds, weak, tmp_path, below, spelling):
    place = folder(below, spelling)
    expected = plain(logits["visual"], thresholds["visual"], weak)
    for kind in ("uwav", place, tmp_path):
        np.testing.assert_allclose(read(kind).visual, expected, rtol=3e-7)


def test_the_smallest_logit_is_of_the_videos_that_could_be_read(read, folder, logits, thresholds, weak):
    place = folder() / "a_segmentwise_logits"
    logits["audio"][2, 1, 2] = -50  # the lowest of class 2, whose threshold is -inf, in a video that is damaged
    np.save(place / "video 2.npy", np.where(logits["audio"][2] == -50, np.nan, logits["audio"][2]))
    found = read("uwav")
    ((index, problem),) = found.problems
    assert (index, str(problem)) == (
        2,
        f"{place}/video 2.npy: expected finite logits, found 1 NaN or Inf among 12",
    )
    others = [0, 1, 3, 4]
    expected = plain(logits["audio"][others], thresholds["audio"], weak[others])
    np.testing.assert_allclose(found.audio[others], expected, rtol=3e-7)
    assert not found.audio[2].any()


def test_no_video_can_be_read(read, folder, names):
    place = folder()
    for name in names:
        (place / "v_segmentwise_logits" / f"{name}.npy").unlink()
    found = read("uwav")
    assert [problem.missing for _, problem in found.problems] == [True] * 5
    assert not found.visual.any()


def test_files_of_other_videos_are_told(read, folder):
    (folder() / "a_segmentwise_logits" / "more.npy").touch()
    assert read("uwav").notes == [
        "LLP_Dataset/a_segmentwise_logits: 1 file of another video than the training ones is not read"
    ]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.zeros(25), "expected a threshold for each of 4 classes, shape (4,), found shape (25,)"),
        (np.zeros(3), "found shape (3,)"),
        (np.zeros((4, 1)), "found shape (4, 1)"),
        (np.float32(0), "found shape ()"),
        (np.array([0, np.nan, 0, 0]), "expected a threshold for each class, or -inf, found nan for class 1"),
        (np.array([0, 0, np.inf, 0]), "expected a threshold for each class, or -inf, found inf for class 2"),
        (np.array(["x"] * 4), "expected numbers, found <U1"),
    ],
)
def test_bad_thresholds_are_named(read, folder, values, text):
    path = folder() / "v_classwise_threhsolds.npy"
    np.save(path, values)
    with pytest.raises(DataError) as error:
        read("uwav")
    assert str(error.value).startswith(f"{path}: ")
    assert text in str(error.value)


def test_thresholds_that_are_missing_cut_or_something_else(read, folder, tmp_path):
    path = folder() / "a_classwise_threhsolds.npy"
    content = path.read_bytes()
    for wrong, text in (
        (content[:-1], "truncated"),
        (b"", "expected a .npy file"),
        (b"text", "expected a .npy file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 144\n", "git lfs pull"),
    ):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match=text) as error:
            read("uwav")
        assert str(error.value).startswith(f"{path}: ")
    path.unlink()
    with pytest.raises(
        DataError, match=r"a_classwise_threhsolds.npy: missing; expected the thresholds of the 4 classes"
    ):
        read("uwav")
    path.mkdir()
    with pytest.raises(DataError, match="expected a file, found a folder"):
        read("uwav")


def test_thresholds_that_are_a_link(read, folder, tmp_path):
    path = folder() / "a_classwise_threhsolds.npy"
    expected = read("uwav").audio
    store = tmp_path.parent / f"{tmp_path.name}-store"
    store.mkdir()
    path.rename(store / "blob")
    path.symlink_to(store / "blob")
    with pytest.raises(DataError, match="leads out of the data folder"):
        read("uwav")
    np.testing.assert_array_equal(read("uwav", link_store=store).audio, expected)
    (store / "blob").unlink()
    with pytest.raises(DataError, match=r"missing: a link to .*, which is not there"):
        read("uwav")
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(DataError, match=r"a_classwise_threhsolds.npy: "):
        read("uwav")


def test_objects_as_thresholds_are_not_loaded(read, folder, tmp_path):
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    array = np.empty(4, object)
    array[:] = Payload()
    np.save(folder() / "a_classwise_threhsolds.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match="objects, which are not loaded"):
        read("uwav")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("tau", [0, -1, math.nan, math.inf, True, "2"])
def test_bad_temperatures_are_named(read, folder, tau):
    folder()
    with pytest.raises(ConfigError, match="tau of UWAV's soft targets: expected a finite number above 0"):
        read("uwav", tau=tau)
