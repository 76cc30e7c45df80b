"""Scores of prediction files: LLP's reference points, the released programs' numbers, and files that are wrong."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from leap_avvp.data.annotations import SplitAnnotations, read_annotations
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.scoring.predictions import ScoreResult, score_predictions, write_predictions

SHARED = Path(__file__).parents[3] / "shared"
REAL = SHARED / "llp" / "annotations"
GOLDEN = SHARED / "parity" / "llp_test_metrics_s0.npz"
NAMES = ("audio", "visual", "audio_visual", "type_av", "event_av")

needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"LLP's annotation files are not at {REAL}")
needs_golden = pytest.mark.skipif(not GOLDEN.is_file(), reason=f"the released programs' scores are not at {GOLDEN}")

Arrays = dict[str, Any]


@pytest.fixture
def annotations(make_llp_folder: Callable[..., Path]) -> Path:
    return make_llp_folder(train=1, val=3, test=7) / "annotations"


@pytest.fixture
def test(annotations: Path) -> SplitAnnotations:
    return read_annotations(annotations)[0]["test"]


@pytest.fixture
def arrays(test: SplitAnnotations) -> Arrays:
    """Perfect predictions."""
    return {"video_id": np.array(test.video_ids), "audio": test.audio, "visual": test.visual}


@pytest.fixture
def score(tmp_path: Path, annotations: Path) -> Callable[..., ScoreResult]:
    def run(arrays: Arrays, **options: Any) -> ScoreResult:
        np.savez(tmp_path / "said.npz", **arrays)
        return score_predictions(tmp_path / "said.npz", annotations, **options)

    return run


# Reference points on the real annotations


@needs_real
@pytest.mark.parametrize(
    ("weak", "segment", "event"),
    [
        (False, (0.5, 10.1, 14.5, 8.4, 0.0), (0.5, 10.1, 14.5, 8.4, 0.0)),
        (True, (76.1, 60.3, 52.6, 63.0, 71.7), (63.0, 55.8, 44.7, 54.5, 61.6)),
    ],
    ids=["nothing", "weak labels everywhere"],
)
def test_reference_points(tmp_path: Path, weak: bool, segment: tuple[float, ...], event: tuple[float, ...]) -> None:
    real = read_annotations(REAL)[0]["test"]
    grid = np.repeat(real.weak[:, None], 10, axis=1) & weak
    write_predictions(tmp_path / "said.npz", video_ids=real.filenames, audio=grid, visual=grid)
    result = score_predictions(tmp_path / "said.npz", REAL)
    for level, expected in (("segment", segment), ("event", event)):
        found = [result.scores[f"{level}/{name}"] for name in NAMES]
        np.testing.assert_allclose(found, expected, atol=0.05 + 1e-9)
    assert (result.videos, result.expected, result.split) == (1200, 1200, "test")
    assert result.audio_annotations == "corrected (134,355 bytes)"
    assert result.data_source == "llp"


@needs_real
@needs_golden
def test_the_released_programs_scores(tmp_path: Path) -> None:
    expected = json.loads(GOLDEN.with_suffix(".json").read_text())
    order = np.random.default_rng(0).permutation(1200)
    with np.load(GOLDEN) as golden:
        write_predictions(
            tmp_path / "said.npz",
            video_ids=golden["video_id"][order].tolist(),
            audio=golden["pred_audio"].transpose(0, 2, 1)[order],
            visual=golden["pred_visual"].transpose(0, 2, 1)[order],
        )
    scores = score_predictions(tmp_path / "said.npz", REAL).scores
    for level in ("segment", "event"):
        for name in NAMES:
            assert scores[f"{level}/{name}"] == pytest.approx(expected[level][name], abs=1e-9)
    every = [value for level in expected.values() for value in level.values()]
    assert scores["average"] == pytest.approx(np.mean(every), abs=1e-9)


# What the file may hold


def test_the_truth_scores_100(arrays: Arrays, score: Callable[..., ScoreResult]) -> None:
    result = score(arrays)
    assert len(result.scores) == 15
    assert set(result.scores.values()) == {100.0}
    assert result.protocol == "filter=none (segments as given), event IoU>=0.5"


@pytest.mark.parametrize("spelling", ["ids", "whole names", "mixed", "bytes"])
def test_ids_match_in_any_order_and_spelling(
    arrays: Arrays, test: SplitAnnotations, score: Callable[..., ScoreResult], spelling: str
) -> None:
    if spelling == "whole names":
        arrays["video_id"] = np.array(test.filenames)
    elif spelling == "mixed":
        arrays["video_id"] = np.array([*test.filenames[:3], *test.video_ids[3:]])
    elif spelling == "bytes":
        arrays["video_id"] = arrays["video_id"].astype("S")
    order = np.random.default_rng(0).permutation(7)
    assert score({name: array[order] for name, array in arrays.items()}).scores["average"] == 100.0


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, ">i4"])
def test_zero_and_one_are_booleans(arrays: Arrays, score: Callable[..., ScoreResult], dtype: Any) -> None:
    arrays["audio"] = np.asfortranarray(arrays["audio"].astype(dtype))
    assert score(arrays).scores["average"] == 100.0


def test_the_validation_split(annotations: Path, score: Callable[..., ScoreResult]) -> None:
    val = read_annotations(annotations)[0]["val"]
    result = score({"video_id": val.filenames, "audio": val.audio, "visual": val.visual}, split="val")
    assert (result.split, result.videos, result.scores["average"]) == ("val", 3, 100.0)


def test_filters(arrays: Arrays, score: Callable[..., ScoreResult]) -> None:
    heard, seen = arrays["audio"].any(axis=1), arrays["visual"].any(axis=1)
    said = {**arrays, "audio": np.ones_like(arrays["audio"]), "visual": np.ones_like(arrays["visual"])}
    by_hand = {
        "none": (np.ones_like(heard), np.ones_like(heard)),
        "union": (heard | seen, heard | seen),
        "per_modality": (heard, seen),
    }
    for filter, (audio, visual) in by_hand.items():
        masked = {**arrays, "audio": said["audio"] & audio[:, None], "visual": said["visual"] & visual[:, None]}
        expected = score(masked).scores
        result = score({**said, "video_audio": heard, "video_visual": seen}, filter=filter)
        assert result.scores == expected
        assert result.protocol.startswith(f"filter={filter}")
    assert (
        score({**said, "video": heard | seen}, filter="union").scores
        == score({**said, "video_audio": heard, "video_visual": seen}, filter="union").scores
    )
    # `video` is the parser's own word, and goes before the union of the two.
    assert (
        score({**arrays, "video": ~(heard | seen), "video_audio": heard, "video_visual": seen}, filter="union").scores[
            "segment/audio"
        ]
        < score(arrays).scores["segment/audio"]
    )


def test_arrays_that_are_not_needed_are_not_read(arrays: Arrays, score: Callable[..., ScoreResult]) -> None:
    assert score({**arrays, "video": np.zeros(3), "notes": np.zeros(5)}).scores["average"] == 100.0


def test_missing_videos_may_be_left_out(arrays: Arrays, score: Callable[..., ScoreResult]) -> None:
    some = {name: array[[4, 1]] for name, array in arrays.items()}
    with pytest.raises(DataError, match=r"expected all 7 test videos, found 2: missing are 5: .*--allow-missing"):
        score(some)
    result = score(some, allow_missing=True)
    assert (result.videos, result.expected, result.scores["average"]) == (2, 7, 100.0)
    with pytest.raises(DataError, match="expected all 7 test videos, found 0"):
        score({name: array[:0] for name, array in arrays.items()}, allow_missing=True)


# What is told


def test_the_result_tells_what_it_depends_on(
    arrays: Arrays, score: Callable[..., ScoreResult], annotations: Path
) -> None:
    result = score(arrays)
    facts = result.to_dict()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["format"] == "leap-avvp/score/1"
    assert set(facts) >= {"scores", "protocol", "split", "videos", "expected", "audio_annotations", "data_source"}
    text = shown(result)
    assert "test: 7 of 7 videos" in text
    assert "filter=none (segments as given)" in text
    assert "not one of the two that circulate" in text
    assert "SIMULATED" not in text
    (annotations.parent / "SIMULATED.txt").write_text("")
    simulated = score(arrays)
    assert simulated.data_source == "simulated"
    assert "SIMULATED data, not comparable with LLP" in shown(simulated)


def shown(result: ScoreResult) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(result.table())
    return " ".join(console.export_text().split())  # a table wraps its caption


# What may be wrong


def first(name: str, value: Any) -> Callable[[Arrays], Arrays]:
    """Return a change that puts ``value`` at the first place of an array."""

    def change(arrays: Arrays) -> Arrays:
        array = arrays[name].copy()
        array.flat[0] = value
        return {**arrays, name: array}

    return change


def cast(dtype: Any) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, "audio": arrays["audio"].astype(dtype)}


WRONG: dict[str, tuple[Callable[[Arrays], Arrays], dict[str, Any], str]] = {
    "unknown": (first("video_id", "elevenchars"), {}, "videos of the test split, found 1: 'elevenchars'"),
    "of train": (first("video_id", "-train00000"), {}, "videos of the test split, found 1: '-train00000'"),
    "other seconds": (
        lambda a: {**a, "video_id": np.array([f"{a['video_id'][0]}_30_40", *a["video_id"][1:]])},
        {},
        "videos of the test split, found 1: '.*_30_40'",
    ),
    "id and more": (
        lambda a: {**a, "video_id": np.array([f"{name}.npy" for name in a["video_id"]])},
        {},
        r"found 7: ('.*npy', ){5}\.\.\.",
    ),
    "twice": (
        lambda a: {name: np.concatenate([array, array[:6]]) for name, array in a.items()},
        {},
        "expected each video once, found more than once 6: ",
    ),
    "numbers as ids": (
        lambda a: {**a, "video_id": np.arange(7)},
        {},
        r"video_id: expected strings \(N,\), found int64",
    ),
    "one id": (lambda a: {**a, "video_id": np.array("x")}, {}, r"video_id: expected strings \(N,\), found <U1 \(\)"),
    "no audio": (
        lambda a: {k: a[k] for k in ("video_id", "visual")},
        {},
        "arrays video_id, audio, visual, .* no audio",
    ),
    "class first": (
        lambda a: {**a, "audio": a["audio"].transpose(0, 2, 1)},
        {},
        r"audio: expected shape \(7, 10, 25\), found \(7, 25, 10\)",
    ),
    "too few": (lambda a: {**a, "visual": a["visual"][:5]}, {}, r"visual: expected shape \(7, 10, 25\), found \(5,"),
    "probabilities": (cast(np.float32), {}, "audio: expected booleans, found float32: apply your thresholds first"),
    "strings": (cast(np.str_), {}, "audio: expected booleans, found <U5"),
    "two": (
        lambda a: first("audio", 2)(cast(np.int64)(a)),
        {},
        "audio: expected booleans or 0 and 1, found other int64",
    ),
    "minus one": (lambda a: first("audio", -1)(cast(np.int8)(a)), {}, "expected booleans or 0 and 1, found other int8"),
    "no video": (lambda a: a, {"filter": "union"}, r"video_visual \(or video\) for filter=union, .* no video_audio"),
    "no modality": (
        lambda a: {**a, "video": np.ones((7, 25), dtype=bool)},
        {"filter": "per_modality"},
        "for filter=per_modality, found audio, video, video_id, visual: no video_audio",
    ),
    "video of segments": (
        lambda a: {**a, "video": a["audio"]},
        {"filter": "union"},
        r"video: expected shape \(7, 25\), found \(7, 10, 25\)",
    ),
    "video probabilities": (
        lambda a: {**a, "video": np.full((7, 25), 0.5)},
        {"filter": "union"},
        "video: expected booleans, found float64: apply",
    ),
    "objects": (cast(object), {}, "audio: expected plain numbers or strings, found objects, which are not loaded"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_predictions_are_named(arrays: Arrays, score: Callable[..., ScoreResult], wrong: str) -> None:
    change, options, message = WRONG[wrong]
    with pytest.raises(DataError, match=message) as caught:
        score(change(arrays), **options)
    assert "said.npz: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_options_are_named(arrays: Arrays, score: Callable[..., ScoreResult], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--split: expected one of val, test, found 'train'"):
        score(arrays, split="train")
    with pytest.raises(ConfigError, match="--filter: expected one of union, per_modality, mixed, none"):
        score(arrays, filter="both")
    with pytest.raises(DataError, match=r"nowhere\.npz: no such file"):
        score_predictions(tmp_path / "nowhere.npz", tmp_path / "llp/annotations")
    with pytest.raises(DataError, match="nowhere: no such folder"):
        score_predictions(tmp_path / "said.npz", tmp_path / "nowhere")


def entry(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def archive(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.fixture
def members(arrays: Arrays) -> dict[str, bytes]:
    return {f"{name}.npy": entry(array) for name, array in arrays.items()}


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.proof),)


@pytest.mark.parametrize("name", ["video_id", "audio"])
def test_a_payload_does_not_run(members: dict[str, bytes], annotations: Path, tmp_path: Path, name: str) -> None:
    members[f"{name}.npy"] = entry(np.array([Payload(tmp_path / "proof")] * 7, dtype=object))
    path = archive(tmp_path / "said.npz", members)
    with pytest.raises(DataError, match=f"{name}: .*found objects"):
        score_predictions(path, annotations)
    assert not (tmp_path / "proof").exists()


def claimed(shape: tuple[int, ...], descr: str) -> bytes:
    """Return a header alone, of an array that would take terabytes."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "audio",
            claimed((10**9, 10, 25), "|b1"),
            r"audio: expected one row a video, found bool \(1000000000, 10, 25\)",
        ),
        ("video_id", claimed((7,), "<U250000000"), "video_id: expected one row a video, found <U250000000"),
        ("video_id", claimed((10**9,), "<U11"), "video_id: expected one row a video"),
        ("audio", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b" " * 10**6, r"cannot read it \(EOF"),
    ],
    ids=["array", "string", "ids", "header"],
)
def test_bombs_are_not_unpacked(
    members: dict[str, bytes], annotations: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    members[f"{name}.npy"] = content
    with pytest.raises(DataError, match=message):
        score_predictions(archive(tmp_path / "said.npz", members), annotations)


def test_a_member_beside_the_checked_one_is_not_read(
    members: dict[str, bytes], annotations: Path, tmp_path: Path
) -> None:
    members["audio"] = claimed((10**9, 10, 25), "|b1")  # np.load would take this for "audio"
    assert score_predictions(archive(tmp_path / "said.npz", members), annotations).scores["average"] == 100.0
    del members["audio.npy"]
    with pytest.raises(DataError, match="no audio"):
        score_predictions(archive(tmp_path / "said.npz", members), annotations)


def test_damaged_archives_are_named(members: dict[str, bytes], annotations: Path, tmp_path: Path) -> None:
    path = archive(tmp_path / "said.npz", members)
    good = path.read_bytes()
    encrypted = bytearray(good)
    encrypted[good.index(b"PK\x01\x02") + 8] |= 1  # flag in the directory ...
    encrypted[6] |= 1  # ... and before the member
    flipped = bytearray(good)
    flipped[60:90] = bytes(30)
    for content in (b"", b"not a zip", good[: len(good) // 2], bytes(encrypted), bytes(flipped), entry(np.zeros(3))):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"said\.npz: expected an \.npz of plain arrays, cannot read it"):
            score_predictions(path, annotations)
    members["audio.npy"] = members["audio.npy"][:-1]
    with pytest.raises(DataError, match="cannot read it"):
        score_predictions(archive(path, members), annotations)


# Writing


def test_what_is_written_is_what_is_scored(test: SplitAnnotations, annotations: Path, tmp_path: Path) -> None:
    assert test.audio is not None
    assert test.visual is not None
    levels = {"video": test.weak, "video_audio": test.audio.any(axis=1), "video_visual": test.visual.any(axis=1)}
    path = tmp_path / "new" / "said.npz"
    write_predictions(path, video_ids=test.video_ids, audio=test.audio, visual=test.visual, **levels)
    assert [file.name for file in path.parent.iterdir()] == ["said.npz"]  # and no temporary file
    with np.load(path, allow_pickle=False) as content:
        assert set(content) == {"video_id", "audio", "visual", *levels}
        for name, array in levels.items():
            np.testing.assert_array_equal(content[name], array)
    for filter in ("none", "union", "per_modality"):
        assert score_predictions(path, annotations, filter=filter).scores["average"] == 100.0


def test_what_could_not_be_scored_is_not_written(test: SplitAnnotations, tmp_path: Path) -> None:
    assert test.audio is not None
    good = {"video_ids": test.video_ids, "audio": test.audio, "visual": test.audio}
    for wrong, message in (
        ({"audio": test.audio.astype(float)}, r"audio: expected boolean \(7, 10, 25\), found float64"),
        ({"visual": test.audio[:3]}, r"visual: expected boolean \(7, 10, 25\), found bool \(3, 10, 25\)"),
        ({"video": test.audio}, r"video: expected boolean \(7, 25\), found bool \(7, 10, 25\)"),
    ):
        with pytest.raises(ValueError, match=message):
            write_predictions(tmp_path / "said.npz", **{**good, **wrong})  # type: ignore[arg-type]
    assert not (tmp_path / "said.npz").exists()
