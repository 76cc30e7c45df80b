"""What figures read from a run's folder: its own model's word, on its own videos."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from leap_avvp.config.build import Parts
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.figures.parsing import MODALITIES
from leap_avvp.figures.runs import _check_same_videos, labels_of, open_runs, parse_videos, predictions_of, truth_of
from leap_avvp.scoring.predictions import read_predictions, write_predictions
from leap_avvp.training.checkpoint import load_checkpoint


@pytest.fixture
def copied(trained, tmp_path: Path) -> Path:
    """Return a copy of the LEAP run that a test may spoil."""
    return Path(shutil.copytree(trained["leap"], tmp_path / "copy"))


def test_attention_and_probabilities_are_the_decoders_own(trained) -> None:
    (run,) = open_runs([trained["leap"]])
    parser, config = load_checkpoint(trained["leap"] / "checkpoints" / "best.ckpt")
    dataset = Parts(config).data().dataset("test")
    rows = [7, 2]
    with torch.no_grad():
        out = parser(**dataset[rows])
    videos = parse_videos([run], [dataset.video_ids[row] for row in rows])
    assert [video.video_id for video in videos] == [dataset.video_ids[row] for row in rows]
    for index, video in enumerate(videos):
        (parsing,) = video.parsings
        assert parsing.label == "LEAP"
        for name in MODALITIES:
            attention = getattr(out, f"{name}_attention")  # (B, H, C, T)
            assert attention.shape[1] == 4
            np.testing.assert_allclose(parsing.attention[name], attention[index].mean(dim=0), atol=1e-6)
            np.testing.assert_allclose(parsing.attention[name].sum(axis=1), np.ones(25), atol=1e-5)
            probability = out[f"segment_{name}_prob"][index]
            np.testing.assert_allclose(parsing.probability[name], probability.T, atol=1e-6)
            assert parsing.threshold[name] == 0.25
            assert (video.truth[name] == dataset.tensors[f"target_{name}"][rows[index]].numpy()).all()
    different = [getattr(out, f"{name}_attention")[0].mean(dim=0) for name in MODALITIES]
    assert not torch.allclose(*different), "else a mix-up of the modalities would go unseen"


@pytest.mark.parametrize("name", ["leap", "mmil"])
def test_events_are_those_that_the_run_predicted(trained, name) -> None:
    (run,) = open_runs([trained[name]])
    said = predictions_of(run)
    videos = parse_videos([run], said.video_ids)
    for modality in MODALITIES:
        drawn = np.stack([video.parsings[0].events[modality] for video in videos])
        assert (drawn == getattr(said, modality)).all()
    assert said.audio.any(), "else nothing is compared"


def test_mmil_has_no_attention(trained) -> None:
    runs = open_runs([trained["mmil"], trained["leap"]])
    (video,) = parse_videos(runs, truth_of(runs[0]).video_ids[:1])
    assert [parsing.label for parsing in video.parsings] == ["MMIL", "LEAP"]
    assert video.parsings[0].attention is None
    assert video.parsings[1].attention is not None
    assert video.data_source == "simulated"
    assert runs[0].data is runs[1].data, "the same data are built once"


def test_a_validation_video_can_be_drawn_and_splits_do_not_mix(trained) -> None:
    (run,) = open_runs([trained["leap"]])
    val, test = (truth_of(run, split).video_ids[0] for split in ("val", "test"))
    assert parse_videos([run], [val])[0].video_id == val
    with pytest.raises(ConfigError, match="videos of one split"):
        parse_videos([run], [val, test])
    with pytest.raises(ConfigError, match=r"found 'sim00000te'; nearest: sim0000\d\dte, sim"):
        parse_videos([run], ["sim00000te"])


def test_predictions_come_in_the_order_of_the_split(copied: Path) -> None:
    (run,) = open_runs([copied])
    expected = predictions_of(run)
    path = copied / "predictions_test.npz"
    names, audio, visual = read_predictions(path)
    write_predictions(path, video_ids=names[::-1], audio=audio[::-1], visual=visual[::-1])
    found = predictions_of(run)
    assert found.video_ids == expected.video_ids == run.data.dataset("test").video_ids
    assert (found.audio == expected.audio).all()
    assert (found.visual == expected.visual).all()
    write_predictions(path, video_ids=[*names[:-1], names[0]], audio=audio, visual=visual)
    with pytest.raises(DataError, match="expected the 12 test videos"):
        predictions_of(run)


def test_a_run_of_another_card_is_read_with_its_classes_and_segments(carded: Path) -> None:
    (run,) = open_runs([carded])
    said, truth = predictions_of(run), truth_of(run)
    assert said.audio.shape == truth.visual.shape == (12, 6, 40)
    (video,) = parse_videos([run], truth.video_ids[:1])
    assert video.card == run.data.source.card
    assert (video.card.segments, video.card.seconds, video.card.display[1]) == (6, 0.5, "class 0")
    (parsing,) = video.parsings
    for name in MODALITIES:
        assert parsing.probability[name].shape == parsing.attention[name].shape == (40, 6)
        assert (parsing.events[name] == getattr(said, name)[0]).all()


def test_predictions_of_another_card_are_named(trained, carded: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(carded, tmp_path / "mixed"))
    shutil.copy(trained["leap"] / "predictions_test.npz", folder)
    (run,) = open_runs([folder])
    with pytest.raises(
        DataError, match=r"audio: expected shape \(12, 6, 40\), found \(12, 10, 25\); the data card own"
    ):
        predictions_of(run)


def test_runs_of_other_classes_are_not_compared(trained) -> None:
    one, other = open_runs([trained["mmil"], trained["leap"]])
    names = (*one.data.source.card.classes[:-1], "Applause")
    source = copy.copy(other.data.source)
    source.card = dataclasses.replace(source.card, classes=names)
    moved = copy.copy(other.data)
    moved.source = source
    with pytest.raises(DataError, match="compare runs of the same data"):
        _check_same_videos(one, dataclasses.replace(other, data=moved))


def test_runs_of_different_videos_are_not_compared(trained) -> None:
    with pytest.raises(DataError, match="compare runs of the same data"):
        open_runs([trained["leap"], trained["other"]])


def test_a_folder_without_a_run_and_a_mixed_one_are_named(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing: expected the folder of a finished"):
        open_runs([tmp_path / "nothing"])
    metrics = copied / "metrics.json"
    content = json.loads(metrics.read_text())
    metrics.write_text(json.dumps(content | {"config": content["config"] | {"seed": 77}}))
    expected = r"best\.ckpt: expected the configuration of metrics\.json, [0-9a-f]{16}, found"
    with pytest.raises(DataError, match=expected):
        open_runs([copied])


def config(**changes: object) -> dict[str, object]:
    parts = {
        "encoder": {"_target_": "leap_avvp.models.HAN"},
        "decoder": {"_target_": "leap_avvp.models.LEAPDecoder", "num_blocks": 2},
        "loss": {"avss_weight": 1.0},
        "seed": 0,
    }
    return {**parts, **changes}


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({"decoder": {"_target_": "leap_avvp.models.MMILDecoder"}}, ["LEAP", "MMIL"]),
        ({"encoder": {"_target_": "leap_avvp.models.MMPyramid"}}, ["LEAP (HAN)", "LEAP (MM-Pyramid)"]),
        ({"loss": {"avss_weight": 0.5}, "seed": 1}, ["LEAP (avss_weight=1.0)", "LEAP (avss_weight=0.5)"]),
        ({"seed": 1}, ["LEAP (seed=0)", "LEAP (seed=1)"]),
        ({"decoder": {"_target_": "mine.Decoder"}}, ["LEAP", "Decoder"]),
        ({}, ["LEAP 1", "LEAP 2"]),
    ],
)
def test_runs_are_named_by_what_tells_them_apart(changes, labels) -> None:
    assert labels_of([config(), config(**changes)]) == labels


def test_one_run_is_named_by_its_decoder() -> None:
    assert labels_of([config()]) == ["LEAP"]
