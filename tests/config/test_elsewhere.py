"""Relative places of a run's config are found where it was trained, then here; absolute ones stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from leap_avvp.config.comparison import differences
from leap_avvp.config.elsewhere import data_from_here, from_here
from leap_avvp.errors import ConfigError, DataError

KEYS = (
    *("data.root", "data.annotations", "data.packed", "data.link_store"),
    *("label_embedding.path", "label_embedding.search", "decoder.label_queries.path", "decoder.label_queries.search"),
)


def config(key: str, value: Any) -> dict[str, Any]:
    """Return a config with one value at a dotted key."""
    first, _, rest = key.partition(".")
    return {first: config(rest, value) if rest else value}


def at(node: Mapping[str, Any], key: str) -> Any:
    first, _, rest = key.partition(".")
    return at(node[first], rest) if rest else node[first]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a training's folder with ``mine`` in it; ``here`` is in the present one, ``both`` in each."""
    for name in ("there/mine", "there/both", "here/both", "here/ours"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "there"


@pytest.mark.parametrize("key", KEYS)
def test_a_relative_place_is_looked_for_where_the_training_was_and_then_here(key, there):
    assert at(from_here(config(key, "mine"), there), key) == str(there / "mine")
    assert at(from_here(config(key, "both"), there), key) == str(there / "both")
    assert at(from_here(config(key, "ours"), there), key) == "ours"
    assert at(from_here(config(key, "nowhere"), there), key) == "nowhere"
    assert at(from_here(config(key, str(there / "mine")), there), key) == str(there / "mine")
    assert at(from_here(config(key, "mine"), None), key) == "mine", "of an older checkpoint"
    assert at(from_here(config(key, None), there), key) is None


@pytest.mark.parametrize("option", ["auto", "off", "float32", "float16"])
def test_a_kind_of_packed_set_is_no_place(option, there):
    (there / option).mkdir()
    assert from_here(config("data.packed", option), there)["data"]["packed"] == option


def test_what_is_no_place_is_left_alone(there):
    (there / "valor").mkdir()
    content = {"name": "mine", "data": {"pseudo_labels": "valor", "schedule": {"root": "mine"}}, "encoder": {"root": 1}}
    assert from_here(content, there) == content


def test_the_spelling_of_a_place_is_no_other_configuration(there):
    node = {"root": "mine", "annotations": None, "packed": "auto"}
    (found,) = differences({"data": node}, from_here({"data": node}, there))
    assert found.is_place


LLP = {"_target_": "leap_avvp.data.datamodule.folder_data", "root": "gone", "packed": "auto"}


def test_data_that_lie_nowhere_are_named_with_the_option(there, tmp_path):
    with pytest.raises(DataError, match=rf"best\.ckpt: expected its data in data\.root=gone, .* in {there} and here"):
        data_from_here({"data": LLP}, there, Path("best.ckpt"))
    with pytest.raises(DataError, match=r"data\.root=/no/such, .* in /no; data\.root=DIR says"):
        data_from_here({"data": {**LLP, "root": "/no/such"}}, there, Path("best.ckpt"))
    assert data_from_here({"data": LLP}, there, Path("best.ckpt"), {"root": "x"})["root"] == "x", "named for this time"
    packed = {**LLP, "packed": str(tmp_path)}
    assert data_from_here({"data": packed}, there, Path("best.ckpt")) == packed, "a packed set needs no other folder"
    own = {"_target_": "mine.data", "root": "s3://bucket"}
    assert data_from_here({"data": own}, there, Path("best.ckpt")) == own


@pytest.mark.parametrize("wrong", [None, 3, "text", ["a"]])
def test_a_damaged_group_is_named(wrong, there):
    with pytest.raises(DataError, match=r"best\.ckpt: config: data: expected a group, found"):
        data_from_here({"data": wrong}, there, Path("best.ckpt"))


def test_a_place_for_simulated_data_is_refused(there):
    simulated = {"_target_": "leap_avvp.data.datamodule.simulated_data", "num_test": 4, "placement": None}
    assert data_from_here({"data": simulated}, there, Path("a"), {"num_test": 5, "placement.deep": 1}) == {
        **simulated,
        "num_test": 5,
        "placement": {"deep": 1},
    }
    with pytest.raises(ConfigError, match=r"^data\.root: expected data in files, found the simulated ones of best"):
        data_from_here({"data": simulated}, there, Path("best.ckpt"), {"root": "x"})
