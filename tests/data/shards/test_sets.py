"""Sharded sets: the numbers of the files, added to, gone on with after a stop, refused when damaged."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from leap_avvp.card import DataCard
from leap_avvp.cli import main
from leap_avvp.data.datamodule import folder_data
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.shards import ShardedLLP, reader, shards_data
from leap_avvp.data.shards import pack as shards_pack
from leap_avvp.data.shards.format import ShardIndex, read_index
from leap_avvp.data.shards.source import ShardedDataset
from leap_avvp.data.shards.writer import ShardWriter
from leap_avvp.data.split import SplitData
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.llp import SPLITS

Pack = Callable[..., Path]
ARRAYS = (
    *("audio", "video_2d", "video_3d", "video_label", "segment_audio", "segment_visual"),
    *("video_audio", "video_visual", "target_audio", "target_visual"),
)


def assert_same(ours: SplitData, theirs: SplitData) -> None:
    """Compare two splits, whatever the order of their videos."""
    assert sorted(ours.filenames) == sorted(theirs.filenames)
    mine, other = np.argsort(ours.filenames), np.argsort(theirs.filenames)
    for name in ARRAYS:
        left, right = getattr(ours, name), getattr(theirs, name)
        assert (left is None) == (right is None), name
        if left is not None:
            np.testing.assert_array_equal(left[mine], right[other], err_msg=name)


@pytest.mark.parametrize("kind", ["valor", "none", "weak", "own"])
def test_a_set_holds_what_the_files_hold(folder: Pack, pack: Pack, card: DataCard, kind: str) -> None:
    root = folder()
    if kind == "own":  # soft labels, a file a video
        kind = str(root / "soft")
        for name in LLPFolder(root, card=card).split("train").filenames:
            for modality in ("audio", "visual"):
                path = root / "soft" / modality / f"{name}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, np.random.default_rng(len(name)).random((4, 3), dtype=np.float32))
    source = ShardedLLP(pack(root, pseudo_labels=kind))
    assert len(source.index.shards["train"]) in (3, 4)
    assert (source.name, source.index.pseudo_labels) == ("simulated", kind)
    for split in SPLITS:
        assert_same(source.load(split), LLPFolder(root, pseudo_labels=kind, card=card).load(split))


@pytest.mark.parametrize("scattered", [True, False])
def test_batches_hold_what_the_split_holds(
    folder: Pack, pack: Pack, monkeypatch: pytest.MonkeyPatch, scattered: bool
) -> None:
    if not scattered:  # as on a system that cannot
        monkeypatch.delattr(os, "preadv", raising=False)
    monkeypatch.setattr(reader, "_OPEN", 1)
    monkeypatch.setattr(reader, "_RECENT", 2)
    source = ShardedLLP(pack(folder(), dtype="float16"))
    whole, dataset = source.load("train"), ShardedDataset(source)
    assert dataset.video_ids == whole.filenames
    rows = [10, 0, 5, 5, 3]
    for _ in range(2):
        batch = dataset[rows]
        assert batch["video_id"] == [whole.filenames[row] for row in rows]
        for name in ("audio", "video_2d", "video_label", "segment_audio", "segment_visual"):
            expected = getattr(whole, name)[rows].astype(np.float32)
            np.testing.assert_array_equal(batch[name].numpy(), expected, err_msg=name)  # type: ignore[literal-required]
    assert "target_audio" not in batch, "nothing trains on the truth"
    assert len(dataset.reader._open) == 1


def test_opening_reads_no_shard(folder: Pack, pack: Pack, monkeypatch: pytest.MonkeyPatch, card: DataCard) -> None:
    target = pack(folder())
    before = shards_data(target, card=card).fingerprint()
    monkeypatch.setattr(reader.ShardReader, "_shard", None)
    data = shards_data(target.parent, card=card)  # the data folder that it lies in
    assert (len(data.dataset("train")), data.fingerprint()) == (11, before)


def test_a_set_is_added_to(folder: Pack, pack: Pack, card: DataCard) -> None:
    target = pack(folder())
    before, bytes_before = shards_data(target, card=card).fingerprint(), (target / "train-000000.npy").read_bytes()
    with pytest.raises(DataError, match=r"without 7 videos of .*--add puts them into it"):
        pack(folder(train=16, val=5))
    pack(folder(train=16, val=5), add=True)
    source = ShardedLLP(target)
    assert [shard.file for shard in source.index.shards["train"]] == [f"train-00000{n}.npy" for n in range(5)]
    assert (target / "train-000000.npy").read_bytes() == bytes_before
    assert shards_data(target, card=card).fingerprint() != before
    for split in SPLITS:
        assert_same(source.load(split), LLPFolder(target.parent, card=card).load(split))
    # From another folder too, and nothing twice.
    pack(folder("more", train=18), out=target, add=True)
    assert len(ShardedLLP(target).reader("train")) == 18
    assert main(["data", "pack", str(target.parent), "--shards", "--add"]) == 0
    assert len(ShardedLLP(target).reader("train")) == 18


@pytest.mark.parametrize("moment", ["shard", "index"])
def test_a_kill_while_adding_leaves_the_set_as_it_was(
    folder: Pack, pack: Pack, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    target = pack(folder())
    index, old = (target / "index.json").read_bytes(), ShardedLLP(target).load("train")
    finish, finished, last = ShardWriter.finish, [], 2 if moment == "shard" else 99

    def killed(self: object, *_: object) -> None:
        raise KeyboardInterrupt

    def counting(self: ShardWriter) -> object:
        finished.append(self.path.name)
        if len(finished) == last:
            raise KeyboardInterrupt
        return finish(self)

    monkeypatch.setattr(ShardWriter, "finish", counting)
    with monkeypatch.context() as patch:
        if moment == "index":
            patch.setattr(ShardIndex, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            pack(folder(train=21), add=True)
    assert (target / "index.json").read_bytes() == index
    assert_same(ShardedLLP(target).load("train"), old)
    assert not list(target.glob(".*.part"))
    finished.clear()
    last = 99
    (target / "train-000003.npy").write_bytes(b"what a power cut left")
    (target / ".train-000005.npy.part").write_bytes(b"what a kill left")
    pack(target.parent, add=True)
    assert not [*target.glob(".*.part"), *target.glob("progress.json")]
    # Of three shards the lost one is written again, beside what was not finished.
    assert finished == [f"train-00000{n}.npy" for n in ([3, 4, 5] if moment == "shard" else [3])]
    assert len(ShardedLLP(target).reader("train")) == 21


def test_a_packing_goes_on_and_is_no_set_before(folder: Pack, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    root, records, read = folder(), shards_pack._Packing._records, []

    def stopping(self: object, *arguments: object) -> object:
        read.append(arguments[1])
        if len(read) == 5:
            raise KeyboardInterrupt
        return records(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(shards_pack._Packing, "_records", stopping)
    with pytest.raises(KeyboardInterrupt):
        pack(root)
    with pytest.raises(DataError, match="packing has not come to its end"):
        ShardedLLP(root / "shards-narrow-float32")
    pack(root)
    assert len(read) == 5 + 2 + 2 + 1, "two blocks of train, two of val, one of test were left"


def test_missing_videos_are_left_out_where_that_is_allowed(folder: Pack, pack: Pack) -> None:
    root = folder()
    next((root / "feats" / "a").glob("*.npy")).unlink()
    with pytest.raises(DataError, match=r"1 missing files: .*--allow-missing packs without"):
        pack(root)
    source = ShardedLLP(pack(root, allow_missing=True))
    assert sum(len(source.reader(split)) for split in SPLITS) == 15
    assert sum(source.index.missing.values()) == 1


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "damage", "text"),
    [
        ("train-000001.npy", lambda path: flip(path, -500), r"checksum of train-000001\.npy, videos 2 to 3 does not"),
        ("train-000001.npy", lambda path: flip(path, 20), r"train-000001\.npy: the checksum of its header"),
        ("train-000001.npy", lambda path: path.unlink(), r"the shard train-000001\.npy cannot be read \(No such file"),
        ("train-000001.npy", lambda path: path.write_bytes(path.read_bytes()[:-1]), r"expected .* bytes, found"),
        ("train-000001.npy.sums", lambda path: flip(path, 3), r"the checksum of train-000001\.npy\.sums does not fit"),
        ("train-000001.npy.sums", lambda path: path.unlink(), r"train-000001\.npy\.sums cannot be read"),
        ("index.json", lambda path: path.write_bytes(path.read_bytes()[:300]), r"index\.json is not JSON"),
        ("index.json", lambda path: path.write_text(path.read_text().replace("valor", "uwav")), "what it says"),
        ("index.json", lambda path: path.write_text("[]"), "states no format"),
        ("index.json", lambda path: path.write_text('{"format": "leap-avvp/shards/0"}'), "another version"),
        ("index.json", lambda path: path.unlink(), "no sharded set; `leap-avvp data pack --shards DIR` makes one"),
    ],
)
def test_damage_is_one_line_that_names_the_file(
    folder: Pack, pack: Pack, file: str, damage: Callable[[Path], object], text: str
) -> None:
    target = pack(folder())
    damage(target / file)
    with pytest.raises(DataError, match=text) as caught:
        ShardedDataset(ShardedLLP(target))[list(range(11))]
    assert "\n" not in str(caught.value)


def test_a_shard_that_ends_early_while_it_is_open_is_named(folder: Pack, pack: Pack) -> None:
    dataset = ShardedDataset(ShardedLLP(pack(folder())))
    assert len(dataset[[9, 10]]["video_id"]) == 2
    path = dataset.reader.folder / "train-000002.npy"
    os.truncate(path, path.stat().st_size - 10)
    with pytest.raises(DataError, match=r"train-000002\.npy ends early"):
        dataset[[10]]


def test_what_does_not_fit_the_set_is_refused(folder: Pack, pack: Pack, card: DataCard) -> None:
    root = folder()
    target = pack(root)
    other = dataclasses.replace(card, classes=("dog", "cat", "fox"))
    with pytest.raises(DataError, match=r"packed for another data card: class 2 is 'owl' and 'fox'"):
        shards_data(target, card=other)
    with pytest.raises(DataError, match=r"expected valor, which are in the shards.*found uwav"):
        shards_data(target, pseudo_labels="uwav", card=card)
    with pytest.raises(ConfigError, match=r"is a sharded set; data=shards data\.root=.* reads it"):
        folder_data(target, card=card)
    with pytest.raises(ConfigError, match=r"data\.window: expected a whole number of at least 8, found 7"):
        shards_data(target, window=7, card=card)
    path = target / "index.json"
    whole, labels = path.read_bytes(), {"train": {"video_label": "|u1"}}
    dataclasses.replace(read_index(target), labels=labels, shards={}).write(target)
    with pytest.raises(DataError, match=r"data\.pseudo_labels=dense: the training videos were packed without"):
        ShardedLLP(target, "dense")
    path.write_bytes(whole)
    for options, text in (
        ({"dtype": "float16", "out": target}, "another kind: --dtype: float32 and float16"),
        ({"pseudo_labels": "none"}, "another kind: --pseudo-labels: valor and none"),
        ({"add": True, "out": root / "nowhere"}, "--add: expected a sharded set, found none"),
    ):
        with pytest.raises(DataError, match=text):
            pack(root, **options)


def test_the_command_packs_and_says_how_to_train(folder: Pack, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder()
    assert main(["data", "pack", str(root), "--shards", "--shard-mb", "5"]) == 0
    assert f"data=shards data.root={root}/shards-narrow-float32" in capsys.readouterr().out
    assert main(["data", "pack", str(root), "--shards"]) == 0
    assert "already packed, sound: every video is in it" in capsys.readouterr().err
    assert main(["data", "pack", str(root), "--add"]) == 2
    assert "--add: expected --shards beside it, found none" in capsys.readouterr().err
    index = json.loads((root / "shards-narrow-float32" / "index.json").read_text())
    assert (index["pseudo_labels"], len(index["shards"]["train"])) == ("valor", 1)
