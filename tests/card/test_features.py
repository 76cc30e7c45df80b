"""Feature sets: those of the package, and what a wrong one is told."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from leap_avvp.card import LLP, feature_set, named_features
from leap_avvp.card.features import LLP_FEATURES, known_features
from leap_avvp.errors import ConfigError

OWN: dict[str, Any] = {
    "name": "mine",
    "streams": {
        "audio": {"folder": "sound", "shape": ["any", 40], "reduce": "pool"},
        "video_2d": {"folder": "pictures/small", "shape": ["3T", 6], "reduce": "mean"},
    },
}


def test_the_package_has_five_sets() -> None:
    assert known_features() == ["embedded", "llp", "lsld", "uwav", "valor"]
    widths = {name: tuple(named_features(name).widths.values()) for name in known_features()}
    # As peers.md's table of shapes has them; LSLD has no 3D features.
    assert widths["llp"] == (128, 2048, 512)
    assert widths["valor"] == (768, 768, 512)
    assert widths["uwav"] == (512, 768, 512)
    assert widths["lsld"] == (512, 512)
    assert named_features("llp") == LLP_FEATURES == LLP.features


@pytest.mark.parametrize("name", known_features())
def test_content_gives_the_set_back(name: str) -> None:
    found = named_features(name)
    assert found.name == name
    assert feature_set(found.to_dict()) == found


def test_files_of_llp() -> None:
    streams = LLP.features.streams
    assert streams["audio"].shapes(10) == ((10, 128),)
    assert streams["video_2d"].shapes(10) == ((80, 2048), (10, 2048))
    assert named_features("valor").streams["audio"].shapes(10) == ((64, 768), (10, 768))


def test_a_set_of_ones_own_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(OWN))
    found = named_features(path)
    assert found.folders == {"audio": "sound", "video_2d": "pictures/small"}
    assert found.streams["audio"].shapes(7) == ()
    assert found.streams["video_2d"].shapes(7) == ((21, 6), (7, 6))


WRONG = {
    "no mapping": (lambda own: "valor", "features: expected name and streams, found 'valor'"),
    "another key": (lambda own: own | {"stream": 1}, "features.stream: no such key; .*did you mean streams"),
    "no name": (lambda own: own | {"name": None}, "features.name: expected a short name"),
    "a path as name": (lambda own: own | {"name": "../x"}, "features.name: expected a short name"),
    "no streams": (lambda own: own | {"streams": {}}, "features.streams: expected audio, video_2d"),
    "another stream": (
        lambda own: own | {"streams": own["streams"] | {"text": {}}},
        "features.streams.text: no such key",
    ),
}


@pytest.mark.parametrize(("change", "line"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_set_is_refused(change: Any, line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        feature_set(change(copy.deepcopy(OWN)))


WRONG_STREAMS = {
    "no folder": ({"folder": None}, "folder: expected a folder below"),
    "an absolute folder": ({"folder": "/etc"}, "folder: expected a folder below"),
    "a folder above": ({"folder": "a/../../b"}, "folder: expected a folder below"),
    "the folder of another": ({"folder": "pictures/small"}, "audio.folder: expected a folder of its own"),
    "the folder of labels": ({"folder": "CLAP/segment_pseudo_labels"}, "folder: expected a folder of its own"),
    "another reduction": ({"reduce": "max"}, "reduce: expected one of segment, mean, clap_map, pool, found 'max'"),
    "no shape": ({"shape": 40}, r"shape: expected \[rows, width\]"),
    "rows that are none": ({"shape": ["2S", 4]}, "rows: expected T, .*found '2S'"),
    "no rows": ({"shape": [0, 4]}, "rows: expected T, .*found '0'"),
    "no width": ({"shape": ["T", 0]}, "width: expected a whole number from 1"),
    "a width in words": ({"shape": ["T", "wide"]}, "width: expected a whole number from 1"),
    "segments of more rows": ({"shape": ["8T", 4], "reduce": "segment"}, "rows: expected T for reduce: segment"),
    "means of a fixed number": ({"shape": [64, 4], "reduce": "mean"}, "expected a multiple of T"),
    "a map of other rows": ({"shape": [32, 4], "reduce": "clap_map"}, "rows: expected 64 for reduce: clap_map"),
    "another key": ({"widht": 4}, "widht: no such key"),
}


@pytest.mark.parametrize(("change", "line"), WRONG_STREAMS.values(), ids=WRONG_STREAMS.keys())
def test_a_wrong_stream_is_refused(change: dict[str, Any], line: str) -> None:
    own = copy.deepcopy(OWN)
    own["streams"]["audio"] |= change
    with pytest.raises(ConfigError, match=f"features.streams.audio.{line}|features.streams.audio: {line}|{line}"):
        feature_set(own)


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"expected one of .*found 'valour'; did you mean 'valor'"):
        named_features("valour")
