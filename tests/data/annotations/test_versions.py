"""The two versions of LLP's audio annotations: each from the other, as the released programs read them."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from leap_avvp.card import LLP
from leap_avvp.data.annotations import SplitAnnotations, audio_in_version, read_annotations
from leap_avvp.data.annotations.versions import audio_version
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.llp import CLASSES

REAL = Path(__file__).parents[4] / "shared" / "llp" / "annotations"

needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"LLP's annotation files are not at {REAL}")


def older(text: bytes) -> bytes:
    """Return the older file, made of the corrected one."""
    for times in (b"\t0\t4\tSpeech", b"\t7\t10\tSpeech"):
        text = text.replace(b"JfZEqeLZqWk_30_40" + times, b"Baby_cry_infant_cry" + times)
    return text.replace(b"KvIjsmANkxI_10_20\t0\t1\tCat", b"KvIjsmANkxI_10_20`\t0\t1\tCat")


def as_the_programs_read(path: Path, test: SplitAnnotations) -> NDArray[np.bool_]:
    """Return the audio truth: for each video the rows whose name is the video's own, letter by letter."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    grid = np.zeros((len(test.filenames), 10, 25), dtype=np.bool_)
    for place, name in enumerate(test.filenames):
        for row in rows:
            if row["filename"] == name:
                grid[place, int(row["onset"]) : int(row["offset"]), CLASSES.index(row["event_labels"])] = True
    return grid


@needs_real
def test_each_version_comes_from_the_other(tmp_path: Path) -> None:
    for file in REAL.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "AVVP_eval_audio.csv"
    assert hashlib.sha1(path.read_bytes()).hexdigest().startswith("0637d205")
    path.write_bytes(older(path.read_bytes()))
    assert hashlib.sha1(path.read_bytes()).hexdigest().startswith("577ac821"), "the file of most forks"
    corrected = read_annotations(REAL)[0]["test"]
    splits, dirt = read_annotations(tmp_path)
    assert dirt.audio_version.startswith("older")
    assert dirt.counts["audio file names that are in no split"] == 8 + 2
    old = splits["test"]
    assert old.audio is not None
    assert corrected.audio is not None
    np.testing.assert_array_equal(old.audio, as_the_programs_read(path, old))
    assert (audio_version(old.audio, old.video_ids), audio_version(corrected.audio, old.video_ids)) == (
        "old",
        "corrected",
    )
    for grid in (old.audio, corrected.audio):
        for version, expected in (("old", old.audio), ("corrected", corrected.audio)):
            np.testing.assert_array_equal(audio_in_version(grid, old.video_ids, version, LLP), expected)
    assert (old.audio != corrected.audio).any(axis=(1, 2)).sum() == 2, "two test videos"
    assert (old.audio != corrected.audio).sum() == 4 + 3 + 1
    val = splits["val"]
    assert val.audio is not None
    assert audio_in_version(val.audio, val.video_ids, "old", LLP) is val.audio


def test_of_a_part_of_the_videos_too() -> None:
    grid = np.zeros((2, 10, 25), dtype=np.bool_)
    ids = ["KvIjsmANkxI", "another-one"]
    assert audio_version(grid, ids) == "old"
    changed = audio_in_version(grid, ids, "corrected", LLP)
    assert np.argwhere(changed).tolist() == [[0, 0, CLASSES.index("Cat")]]
    assert not grid.any()
    assert audio_version(grid[1:], ids[1:]) is None


def test_what_has_no_versions_says_so() -> None:
    grid = np.zeros((1, 10, 25), dtype=np.bool_)
    with pytest.raises(ConfigError, match=r"annotation version: .*'older'"):
        audio_in_version(grid, ["KvIjsmANkxI"], "older", LLP)
    with pytest.raises(DataError, match="which have two, found simulated videos"):
        audio_in_version(grid, ["KvIjsmANkxI"], "old", LLP, simulated=True)
    grid[0, 0, CLASSES.index("Speech")] = True
    with pytest.raises(DataError, match="found a mixture: no version can be derived from this file"):
        audio_in_version(grid, ["JfZEqeLZqWk"], "old", LLP)
