"""Folders of other cards and feature sets: they say what they are, and read back as what was simulated."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from leap_avvp.card import LLP, DataCard
from leap_avvp.card.dataset import CARD_FILE
from leap_avvp.card.read import card_of
from leap_avvp.data.annotations import read_annotations
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.simulate import SimulatedLLP, write_llp_folder
from leap_avvp.errors import ConfigError
from leap_avvp.llp import SPLITS
from tests.data.simulate.cards import SETS, SMALL, llp_with, make_card


def check_folder(root: Path, source: SimulatedLLP) -> None:
    """Check that a folder without any option reads as what its source loads."""
    card = card_of(root)
    assert card == source.card
    folder = LLPFolder(root, pseudo_labels="valor", card=card)
    assert folder.name == "simulated"
    for split in SPLITS:
        read, made = folder.load(split), source.load(split)
        assert read.filenames == made.filenames
        for stream in ("audio", "video_2d", "video_3d"):
            left, right = getattr(read, stream), getattr(made, stream)
            assert (left is None) == (right is None), stream
            if right is not None:
                assert np.abs(left - right).max() <= 1e-5 * np.abs(right).max(), stream
        exact = ["video_label", *(("segment_audio", "segment_visual") if split == "train" else ())]
        exact += [] if split == "train" else ["target_audio", "target_visual"]
        for name in exact:
            np.testing.assert_array_equal(getattr(read, name), getattr(made, name), err_msg=name)
    with np.load(root / "label_embedding.npz") as file:
        assert tuple(file["classes"].tolist()) == card.classes
        np.testing.assert_array_equal(file["embedding"], source.label_embedding())


@pytest.mark.parametrize("name", SETS)
def test_llp_with_another_feature_set(name: str, tmp_path: Path) -> None:
    source = SimulatedLLP(**SMALL, card=llp_with(name))
    write_llp_folder(source, tmp_path)
    check_folder(tmp_path, source)
    assert (tmp_path / "annotations/AVVP_dataset_full.csv").is_file()
    note = (tmp_path / "SIMULATED.txt").read_text()
    assert (tmp_path / CARD_FILE).exists() == (name != "llp")
    if name != "llp":
        text = (tmp_path / CARD_FILE).read_text()
        assert f"\nfeatures: {name}\n" in text
        assert "\nname: llp\n" in text
        assert "\nids: llp\n" in text
    for name, stream in source.card.features.streams.items():
        file = next((tmp_path / stream.folder).glob("*.npy"))
        assert f"{stream.folder}/ID.npy {np.load(file).shape}" in note, name


@pytest.mark.parametrize(("classes", "segments", "features"), [(1, 3, "llp"), (28, 10, "valor"), (100, 60, "embedded")])
def test_other_cards(classes: int, segments: int, features: str, tmp_path: Path) -> None:
    source = SimulatedLLP(**SMALL, card=make_card(classes, segments, features, seconds=0.5))
    write_llp_folder(source, tmp_path)
    check_folder(tmp_path, source)
    assert sorted(path.name for path in (tmp_path / "annotations").iterdir()) == [
        "heard.csv",
        "seen.csv",
        "te.csv",
        "tr.csv",
        "va.csv",
    ]
    note = (tmp_path / "SIMULATED.txt").read_text()
    assert f"({segments}, {classes}), int64" in note
    assert f"the data card own-{classes}" in note
    assert "LLP" not in note


def test_a_set_of_ones_own_is_written_out(tmp_path: Path) -> None:
    features = llp_with("lsld").features
    wide = dataclasses.replace(features.streams["audio"], rows="any", width=33, reduce="pool", folder="mine")
    # The name is one of the package's, the content is not.
    own = dataclasses.replace(features, streams=dict(features.streams) | {"audio": wide})
    source = SimulatedLLP(**SMALL, card=make_card(3, 5).with_features(own))
    write_llp_folder(source, tmp_path)
    assert "folder: mine" in (tmp_path / CARD_FILE).read_text()
    check_folder(tmp_path, source)


def test_a_note_names_only_what_is_there(tmp_path: Path) -> None:
    write_llp_folder(SimulatedLLP(1, 1, 1, pseudo_labels="weak", card=make_card(3, 5)), tmp_path)
    assert "segment_pseudo_labels" not in (tmp_path / "SIMULATED.txt").read_text()
    assert not (tmp_path / "CLAP").exists()


def test_annotation_files_without_a_name_get_one(tmp_path: Path) -> None:
    bare = dataclasses.replace(make_card(3, 5), weak={"train": "tr.csv"}, dense={})
    write_llp_folder(SimulatedLLP(**SMALL, card=bare), tmp_path)
    card = card_of(tmp_path)
    assert card.weak == {"train": "tr.csv", "val": "simulated_val.csv", "test": "simulated_test.csv"}
    assert card.dense == {"audio": "simulated_audio.csv", "visual": "simulated_visual.csv"}
    assert card.difference(bare) is None
    read, _ = read_annotations(tmp_path / "annotations", card=card)
    assert [len(read[split].filenames) for split in SPLITS] == list(SMALL.values())


def test_the_card_of_other_data_does_not_stay(tmp_path: Path) -> None:
    write_llp_folder(SimulatedLLP(1, 1, 1, card=make_card(3, 5)), tmp_path)
    write_llp_folder(SimulatedLLP(1, 1, 1), tmp_path, overwrite=True)
    assert not (tmp_path / CARD_FILE).exists()
    assert card_of(tmp_path) == LLP


def test_two_kinds_of_files_in_one_folder_are_refused(tmp_path: Path) -> None:
    features = llp_with("lsld").features
    for folder in ("feats/clip_16", "CLAP/segment_pseudo_labels"):
        audio = dataclasses.replace(features.streams["audio"], folder=folder)
        mixed = dataclasses.replace(features, name="mixed", streams=dict(features.streams) | {"audio": audio})
        with pytest.raises(ConfigError, match=f"audio: expected a folder of its own, found {folder}"):
            write_llp_folder(SimulatedLLP(1, 1, 1, card=make_card(3, 5).with_features(mixed)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def written(card: DataCard, root: Path) -> SimulatedLLP:
    """Write the annotations of simulated videos, and return the source of videos that have them."""
    write_llp_folder(SimulatedLLP(**SMALL, card=card), root)
    given, _ = read_annotations(root / "annotations", card=card)
    return SimulatedLLP(annotations=given, card=card)


@pytest.mark.parametrize("card", [llp_with("uwav"), make_card(5, 8)], ids=["llp", "own"])
def test_given_annotation_files_are_kept(card: DataCard, tmp_path: Path) -> None:
    again = written(card, tmp_path / "given")
    write_llp_folder(again, tmp_path / "out", annotations=tmp_path / "given/annotations", limit=2)
    for name in {*card.weak.values(), *card.dense.values()} - {card.weak["train"]}:
        path = f"annotations/{name}"
        assert (tmp_path / "out" / path).read_bytes() == (tmp_path / "given" / path).read_bytes()
    train = f"annotations/{card.weak['train']}"
    lines = (tmp_path / "given" / train).read_text().splitlines()
    assert (tmp_path / "out" / train).read_text().splitlines() == lines[:3]
    assert card_of(tmp_path / "out") == card
    folder = LLPFolder(tmp_path / "out", card=card)
    np.testing.assert_array_equal(folder.load("val").video_label, again.load("val").video_label)
    assert folder.check(["train"]).problems() == []


def test_a_card_with_files_of_two_splits(tmp_path: Path) -> None:
    card = make_card(5, 8)
    written(card, tmp_path / "given")
    two = dataclasses.replace(card, weak={key: file for key, file in card.weak.items() if key != "val"})
    given, _ = read_annotations(tmp_path / "given/annotations", card=two)
    source = SimulatedLLP(annotations=given, card=two)
    write_llp_folder(source, tmp_path / "out", annotations=tmp_path / "given/annotations")
    assert card_of(tmp_path / "out") == two
    assert not (tmp_path / "out/annotations/va.csv").exists()
    assert len(list((tmp_path / "out/feats/clip_16").iterdir())) == 9
