"""Prediction files that are wrong: by hand through the command line, and at random against a score made by hand."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leap_avvp.cli import main
from leap_avvp.data.annotations import SplitAnnotations, read_annotations
from leap_avvp.metrics import ParsingMetrics
from leap_avvp.scoring.predictions import score_predictions

GENERATED = 120  # cases of each test that draws them
DRAWN = settings(
    deadline=None, max_examples=GENERATED, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)

N = 6
Arrays = dict[str, Any]
Change = Callable[[Arrays], Arrays]


@pytest.fixture
def annotations(make_llp_folder: Callable[..., Path]) -> Path:
    return make_llp_folder(train=1, val=2, test=N) / "annotations"


@pytest.fixture
def test(annotations: Path) -> SplitAnnotations:
    return read_annotations(annotations)[0]["test"]


@pytest.fixture
def arrays(test: SplitAnnotations) -> Arrays:
    """Predictions that are right and hold everything that any filter reads."""
    assert test.audio is not None
    assert test.visual is not None
    heard, seen = test.audio.any(axis=1), test.visual.any(axis=1)
    return {
        "video_id": np.array(test.video_ids),
        "audio": test.audio,
        "visual": test.visual,
        "video": heard | seen,
        "video_audio": heard,
        "video_visual": seen,
    }


@pytest.fixture
def words(tmp_path: Path, annotations: Path) -> list[str]:
    return [
        *("score", "--predictions", str(tmp_path / "said.npz"), "--annotations", str(annotations)),
        *("--json", str(tmp_path / "score.json")),
    ]


def rows(order: list[int]) -> Change:
    return lambda arrays: {name: array[order] for name, array in arrays.items()}


def ids(rename: Callable[[str], str], number: int = N) -> Change:
    """Return a change of the first ``number`` ids."""

    def change(arrays: Arrays) -> Arrays:
        names = arrays["video_id"].tolist()
        return {**arrays, "video_id": np.array([*map(rename, names[:number]), *names[number:]])}

    return change


def array(name: str, change: Callable[[Any], Any]) -> Change:
    return lambda arrays: {**arrays, name: change(arrays[name])}


def one_more(arrays: Arrays) -> Arrays:
    return {
        name: np.concatenate([values, np.array(["elevenchars"]) if name == "video_id" else values[:1]])
        for name, values in arrays.items()
    }


WRONG: dict[str, tuple[Change, list[str], str]] = {
    "missing ids": (rows([0, 1, 2]), [], "expected all 6 test videos, found 3: missing are 3: "),
    "one missing": (rows([1, 2, 3, 4, 5]), [], "--allow-missing scores the others alone"),
    "none at all": (rows([]), [], "expected all 6 test videos, found 0"),
    "none at all, allowed": (rows([]), ["--allow-missing"], "expected all 6 test videos, found 0"),
    "extra id": (one_more, [], "expected videos of the test split, found 1: 'elevenchars'"),
    "extra id, allowed missing": (one_more, ["--allow-missing"], "found 1: 'elevenchars'"),
    "duplicates": (rows([0, 1, 2, 3, 4, 5, 0]), [], "expected each video once, found more than once 1: "),
    "all twice": (rows([0, 1, 2, 3, 4, 5] * 2), [], "found more than once 6: "),
    "another split": (lambda a: a, ["--split", "val"], "expected videos of the val split, found 6: "),
    "path": (ids(lambda name: f"feats/{name}"), [], "expected videos of the test split, found 6: "),
    "file names": (ids(lambda name: f"{name}.npy", 1), [], "found 1: "),
    "cut ids": (ids(lambda name: name[:10]), [], "found 6: "),
    "in capitals": (ids(str.upper), [], "found "),
    "spaces": (ids(lambda name: f" {name}"), [], "found 6: "),
    "empty ids": (ids(lambda _: ""), [], "found 6: ''"),
    "line ends": (ids(lambda _: "a\nb\r\x1b[2J"), [], r"'a\nb\r\x1b[2J'"),
    "other seconds": (ids(lambda name: f"{name}_90_100", 1), [], "found 1: "),
    "numbers": (array("video_id", lambda a: np.arange(len(a))), [], "video_id: expected strings (N,), found int64"),
    "ids of two": (
        array("video_id", lambda a: np.stack([a, a], axis=1)),
        [],
        "expected strings (N,), found <U11 (6, 2)",
    ),
    "ids of objects": (array("video_id", lambda a: a.astype(object)), [], "found objects, which are not loaded"),
    "probabilities": (array("audio", lambda a: a * 0.9), [], "found float64: apply your thresholds first"),
    "probabilities of 0 and 1": (array("visual", lambda a: a.astype("f4")), [], "apply your thresholds first"),
    "half precision": (array("audio", lambda a: a.astype("f2")), [], "apply your thresholds first"),
    "NaN": (array("audio", lambda a: a * np.nan), [], "apply your thresholds first"),
    "logits": (array("visual", lambda a: a * 8 - 4), [], "expected booleans or 0 and 1, found other int64 values"),
    "percent": (array("visual", lambda a: a * np.uint8(100)), [], "found other uint8 values"),
    "class ids": (array("audio", lambda a: a.argmax(axis=2)), [], "audio: expected shape (6, 10, 25), found (6, 10)"),
    "complex": (array("audio", lambda a: a.astype("c8")), [], "expected booleans, found complex64"),
    "text": (array("audio", lambda a: a.astype("U5")), [], "expected booleans, found <U5"),
    "dates": (array("audio", lambda a: a.astype("M8[s]")), [], "expected booleans, found datetime64[s]"),
    "records": (array("audio", lambda a: a.astype([("x", "?")])), [], "expected booleans, found "),
    "objects": (array("audio", lambda a: a.astype(object)), [], "found objects, which are not loaded"),
    "class first": (array("audio", lambda a: a.transpose(0, 2, 1)), [], "found (6, 25, 10)"),
    "class outermost": (array("audio", lambda a: a.transpose(2, 0, 1)), [], "found (25, 6, 10)"),
    "24 classes": (array("visual", lambda a: a[..., :24]), [], "found (6, 10, 24)"),
    "26 classes": (array("visual", lambda a: np.pad(a, ((0, 0), (0, 0), (0, 1)))), [], "found (6, 10, 26)"),
    "9 seconds": (array("visual", lambda a: a[:, :9]), [], "found (6, 9, 25)"),
    "frames": (array("visual", lambda a: a.repeat(8, axis=1)), [], "found (6, 80, 25)"),
    "no modality": (lambda a: {"video_id": a["video_id"], "audio": a["audio"]}, [], "no visual"),
    "no ids": (lambda a: {"audio": a["audio"], "visual": a["visual"]}, [], "no video_id"),
    "other names": (lambda a: {"names": a["video_id"], "pred\n_audio": a["audio"]}, [], r"'pred\n_audio'"),
    "nothing": (lambda _: {}, [], "found none: no video_id"),
    "no video for union": (
        lambda a: {k: a[k] for k in ("video_id", "audio", "visual")},
        ["--filter", "union"],
        "no video_audio",
    ),
    "no video for per_modality": (
        lambda a: {k: a[k] for k in ("video_id", "audio", "visual", "video")},
        ["--filter", "per_modality"],
        "no video_audio",
    ),
    "video probabilities": (array("video", lambda a: a * 0.9), ["--filter", "union"], "video: expected booleans"),
    "video of segments": (array("video", lambda a: a[:, None]), ["--filter", "union"], "found (6, 1, 25)"),
    "video of other rows": (array("video_audio", lambda a: a[:3]), ["--filter", "per_modality"], "found (3, 25)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_predictions_are_one_line(
    case: str, arrays: Arrays, words: list[str], refused: Callable[..., str]
) -> None:
    change, options, message = WRONG[case]
    with zipfile.ZipFile(words[2], "w") as archive:  # np.savez cannot write every name
        for name, values in change(arrays).items():
            file = io.BytesIO()
            np.save(file, values, allow_pickle=True)
            archive.writestr(f"{name}.npy", file.getvalue())
    line = refused(*words, *options)
    assert message in line
    assert "said.npz: " in line
    assert not Path(words[-1]).exists(), "no number may come of it"


SAME: dict[str, Change] = {
    "another order": rows([3, 0, 5, 1, 4, 2]),
    "whole names": lambda arrays: arrays,  # put in below
    "ids as bytes": array("video_id", lambda a: a.astype("S")),
    "ids of long strings": array("video_id", lambda a: a.astype("U300")),
    "big-endian ids": array("video_id", lambda a: a.astype(">U11")),
    "integers": array("audio", lambda a: a.astype(np.int64)),
    "big-endian integers": array("visual", lambda a: a.astype(">i2")),
    "Fortran order": array("audio", np.asfortranarray),
    "more arrays": lambda arrays: {**arrays, "logits": np.full((2, 2), np.nan)},
}


@pytest.mark.parametrize("filter", ["none", "union", "per_modality"])
@pytest.mark.parametrize("case", SAME)
def test_another_way_of_writing_scores_the_same(
    case: str, filter: str, arrays: Arrays, test: SplitAnnotations, words: list[str]
) -> None:
    changed = SAME[case](arrays)
    if case == "whole names":
        changed = {**arrays, "video_id": np.array(test.filenames)}
    flipped = {**changed, "audio": changed["audio"].copy()}  # predictions that are not all right
    flipped["audio"][changed["video_id"].astype("U11") == test.video_ids[2]] = 1
    np.savez_compressed(words[2], **flipped)
    assert main([*words, "--filter", filter]) == 0
    found = json.loads(Path(words[-1]).read_text())
    assert test.audio is not None
    assert test.visual is not None
    audio = test.audio.copy()
    audio[2] = True
    visual = test.visual
    if filter != "none":
        audio &= arrays["video" if filter == "union" else "video_audio"][:, None]
    metrics = ParsingMetrics()
    metrics.update(*(torch.from_numpy(grid) for grid in (audio, visual, test.audio, test.visual)))
    assert found["scores"] == {name: float(value) for name, value in metrics.compute().items()}
    assert 0 < found["scores"]["average"] < 100


# At random


def packed(arrays: Arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@given(data=st.data())
@DRAWN
def test_flipped_bytes_and_cuts_are_scored_the_same_or_named(
    data: st.DataObject, tmp_path: Path, annotations: Path, arrays: Arrays, taken: Callable[..., Any]
) -> None:
    """A zip carries a checksum of every member: whatever is read is what was written."""
    whole = bytearray(packed({name: arrays[name] for name in ("video_id", "audio", "visual")}))
    size = len(whole)
    places = st.one_of(st.integers(0, size - 1), st.integers(size - 400, size - 1), st.integers(0, 400))
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)):
        whole[place] = value
    del whole[data.draw(st.sampled_from([size, size, size, size - 1, size - 30, size // 2, 30, 0]), label="cut") :]
    path = tmp_path / "said.npz"
    path.write_bytes(whole)
    result = taken(path, score_predictions, path, annotations)
    if result is not None:
        assert set(result.scores.values()) == {100.0}


@given(data=st.data())
@DRAWN
def test_flipped_bytes_of_a_member_are_read_or_named(
    data: st.DataObject, tmp_path: Path, annotations: Path, arrays: Arrays, taken: Callable[..., Any]
) -> None:
    """The checksum is made anew: whoever means harm does so too."""
    name = data.draw(st.sampled_from(["video_id", "audio"]), label="member")
    path = tmp_path / "said.npz"
    with zipfile.ZipFile(io.BytesIO(packed(arrays))) as source, zipfile.ZipFile(path, "w") as archive:
        for member in source.namelist():
            whole = bytearray(source.read(member))
            if member == f"{name}.npy":
                places = st.one_of(st.integers(0, 130), st.integers(0, len(whole) - 1))
                flips = st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)
                for place, value in data.draw(flips, label="flips"):
                    whole[place] = value
            archive.writestr(member, bytes(whole))
    result = taken(path, score_predictions, path, annotations, "test")
    if result is not None:
        assert result.videos == N
        assert 0 <= result.scores["average"] <= 100


@given(
    chosen=st.lists(st.integers(0, N - 1), max_size=2 * N),
    strangers=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=14), max_size=2),
    allow=st.booleans(),
)
@DRAWN
def test_any_choice_of_ids_is_scored_or_named(
    chosen: list[int],
    strangers: list[str],
    allow: bool,
    tmp_path: Path,
    annotations: Path,
    arrays: Arrays,
    test: SplitAnnotations,
    taken: Callable[..., Any],
) -> None:
    names = [*(test.video_ids[index] for index in chosen), *strangers]
    grids = {
        name: np.concatenate([arrays[name][chosen], np.zeros((len(strangers), 10, 25), dtype=bool)])
        for name in ("audio", "visual")
    }
    path = tmp_path / "said.npz"
    np.savez(path, video_id=np.array(names, dtype=np.str_), **grids)
    result = taken(path, lambda: score_predictions(path, annotations, allow_missing=allow))
    whole = len(set(chosen)) == N or (allow and bool(chosen))
    assert (result is not None) == (not strangers and len(set(chosen)) == len(chosen) and whole)
    if result is not None:
        assert result.videos == len(chosen)
        assert result.scores["average"] == 100.0
