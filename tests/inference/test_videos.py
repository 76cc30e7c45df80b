"""Which videos of a folder are parsed, in which order, and what is missing."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from leap_avvp.card import LLP
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.packed.pack import pack_folder
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.inference import open_videos
from leap_avvp.inference.videos import Videos
from tests.conftest import write_llp
from tests.inference.helpers import own_card, write_own, write_videos

CARD = own_card()


def names_of(videos: Videos, size: int = 2) -> list[str]:
    return [name for names, _ in videos.batches(size) for name in names]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_own(tmp_path / "data")


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_split_comes_in_its_files_order_with_the_datas_own_features(tmp_path: Path, split: str) -> None:
    root = write_llp(tmp_path / "llp", train=3, val=5, test=4)
    videos = open_videos(root, LLP, split=split)
    data = LLPFolder(root, pseudo_labels="none").load(split)
    assert (videos.names, len(videos), videos.split) == (data.filenames, len(data.filenames), split)
    batches = list(videos.batches(2))
    assert [name for names, _ in batches for name in names] == data.filenames
    assert {len(names) for names, _ in batches} <= {1, 2}
    for stream in ("audio", "video_2d", "video_3d"):
        found = np.concatenate([features[stream] for _, features in batches])
        np.testing.assert_array_equal(found, getattr(data, stream))


def test_a_packed_set_gives_the_same_videos(root: Path) -> None:
    files = list(open_videos(root, CARD, packed="off").batches(3))
    pack_folder(root, dtype="float32", card=CARD)
    videos = open_videos(root, CARD)
    assert "packed" in videos.facts
    for (names, features), (again, packed) in zip(files, videos.batches(3), strict=True):
        assert names == again
        for stream, array in features.items():
            assert packed[stream].dtype == np.float32
            np.testing.assert_array_equal(packed[stream], array)


def test_a_packed_set_alone_is_enough(root: Path, tmp_path: Path) -> None:
    packed = pack_folder(root, dtype="float16", card=CARD, out=tmp_path / "set")
    shutil.rmtree(root)
    videos = open_videos(packed, CARD, split="val")
    assert names_of(videos) == ["val clip 0", "val clip 1"]
    assert all(array.dtype == np.float32 for _, features in videos.batches(2) for array in features.values())
    with pytest.raises(DataError, match="found a packed set; name a split"):
        open_videos(packed, CARD, unlabelled=True)


def test_without_annotations_all_videos_are_taken_by_name(tmp_path: Path) -> None:
    write_videos(tmp_path, CARD, ["b", "a 1", "Ünï", "c.d"])
    (tmp_path / "feats" / "a" / "notes.txt").touch()
    (tmp_path / "feats" / "a" / "._b.npy").touch()
    videos = open_videos(tmp_path, CARD)
    assert (videos.names, videos.split) == (["a 1", "b", "c.d", "Ünï"], None)
    assert names_of(videos) == videos.names


def test_unlabelled_videos_of_llps_features_need_no_ids_of_youtube(tmp_path: Path) -> None:
    write_videos(tmp_path, dataclasses.replace(LLP, ids="filename"), ["my holiday in the park", "-AbCdEf_012"])
    videos = open_videos(tmp_path, LLP)
    assert names_of(videos) == ["-AbCdEf_012", "my holiday in the park"]
    assert videos.card == dataclasses.replace(LLP, ids="filename")


def test_a_labelled_folder_has_unlabelled_videos_too_when_asked(root: Path) -> None:
    write_videos(root, CARD, ["another"])
    assert len(open_videos(root, CARD)) == 5
    assert len(open_videos(root, CARD, unlabelled=True)) == 2 + 2 + 5 + 1


def test_the_cards_are_told_apart(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"my\.ckpt: a checkpoint of another data card \(llp\) .* \(garden\): 25 cla"):
        open_videos(root, LLP, "my.ckpt")
    (root / "dataset.yaml").unlink()
    assert open_videos(root, CARD).card == CARD, "a folder without a card is read by the model's"
    named = tmp_path / "card.yaml"
    content = CARD.to_dict() | {"features": CARD.features.to_dict(), "seconds": 2.0, "weak": {"test": "val.csv"}}
    named.write_text(yaml.safe_dump(content, sort_keys=False))
    videos = open_videos(root, CARD, card=named)
    assert (videos.card.seconds, videos.names) == (2.0, ["val clip 0", "val clip 1"])
    with pytest.raises(DataError, match=r"expected a file of train videos on the data card \(weak.train\), found test"):
        open_videos(root, CARD, card=named, split="train")
    with pytest.raises(ConfigError, match=r"features tiny .* and valor"):
        open_videos(root, CARD, features="valor")


def test_where_features_lie_is_the_datas_own_affair(root: Path) -> None:
    shutil.move(root / "feats" / "a", root / "sounds")
    streams = CARD.features.to_dict()["streams"]
    streams["audio"] |= {"folder": "sounds", "shape": ["any", 6], "reduce": "pool"}
    card = CARD.to_dict() | {"features": {"name": "mine", "streams": streams}}
    (root / "dataset.yaml").write_text(yaml.safe_dump(card, sort_keys=False))
    assert len(names_of(open_videos(root, CARD))) == 5


def test_simulated_videos_are_known_as_such(root: Path) -> None:
    assert open_videos(root, CARD).data_source == "garden"
    (root / "SIMULATED.txt").touch()
    assert open_videos(root, CARD).data_source == "simulated"
    pack_folder(root, card=CARD)
    assert open_videos(root, CARD).data_source == "simulated"


@pytest.mark.parametrize("unlabelled", [False, True])
def test_missing_files_are_counted_and_named_or_left_out(root: Path, unlabelled: bool) -> None:
    number = 9 if unlabelled else 5
    (root / "feats" / "a" / "test clip 1.npy").unlink()
    (root / "feats" / "v" / "test clip 3.npy").unlink()
    with pytest.raises(DataError, match=rf"found 2 of {number} videos without: test clip 1 \(no audio\); test clip 3"):
        open_videos(root, CARD, unlabelled=unlabelled)
    videos = open_videos(root, CARD, unlabelled=unlabelled, allow_missing=True)
    assert sorted(videos.left_out) == ["test clip 1", "test clip 3"]
    found = names_of(videos)
    assert len(found) == number - 2
    assert [name for name in found if name.startswith("test")] == ["test clip 0", "test clip 2", "test clip 4"]


def test_many_missing_files_are_not_all_named(root: Path) -> None:
    for file in (root / "feats" / "a").glob("*.npy"):
        file.unlink()
    with pytest.raises(DataError, match=r"9 of 9 videos without \(first 5\)") as caught:
        open_videos(root, CARD, unlabelled=True)
    assert str(caught.value).count("(no audio)") == 5
    with pytest.raises(DataError, match="9 of 9"):
        open_videos(root, CARD, unlabelled=True, allow_missing=True)


def test_a_clip_cut_short_is_missing_and_a_damaged_file_stops(root: Path) -> None:
    path = root / "feats" / "a" / "test clip 1.npy"
    np.save(path, np.zeros((3, 6), np.float32))
    with pytest.raises(DataError, match=r"test clip 1\.npy: expected shape .*cut short; data\.allow_missing=true"):
        names_of(open_videos(root, CARD))
    videos = open_videos(root, CARD, allow_missing=True)
    assert len(names_of(videos)) == 4
    assert videos.left_out == ["test clip 1"]
    np.save(path, np.full((20, 6), np.nan, np.float32))
    with pytest.raises(DataError, match=r"found 120 NaN or Inf among 120$"):
        names_of(open_videos(root, CARD, allow_missing=True))


def test_no_more_than_a_batch_is_read_ahead(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    videos = open_videos(root, CARD)
    own = videos._files.read  # type: ignore[attr-defined]
    monkeypatch.setattr(videos._files, "read", lambda row: read.append(row) or own(row))  # type: ignore[attr-defined]
    batches = videos.batches(2)
    for expected in ([0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4]):
        next(batches)
        assert read == expected


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"split": "test", "unlabelled": True}, "expected no split beside it"),
        ({"unlabelled": True, "annotations": "x"}, "expected no annotations beside it"),
        ({"split": "dev"}, "split: expected one of train, val, test"),
        ({"annotations": "nowhere"}, "nowhere: no such folder"),
        ({"link_store": "nowhere"}, "data.link_store: expected the folder"),
        ({"card": "nowhere.yaml"}, "no such data card"),
        ({"features": "valour"}, "did you mean 'valor'"),
        ({"packed": "float16"}, "expected a packed set at"),
    ],
)
def test_wrong_options_are_one_line(root: Path, options: dict[str, object], text: str) -> None:
    with pytest.raises((ConfigError, DataError), match=text):
        open_videos(root, CARD, **options)  # type: ignore[arg-type]


def test_what_is_no_data_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        open_videos(tmp_path / "nowhere", CARD)
    with pytest.raises(DataError, match=r"no such folder: .*feats/a, .*feats/v; expected the features of tiny"):
        open_videos(tmp_path, CARD)
    for folder in ("a", "v"):
        (tmp_path / "feats" / folder).mkdir(parents=True)
    with pytest.raises(DataError, match=r"expected a \.npy file for each video, found none"):
        open_videos(tmp_path, CARD)


@pytest.mark.skipif(os.name != "posix", reason="such names need the system's leave")
@pytest.mark.parametrize("name", [b"a\tb.npy", b"a\nb.npy", b"\xff.npy", b"a:b.npy"])
def test_odd_names_are_refused(tmp_path: Path, name: bytes) -> None:
    write_videos(tmp_path, CARD, ["a"])
    (tmp_path / "feats" / "a" / os.fsdecode(name)).touch()
    with pytest.raises(DataError, match="expected files named without") as caught:
        open_videos(tmp_path, CARD)
    assert len(str(caught.value).splitlines()) == 1
