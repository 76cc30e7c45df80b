"""Whole ways with each feature set and with cards of other classes and lengths: from the simulator to a figure."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from leap_avvp.card.features import known_features
from leap_avvp.card.read import card_of
from leap_avvp.cli import main
from leap_avvp.data.annotations import read_annotations
from leap_avvp.metrics import ParsingMetrics
from leap_avvp.training.checkpoint import load_checkpoint

SMALL = (
    *("encoder=han", "encoder.dim=16", "encoder.feed_forward_dim=16", "decoder.dim=16", "trainer=cpu"),
    *("data.batch_size=8", "data.schedule.max_epochs=2", "label_embedding=simulated", "logger=none"),
)
DECODERS = {"leap": ("decoder.num_heads=4", "decoder.feed_forward_dim=16"), "mmil": ("decoder=mmil",)}
SIZES = ("--train", "16", "--val", "4", "--test", "4")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return ``run(*words)``: what a command that ends well prints."""

    def call(*words: str) -> str:
        code = main(list(words))
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out

    return call


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return ``refused(*words)``: the one line of a command that ends with code 2."""

    def call(*words: str) -> str:
        assert main(list(words)) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    return call


def train(run: Callable[..., str], root: Path, out: Path, *words: str, decoder: str = "leap") -> dict[str, Any]:
    run("train", "data=llp", f"data.root={root}", *SMALL, *DECODERS[decoder], *words, f"hydra.run.dir={out}")
    content: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return content


@pytest.mark.parametrize("features", known_features())
def test_a_whole_way(features: str, tmp_path: Path, run: Callable[..., str]) -> None:
    root = tmp_path / "data"
    run("data", "simulate", "--out", str(root), "--features", features, *SIZES)
    card = card_of(root)
    assert card.features.name == features
    assert "every file is there and sound" in run("data", "check", str(root))
    # Read from the files, then from the packed set: the same numbers.
    from_files = train(run, root, tmp_path / "files", decoder="leap")
    run("data", "pack", str(root))
    packed = train(run, root, tmp_path / "leap", decoder="leap")
    assert packed["data"]["packed"].endswith("float32")
    assert packed["test"] == from_files["test"]
    assert packed["config_hash"] == from_files["config_hash"]
    train(run, root, tmp_path / "mmil", decoder="mmil")
    for decoder in DECODERS:
        folder = tmp_path / decoder
        parser, config = load_checkpoint(folder)
        assert config["features"] == card.features.to_dict()
        assert {name for name, _ in parser.frontend.named_children()} >= set(card.features.streams)
        assert hasattr(parser.frontend, "video_3d") == ("video_3d" in card.features.streams)
        run("predict", "--checkpoint", str(folder), "--data", str(root), "--split", "test", "--out", f"{folder}/said")
        run(
            *("score", "--predictions", f"{folder}/said/predictions.npz", "--annotations", str(root / "annotations")),
            *("--json", f"{folder}/score.json"),
        )
        scores = json.loads((folder / "score.json").read_text())
        measured = json.loads((folder / "metrics.json").read_text())
        assert scores["data_source"] == measured["data_source"] == "simulated"
        assert scores["scores"] == pytest.approx(measured["test"], abs=1e-9)
    figures = run("visualize", "--run", str(tmp_path / "leap"), "--pick", "worst", "--count", "1")
    assert len([line for line in figures.splitlines() if line.endswith(".png")]) == 1


def card_file(folder: Path, classes: int, segments: int, features: str) -> Path:
    path = folder / "dataset.yaml"
    content = {
        "name": "many",
        "classes": [f"class {index}" for index in range(classes)],
        "segments": segments,
        "weak": {"train": "train.csv", "val": "val.csv", "test": "test.csv"},
        "dense": {"audio": "heard.csv", "visual": "seen.csv"},
        "features": features,
    }
    path.write_text(yaml.safe_dump(content))
    return path


# One class, AVE's size, UnAV-100's, and AudioSet's number of classes.
CARDS = [(1, 10, "embedded"), (28, 10, "llp"), (100, 60, "uwav"), (527, 10, "lsld")]


@pytest.mark.parametrize(("classes", "segments", "features"), CARDS)
def test_any_classes_and_segments(
    classes: int, segments: int, features: str, tmp_path: Path, run: Callable[..., str]
) -> None:
    card, root = card_file(tmp_path, classes, segments, features), tmp_path / "data"
    run("data", "simulate", "--out", str(root), "--card", str(card), *SIZES)
    assert "every file is there and sound" in run("data", "check", str(root))
    for decoder in DECODERS:
        result = train(run, root, tmp_path / decoder, decoder=decoder)
        assert len(result["config"]["card"]["classes"]) == classes
        assert np.isfinite(list(result["test"].values())).all()
        with np.load(tmp_path / decoder / "predictions_test.npz") as said:
            assert said["audio"].shape == (4, segments, classes)
    run("visualize", "--run", str(tmp_path / "leap"), "--summary")


def test_a_card_of_simulated_videos(tmp_path: Path, run: Callable[..., str]) -> None:
    """Without a folder: `data=simulated` draws the videos of a card."""
    card = card_file(tmp_path, 3, 7, "valor")
    words = ("data.num_train=16", "data.num_val=4", "data.num_test=4", *SMALL, *DECODERS["leap"])
    run("train", f"data.card={card}", *words, f"hydra.run.dir={tmp_path / 'run'}")
    result = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert result["config"]["features"]["name"] == "valor", "the card's"
    assert result["data_source"] == "simulated"
    with np.load(tmp_path / "run" / "predictions_test.npz") as said:
        assert said["visual"].shape == (4, 7, 3)
    run("evaluate", str(tmp_path / "run"), f"hydra.run.dir={tmp_path / 'again'}")
    again = json.loads((tmp_path / "again" / "evaluation_test.json").read_text())
    assert again["scores"] == result["test"]


def test_a_set_of_ones_own_needs_no_python(tmp_path: Path, run: Callable[..., str]) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nstreams:\n"
        "  audio: {folder: feats/wav, shape: [any, 48], reduce: pool}\n"
        "  video_2d: {folder: feats/dino, shape: [2T, 56], reduce: mean}\n"
    )
    card, root = card_file(tmp_path, 4, 6, "mine.yaml"), tmp_path / "data"
    run("data", "simulate", "--out", str(root), "--card", str(card), *SIZES)
    assert "every file is there and sound" in run("data", "check", str(root))
    result = train(run, root, tmp_path / "run")
    assert result["config"]["features"]["streams"]["audio"]["shape"] == ["any", 48]
    # As a group of Hydra's, in a folder of one's own.
    (tmp_path / "conf" / "features").mkdir(parents=True)
    (tmp_path / "mine.yaml").rename(tmp_path / "conf" / "features" / "mine.yaml")
    again = train(run, root, tmp_path / "group", "features=mine", "--config-dir", str(tmp_path / "conf"))
    assert again["config_hash"] == result["config_hash"]


@pytest.mark.parametrize("kind", ["weak", "none", "dense"])
def test_targets_that_need_no_files(kind: str, tmp_path: Path, run: Callable[..., str]) -> None:
    card, root = card_file(tmp_path, 4, 6, "embedded"), tmp_path / "data"
    run("data", "simulate", "--out", str(root), "--card", str(card), *SIZES)
    if kind == "dense":
        videos = [line.split("\t") for line in (root / "annotations" / "train.csv").read_text().splitlines()[1:]]
        rows = [f"{name}\t1\t4.5\t{event}\n" for name, events in videos for event in events.split(",")]
        for file in ("heard.csv", "seen.csv"):
            with (root / "annotations" / file).open("a") as text:
                text.writelines(rows)
    packed = train(run, root, tmp_path / "files", f"data.pseudo_labels={kind}")
    run("data", "pack", str(root))
    assert train(run, root, tmp_path / "packed", f"data.pseudo_labels={kind}")["test"] == packed["test"]


def test_labels_of_a_folder_of_ones_own(tmp_path: Path, run: Callable[..., str], refused: Callable[..., str]) -> None:
    card, root = card_file(tmp_path, 4, 6, "embedded"), tmp_path / "data"
    run("data", "simulate", "--out", str(root), "--card", str(card), *SIZES)
    labels = tmp_path / "labels"
    for modality in ("audio", "visual"):
        (labels / modality).mkdir(parents=True)
        for file in (root / "CLAP" / "segment_pseudo_labels").iterdir():
            np.save(labels / modality / file.name, np.full((6, 4), 0.25, dtype=np.float32))
    first = train(run, root, tmp_path / "files", f"data.pseudo_labels={labels}")
    run("data", "pack", str(root))
    assert train(run, root, tmp_path / "packed", f"data.pseudo_labels={labels}")["test"] == first["test"]
    next((labels / "audio").iterdir()).unlink()
    words = ("train", "data=llp", f"data.root={root}", *SMALL, *DECODERS["leap"], f"data.pseudo_labels={labels}")
    for packed in ("auto", "off"):
        line = refused(*words, f"data.packed={packed}", f"hydra.run.dir={tmp_path / 'bad'}")
        assert str(labels / "audio") in line
        assert not (tmp_path / "bad" / "metrics.json").exists()


def test_what_does_not_go_together(tmp_path: Path, run: Callable[..., str], refused: Callable[..., str]) -> None:
    """Each is one line and exit code 2, before anything is written."""
    card, root = card_file(tmp_path, 4, 6, "embedded"), tmp_path / "data"
    run("data", "simulate", "--out", str(root), "--card", str(card), *SIZES)
    train(run, root, tmp_path / "run")
    words = ("train", "data=llp", f"data.root={root}", *SMALL, *DECODERS["leap"], f"hydra.run.dir={tmp_path / 'bad'}")
    content = yaml.safe_load((root / "dataset.yaml").read_text())

    def with_card(**changes: Any) -> str:
        (tmp_path / "other.yaml").write_text(yaml.safe_dump(content | changes))
        return f"data.card={tmp_path / 'other.yaml'}"

    assert "classes: expected a list of at least one name" in refused(*words, with_card(classes=[]))
    assert "classes: expected each once, found 'x' twice" in refused(*words, with_card(classes=["x", "y", "x", "z"]))
    # T that no file has; classes that the files do not have.
    assert "expected shape (28, 1024) or (7, 1024)" in refused(*words, with_card(segments=7))
    assert "expected shape (6, 5), found (6, 4)" in refused(*words, with_card(classes=[*content["classes"], "more"]))
    assert "expected one of the card's 3 classes" in refused(
        *words,
        with_card(
            classes=content["classes"][:3]
            if isinstance(content["classes"], list)
            else dict(list(content["classes"].items())[:3])
        ),
    )
    # Features of another set.
    line = refused(*words, "features=valor")
    assert "no such folder" in line
    assert "valor (audio (64, 768)" in line
    # A packed set of another card.
    run("data", "pack", str(root))
    assert "packed for another data card, 6 segments and 7" in refused(*words, with_card(segments=7))
    # A checkpoint of another card.
    other_root = tmp_path / "llp"
    run("data", "simulate", "--out", str(other_root), "--features", "embedded", *SIZES)
    line = refused(
        "evaluate", str(tmp_path / "run"), "data=llp", f"data.root={other_root}", f"hydra.run.dir={tmp_path / 'bad'}"
    )
    assert "a checkpoint of another data card (many) than the data's (llp): 4 classes and 25" in line
    # One trained on it goes on with it alone.
    line = refused(
        "train",
        "data=llp",
        f"data.root={other_root}",
        *SMALL,
        *DECODERS["leap"],
        f"init_from={tmp_path / 'run'}",
        f"hydra.run.dir={tmp_path / 'bad'}",
    )
    assert "weights of another configuration" in line or "another data card" in line
    assert not (tmp_path / "bad" / "metrics.json").exists()
    assert not list((tmp_path / "bad").glob("**/*.ckpt"))


def test_the_scores_of_many_classes_are_the_metrics_own(tmp_path: Path, run: Callable[..., str]) -> None:
    card, root = card_file(tmp_path, 100, 60, "uwav"), tmp_path / "data"
    run("data", "simulate", "--out", str(root), "--card", str(card), *SIZES)
    result = train(run, root, tmp_path / "run")
    with np.load(tmp_path / "run" / "predictions_test.npz") as said:
        grids = [torch.from_numpy(said[name]) for name in ("audio", "visual")]
    truth = read_annotations(root / "annotations", ["test"], card=card_of(root))[0]["test"]
    metrics = ParsingMetrics()
    metrics.update(*grids, torch.from_numpy(truth.audio), torch.from_numpy(truth.visual))
    assert {name: float(value) for name, value in metrics.compute().items()} == pytest.approx(result["test"], abs=1e-9)


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.proof),)


def test_labels_that_are_not_what_they_say(
    tmp_path: Path, run: Callable[..., str], refused: Callable[..., str]
) -> None:
    card, root = card_file(tmp_path, 4, 6, "embedded"), tmp_path / "data"
    run("data", "simulate", "--out", str(root), "--card", str(card), *SIZES)
    words = ("train", "data=llp", f"data.root={root}", *SMALL, *DECODERS["leap"], f"hydra.run.dir={tmp_path / 'bad'}")
    np.savez(root / "final_label.npz", label_a={"a": Payload(tmp_path / "proof")}, label_v={})
    line = refused(*words, "data.pseudo_labels=lsld")
    assert "final_label.npz" in line
    assert not (tmp_path / "proof").exists(), "it has run"
    for modality in "av":
        logits = root / "LLP_Dataset" / f"{modality}_segmentwise_logits"
        logits.mkdir(parents=True)
        for file in (root / "CLAP" / "segment_pseudo_labels").iterdir():
            np.save(logits / file.name, np.zeros((6, 4), dtype=np.float32))
        np.save(root / "LLP_Dataset" / f"{modality}_classwise_threhsolds.npy", np.zeros(5, dtype=np.float32))
    line = refused(*words, "data.pseudo_labels=uwav")
    assert "a_classwise_threhsolds.npy" in line
    assert "(4,)" in line
    assert "(5,)" in line
    assert "did you mean 'uwav'" in refused(*words, "data.pseudo_labels=uvaw")
    for modality in "av":
        np.save(root / "LLP_Dataset" / f"{modality}_classwise_threhsolds.npy", np.zeros(4, dtype=np.float32))
    run(*words, "data.pseudo_labels=uwav")
