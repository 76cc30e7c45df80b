"""Several files, runs, protocols and versions in one ``score``: every number, and how sure the differences are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leap_avvp.cli import main
from leap_avvp.data.annotations import SplitAnnotations, read_annotations
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.metrics import EXCLUSIVE_NAMES, SCORE_NAMES, Protocol, exclusive_scores, per_video_scores
from leap_avvp.scoring.bootstrap import paired_bootstrap
from leap_avvp.scoring.many import score_all
from leap_avvp.scoring.per_video import PER_VIDEO_FILE, PerVideo, read_per_video, write_per_video
from leap_avvp.scoring.predictions import Way, score_predictions
from leap_avvp.scoring.truth import read_truth

NAMES = (*SCORE_NAMES, "average", *EXCLUSIVE_NAMES)


@pytest.fixture
def annotations(make_llp_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_llp_folder(train=1, val=1, test=30) / "annotations"


@pytest.fixture
def test(annotations: Path) -> SplitAnnotations:
    return read_annotations(annotations)[0]["test"]


def said(test: SplitAnnotations, name: str, noise: float, seed: int = 0, backwards: bool = False) -> Path:
    """Write noisy probabilities, and what they come to at 0.5, for all videos."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, Any] = {"video_id": np.array(test.video_ids)}
    for modality in ("audio", "visual"):
        grid = getattr(test, modality)
        probability = np.clip(0.25 + 0.5 * grid + noise * rng.standard_normal(grid.shape), 0, 1).astype(np.float32)
        arrays |= {f"segment_{modality}_prob": probability, modality: probability >= 0.5}
        arrays[f"{modality}_prob"] = probability.max(axis=1) - np.float32(0.1)
    arrays["video_prob"] = np.maximum(arrays["audio_prob"], arrays["visual_prob"])
    arrays["video"] = arrays["video_prob"] >= 0.5
    if backwards:
        arrays = {key: array[::-1] for key, array in arrays.items()}
    np.savez(name, **{key: np.clip(array, 0, 1) if array.dtype.kind == "f" else array for key, array in arrays.items()})
    return Path(name)


def run_of(test: SplitAnnotations, file: Path, folder: str) -> Path:
    """Write what a run leaves of the same predictions."""
    with np.load(file) as arrays:
        grids = [torch.from_numpy(arrays[name]) for name in ("audio", "visual")]
    grids += [torch.from_numpy(grid) for grid in (test.audio, test.visual)]
    scores = per_video_scores(*grids) | exclusive_scores(*grids)
    Path(folder).mkdir()
    write_per_video(Path(folder) / PER_VIDEO_FILE, test.video_ids, {key: each.numpy() for key, each in scores.items()})
    return Path(folder)


def test_two_files_are_compared_video_by_video(test: SplitAnnotations, annotations: Path) -> None:
    first, second = said(test, "a.npz", 0.2), said(test, "b.npz", 0.35, seed=1, backwards=True)
    words = ["--predictions", str(first), str(second), "--annotations", str(annotations), "--filter", "none", "union"]
    assert main(["score", *words, "--json", "all.json"]) == 0
    content = json.loads(Path("all.json").read_text())
    assert [(row["predictions"], row["way"]) for row in content["results"]] == [
        (file, way) for file in ("a.npz", "b.npz") for way in ("none", "union")
    ]
    for row in content["results"]:
        assert row["scores"] == score_predictions(row["predictions"], annotations, filter=row["way"]).scores
    none, union = content["differences"]
    assert (none["way"], union["way"], none["first"], none["second"]) == ("none", "union", "a.npz", "b.npz")
    in_order = said(test, "c.npz", 0.35, seed=1)
    runs = [read_per_video(run_of(test, file, file.stem) / PER_VIDEO_FILE) for file in (first, in_order)]
    tables = [np.stack([run.values(name) for name in NAMES], axis=1) for run in runs]
    for name, expected in zip(NAMES, paired_bootstrap(*tables), strict=True):
        found = none["metrics"][name]
        interval = (expected.mean, expected.low, expected.high)
        assert (found["mean"], found["low"], found["high"]) == pytest.approx(interval)
        assert found["word"] == expected.word
    assert none["metrics"]["average"]["word"] == "higher"


