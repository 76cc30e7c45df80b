"""The data card: read, written, compared; each wrong one is told in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from leap_avvp import llp
from leap_avvp.card import LLP, named_features
from leap_avvp.card.read import card_content, card_from, card_of, read_card
from leap_avvp.errors import ConfigError, DataError

OWN: dict[str, Any] = {
    "name": "zoo",
    "classes": {"lion": "a lion", "tiger": None, "sea lion": "seal"},
    "segments": 7,
    "seconds": 0.5,
    "weak": {"train": "a.csv", "val": "b.csv", "test": "c.csv"},
    "dense": {"audio": "heard.csv", "visual": "seen.csv"},
    "features": "valor",
}


def write(folder: Path, content: Any) -> Path:
    path = folder / "dataset.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return path


def test_llp_is_built_in() -> None:
    assert LLP.is_llp
    assert (LLP.classes, LLP.segments, LLP.num_classes) == (llp.CLASSES, 10, 25)
    assert LLP.video_id("-AbCdEf_012_30_40") == "-AbCdEf_012"
    assert LLP.with_features(named_features("valor")).is_llp
    assert LLP.display[5] == "Frying (food)"


def test_a_card_is_read(tmp_path: Path) -> None:
    card = read_card(write(tmp_path, OWN))
    assert card.classes == ("lion", "tiger", "sea lion")
    assert card.display == ("a lion", "tiger", "seal")
    assert (card.segments, card.seconds, card.duration, card.num_classes) == (7, 0.5, 3.5, 3)
    assert card.features == named_features("valor")
    assert card.video_id("any name_0_10") == "any name_0_10"
    assert not card.is_llp


def test_content_gives_the_card_back(tmp_path: Path) -> None:
    for card in (read_card(write(tmp_path, OWN)), LLP, LLP.with_features(named_features("lsld"))):
        assert card_from(card_content(card)) == card


def test_what_a_card_may_leave_out(tmp_path: Path) -> None:
    card = read_card(write(tmp_path, {"classes": ["one_word"]}))
    assert (card.name, card.segments, card.seconds, card.features) == ("own", 10, 1.0, LLP.features)
    assert card.display == ("one word",)
    assert not card.weak
    assert not card.dense


def test_names_that_underscores_would_make_alike(tmp_path: Path) -> None:
    assert read_card(write(tmp_path, {"classes": ["a_b", "a b"]})).display == ("a_b", "a b")
    assert read_card(write(tmp_path, {"classes": ["$_", "_"]})).display == ("$", "_")


def test_features_of_a_file_beside_the_card(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(named_features("uwav").to_dict() | {"name": "mine"}))
    card = read_card(write(tmp_path, OWN | {"features": "mine.yaml"}))
    assert card.features.name == "mine"
    assert card.features.widths == named_features("uwav").widths


def test_the_card_of_a_folder(tmp_path: Path) -> None:
    assert card_of(tmp_path) == LLP
    assert card_of(None, features="lsld") == LLP.with_features(named_features("lsld"))
    write(tmp_path, OWN)
    assert card_of(tmp_path).name == "zoo"
    other = tmp_path / "other"
    other.mkdir()
    assert card_of(other, tmp_path).name == "zoo"
    assert card_of(other, tmp_path / "dataset.yaml", "uwav").features.name == "uwav"


def test_differences_that_a_model_sees() -> None:
    own = card_from(OWN)
    assert own.difference(card_from(OWN | {"name": "other", "seconds": 2.0})) is None
    assert own.difference(LLP) == "3 classes and 25"
    turned = card_from(OWN | {"classes": ["tiger", "lion", "sea lion"]})
    assert own.difference(turned) == "class 0 is 'lion' and 'tiger'"
    assert own.difference(card_from(OWN | {"segments": 8})) == "7 segments and 8"
    other = own.difference(card_from(OWN | {"features": "lsld"}))
    assert other is not None
    assert "valor (audio (64, 768)" in other


BAD = {
    "no mapping": ("- a\n- b\n", "expected name, classes"),
    "no YAML": ("classes: [a\n", "expected a data card in YAML"),
    "a key twice": ("classes: [a]\nclasses: [b]\n", "found 'classes' twice in line 2"),
    "a class twice in a mapping": ("classes: {a: x, a: y}\n", "found 'a' twice in line 1"),
    "a class twice": ({"classes": ["a", "b", "a"]}, "classes: expected each once, found 'a' twice"),
    "a display name twice": ({"classes": {"a": "x", "b": "x"}}, "display names: expected each once, found 'x' twice"),
    "no classes": ({"classes": []}, "classes: expected a list of at least one name"),
    "no classes at all": ({"segments": 3}, "classes: expected a list of at least one name"),
    "too many classes": ({"classes": [f"c{n}" for n in range(1001)]}, "classes: expected at most 1,000, found 1,001"),
    "a class with a comma": ({"classes": ["a, b"]}, "expected names without commas"),
    "a class that YAML reads as a number": ("classes: [1, 2]\n", "found '1'; put it into quotes"),
    "a class that YAML reads as a switch": ("classes: [yes]\n", "found 'True'; put it into quotes"),
    "no segments": ({"classes": ["a"], "segments": 0}, "segments: expected a whole number from 1 to 600, found 0"),
    "too many segments": ({"classes": ["a"], "segments": 601}, "segments: expected .*found 601"),
    "segments in words": ({"classes": ["a"], "segments": "ten"}, "segments: expected .*found 'ten'"),
    "no seconds": ({"classes": ["a"], "seconds": 0}, "seconds: expected a number from 0.001"),
    "endless seconds": ("classes: [a]\nseconds: .inf\n", "seconds: expected a number"),
    "another split": ({"classes": ["a"], "weak": {"dev": "x.csv"}}, "weak: expected a file for train, val, test"),
    "a file elsewhere": ({"classes": ["a"], "weak": {"val": "../x.csv"}}, "weak.val: expected the name of a file"),
    "one file for two splits": (
        {"classes": ["a"], "weak": {"val": "x.csv", "test": "x.csv"}},
        "weak: expected a file each, found 'x.csv' twice",
    ),
    "one modality": ({"classes": ["a"], "dense": {"audio": "x.csv"}}, "dense: expected the files of audio and visual"),
    "unknown features": ({"classes": ["a"], "features": "clipp"}, "features: expected one of .*found 'clipp'"),
    "another key": ({"classes": ["a"], "segmnts": 3}, "segmnts: no such key; .*did you mean segments"),
    "LLP's name": ({"classes": ["a"], "name": "llp"}, "llp is the name of LLP"),
    "the simulator's name": ({"classes": ["a"], "name": "simulated"}, "name: expected a short name"),
    "an odd name": ({"classes": ["a"], "name": "a/b"}, "name: expected a short name"),
    "other ids": ({"classes": ["a"], "ids": "youtube"}, "ids: expected one of filename, llp"),
}


@pytest.mark.parametrize(("content", "line"), BAD.values(), ids=BAD.keys())
def test_a_wrong_card_is_refused(tmp_path: Path, content: Any, line: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=line) as error:
        read_card(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_cards_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such data card; `leap-avvp data card --from weak\.csv` writes one"):
        read_card(tmp_path / "dataset.yaml")
    (tmp_path / "dataset.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot read it"):
        read_card(tmp_path / "dataset.yaml")
    (tmp_path / "dataset.yaml").write_text("classes: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(DataError, match="expected a data card in YAML"):
        read_card(tmp_path / "dataset.yaml")
    with pytest.raises(ConfigError, match="expected name, classes"):
        card_from(None)