def test_runs_and_files_stand_side_by_side(
    test: SplitAnnotations, annotations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = said(test, "a.npz", 0.2), said(test, "b.npz", 0.2)
    run = run_of(test, second, "run")
    assert main(["score", "--predictions", "run", f"run/{PER_VIDEO_FILE}", "--json", "runs.json"]) == 0
    assert "A: run" in capsys.readouterr().out
    content = json.loads(Path("runs.json").read_text())
    expected = score_predictions(second, annotations).scores
    assert content["results"][0]["scores"] == pytest.approx(expected)
    assert {row["mean"] for row in content["differences"][0]["metrics"].values()} == {0.0}
    report = score_all([first, run], read_truth(annotations, "test"))
    assert {found.word for found in report.compared[0].differences.values()} == {"within noise"}
    with pytest.raises(ConfigError, match=r"run: holds scores, under the protocol and annotations of its run"):
        score_all([first, run], read_truth(annotations, "test"), [Way("union", "union")])
    with pytest.raises(ConfigError, match=r"^--annotations: expected the folder .* a\.npz is scored against"):
        score_all([run, first], None)
    with pytest.raises(ConfigError, match=r"expected different files, found a\.npz twice"):
        score_all([first, first], read_truth(annotations, "test"))


def test_other_videos_are_named(test: SplitAnnotations, annotations: Path) -> None:
    run = run_of(test, said(test, "a.npz", 0.2), "run")
    videos = read_per_video(run / PER_VIDEO_FILE)
    write_per_video("fewer.npz", [*videos.video_ids[:-2], "not-a-video"], {k: v[:-1] for k, v in videos.scores.items()})
    missing, extra = ", ".join(videos.video_ids[-2:]), "not-a-video"
    with pytest.raises(DataError, match=rf"only in run are 2: {missing}; only in fewer\.npz are 1: {extra}"):
        score_all([run, Path("fewer.npz")], None)


def test_probabilities_under_protocols(test: SplitAnnotations, annotations: Path) -> None:
    file = said(test, "a.npz", 0.3)
    Path("mine.yaml").write_text("filter: per_modality\nsegment_threshold: 0.4\nvideo_threshold: 0.3\n")
    words = ["--predictions", "a.npz", "--annotations", str(annotations), "--json", "all.json"]
    assert main(["score", *words, "--protocol", "union", "nrep", "mine.yaml"]) == 0
    rows = json.loads(Path("all.json").read_text())["results"]
    protocols = (Protocol(), Protocol("per_modality", 0.25, 0.45), Protocol("per_modality", 0.4, 0.3))
    with np.load(file) as arrays:
        out = {name: torch.from_numpy(arrays[name]) for name in arrays.files if name.endswith("_prob")}
    truth = [torch.from_numpy(grid) for grid in (test.audio, test.visual)]
    for row, protocol in zip(rows, protocols, strict=True):
        expected = per_video_scores(*protocol.apply(out), *truth)
        assert row["protocol"] == protocol.name
        assert row["scores"]["event/event_av"] == pytest.approx(100 * expected["event/event_av"].mean().item())
    assert rows[0]["scores"] == score_predictions(file, annotations, filter="union").scores
    assert len({json.dumps(row["scores"]) for row in rows}) == 3


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"video_prob": None}, "expected the arrays .*video_prob for the protocol union, found .*: no video_prob"),
        ({"segment_audio_prob": lambda a: a * 9}, "segment_audio_prob: expected probabilities from 0 to 1"),
        ({"segment_visual_prob": lambda a: a * np.nan}, "segment_visual_prob: expected probabilities from 0 to 1"),
        ({"video_prob": lambda a: a >= 0.5}, "video_prob: expected probabilities, found bool"),
        ({"video_prob": lambda a: a[:, :3]}, r"video_prob: expected shape \(30, 25\), found \(30, 3\)"),
    ],
)
def test_probabilities_that_are_none_are_refused(
    change: dict[str, Any], text: str, test: SplitAnnotations, annotations: Path
) -> None:
    file = said(test, "a.npz", 0.3)
    with np.load(file) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    (name, make), *_ = change.items()
    content |= {name: content[name] if make is None else make(content[name])}
    np.savez(file, **{key: array for key, array in content.items() if make is not None or key != name})
    with pytest.raises(DataError, match=text):
        score_predictions(file, annotations, protocol=Protocol())


def test_probabilities_alone_ask_for_a_protocol(test: SplitAnnotations, annotations: Path) -> None:
    file = said(test, "a.npz", 0.3)
    with np.load(file) as arrays:
        np.savez("b.npz", **{name: arrays[name] for name in arrays.files if name not in ("audio", "visual", "video")})
    with pytest.raises(DataError, match=r"probabilities are there: --protocol NAME makes predictions of them"):
        score_predictions("b.npz", annotations)
    assert score_predictions("b.npz", annotations, protocol=Protocol()).videos == 30


def test_other_annotations_have_no_versions(
    test: SplitAnnotations, annotations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """These videos are none that differ, so that both versions are the same."""
    said(test, "a.npz", 0.3)
    words = ["--predictions", "a.npz", "--annotations", str(annotations), "--audio-annotations", "old", "corrected"]
    assert main(["score", *words, "--json", "all.json"]) == 0
    content = json.loads(Path("all.json").read_text())
    assert [row["annotation_version"] for row in content["results"]] == ["old", "corrected"]
    (difference,) = content["annotation_differences"]
    assert set(difference["scores"].values()) == {0.0}
    printed = capsys.readouterr().out
    assert printed.count("+0.00") == 15
    assert "old -" in printed


def test_an_older_run_has_the_average_of_the_ten_alone() -> None:
    rng = np.random.default_rng(0)
    ten = {name: rng.random(5) for name in SCORE_NAMES}
    older, newer = (PerVideo(list("abcde"), scores) for scores in (ten, {**ten, EXCLUSIVE_NAMES[0]: np.zeros(5)}))
    np.testing.assert_array_equal(older.values("average"), newer.values("average"))
    assert newer.values(EXCLUSIVE_NAMES[0]).tolist() == [0] * 5
    with pytest.raises(DataError, match="segment/audible_only: expected a score of each video, found only segment/aud"):
        older.values(EXCLUSIVE_NAMES[0])
