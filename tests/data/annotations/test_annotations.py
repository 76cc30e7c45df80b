"""LLP's annotation files: the real ones to the last row, and everything that may be wrong with one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from leap_avvp.data.annotations import Dirt, SplitAnnotations, find_annotations, read_annotations, write_annotations
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.llp import CLASSES, DENSE_FILES, SPLIT_SIZES, SPLITS, WEAK_FILES

SHARED = Path(__file__).parents[4] / "shared"
REAL = SHARED / "llp" / "annotations"
GOLDEN = SHARED / "parity" / "llp_test_metrics_s0.npz"

needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"LLP's annotation files are not at {REAL}")
needs_golden = pytest.mark.skipif(not GOLDEN.is_file(), reason=f"the released programs' truth is not at {GOLDEN}")

WEAK = "filename\tevent_labels\n"
DENSE = "filename\tonset\toffset\tevent_labels\n"
GOOD = {
    "AVVP_train.csv": WEAK + "-train00001_0_10\tSpeech,Dog\n_train00002_101.8_111.8\tCar\n",
    "AVVP_val_pd.csv": WEAK + "validate001_30_40\tCat\n",
    "AVVP_test_pd.csv": WEAK + "test-_00001_0_10\tSpeech,Cello\n",
    "AVVP_eval_audio.csv": DENSE + "validate001_30_40\t0\t10\tCat\ntest-_00001_0_10\t2\t5\tSpeech\n",
    "AVVP_eval_visual.csv": DENSE + "test-_00001_0_10\t9\t10\tCello\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in GOOD.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def grid(*events: tuple[int, int, str]) -> np.ndarray:
    marked = np.zeros((10, 25), dtype=bool)
    for onset, offset, event in events:
        marked[onset:offset, CLASSES.index(event)] = True
    return marked


# The real files


@needs_real
def test_the_real_files() -> None:
    read, dirt = read_annotations(REAL)
    assert {split: len(read[split].filenames) for split in SPLITS} == SPLIT_SIZES
    assert dirt.rows == {"audio": 4131, "visual": 2495}
    assert dirt.counts == {
        "weak rows that repeat a class": 1,
        "audio rows that repeat another exactly": 8,
        "audio pairs of overlapping rows of one class": 21,
        "audio rows with onset >= offset, which mark nothing": 6,
        "audio file names that are in no split": 8,
        "val videos without audio rows": 4,
        "test videos without audio rows": 5,
        "visual rows that repeat another exactly": 0,
        "visual pairs of overlapping rows of one class": 0,
        "visual rows with onset >= offset, which mark nothing": 0,
        "visual file names that are in no split": 7,
        "val videos without visual rows": 70,
        "test videos without visual rows": 121,
        "val videos whose weak and dense classes differ": 30,
        "test videos whose weak and dense classes differ": 51,
    }
    assert dirt.audio_version == "corrected (134,355 bytes)"
    lines = dirt.lines()
    assert lines[:3] == [
        "audio annotation file: corrected (134,355 bytes)",
        "audio rows: 4,131",
        "visual rows: 2,495",
    ]
    assert "weak rows that repeat a class: 1 (first: LcFWKgFphXI_20_30)" in lines
    assert len(lines) == 3 + sum(number > 0 for number in dirt.counts.values())


@needs_real
@needs_golden
def test_the_real_truth_is_that_of_the_released_programs() -> None:
    test = read_annotations(REAL, ["val", "test"])[0]["test"]
    with np.load(GOLDEN) as golden:
        assert golden["video_id"].tolist() == test.filenames
        np.testing.assert_array_equal(golden["gt_audio"].transpose(0, 2, 1), test.audio)
        np.testing.assert_array_equal(golden["gt_visual"].transpose(0, 2, 1), test.visual)


@needs_real
def test_the_real_annotations_survive_being_written(tmp_path: Path) -> None:
    read, _ = read_annotations(REAL)
    write_annotations(tmp_path, read)
    again, dirt = read_annotations(tmp_path)
    for split in SPLITS:
        assert_equal(again[split], read[split])
    assert dirt.counts["audio pairs of overlapping rows of one class"] == 0
    assert dirt.audio_version.startswith("not one of the two that circulate")
    full = (tmp_path / "AVVP_dataset_full.csv").read_text().splitlines()
    real = (REAL / "AVVP_dataset_full.csv").read_text().splitlines()
    assert {line.split("\t")[0] for line in full} == {line.split("\t")[0] for line in real}
    assert len(full) == len(real) == 1 + 11_849


# Reading


def assert_equal(one: SplitAnnotations, other: SplitAnnotations) -> None:
    assert (one.split, one.filenames) == (other.split, other.filenames)
    np.testing.assert_array_equal(one.weak, other.weak)
    for modality in ("audio", "visual"):
        mine, theirs = getattr(one, modality), getattr(other, modality)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert mine.dtype == np.bool_
            np.testing.assert_array_equal(mine, theirs)


def test_rows_become_grids(folder: Path) -> None:
    read, dirt = read_annotations(folder)
    train, test = read["train"], read["test"]
    assert train.filenames == ["-train00001_0_10", "_train00002_101.8_111.8"]
    assert train.video_ids == ["-train00001", "_train00002"]
    assert train.weak.dtype == np.bool_
    assert [np.flatnonzero(row).tolist() for row in train.weak] == [[0, 3], [1]]
    assert train.audio is None
    assert train.visual is None
    assert test.audio is not None
    assert test.visual is not None
    np.testing.assert_array_equal(test.audio[0], grid((2, 5, "Speech")))
    np.testing.assert_array_equal(test.visual[0], grid((9, 10, "Cello")))
    assert {what: number for what, number in dirt.counts.items() if number} == {"val videos without visual rows": 1}


def test_training_alone_needs_its_own_file_alone(folder: Path) -> None:
    for name in GOOD.keys() - {"AVVP_train.csv"}:
        (folder / name).unlink()
    read, dirt = read_annotations(folder, ["train"])
    assert list(read) == ["train"]
    assert dirt.audio_version == "not read"


def test_an_unknown_split(folder: Path) -> None:
    with pytest.raises(ConfigError, match="split: expected one of train, val, test, found 'tset'; did you mean 'test'"):
        read_annotations(folder, ["tset"])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\n\n") + "\t\t\n",
        lambda text: "\n".join(f"{place}\t{line}\tmore" for place, line in enumerate(text.splitlines())),
        lambda text: "\n".join("\t".join(reversed(line.split("\t"))) for line in text.splitlines()),
        lambda text: text.replace("\t", " \t "),
    ],
    ids=["BOM", "CRLF", "no last newline", "blank lines", "more columns", "other order of columns", "spaces"],
)
def test_harmless_differences(folder: Path, change) -> None:
    expected, _ = read_annotations(folder)
    for name, text in GOOD.items():
        (folder / name).write_bytes(change(text).encode())
    read, _ = read_annotations(folder)
    for split in SPLITS:
        assert_equal(read[split], expected[split])


def test_dirt_is_counted_and_does_no_harm(folder: Path) -> None:
    with (folder / "AVVP_eval_audio.csv").open("a") as file:
        for row in (
            "test-_00001_0_10\t2\t5\tSpeech",  # again, which overlaps too
            "test-_00001_0_10\t4\t6\tSpeech",  # overlaps
            "test-_00001_0_10\t9\t0\tSpeech",  # marks nothing
            "test-_00001_0_10\t7\t7\tFire_alarm",  # marks nothing, yet names a class that is not in the weak label
            "stranger-01_0_10\t0\t10\tSpeech",
            "short_0_10\t0\t10\tSpeech",
        ):
            file.write(f"{row}\n")
    with (folder / "AVVP_train.csv").open("a") as file:
        file.write("train-00003_0_10\tClapping,Clapping\n")
    read, dirt = read_annotations(folder)
    assert read["test"].audio is not None
    np.testing.assert_array_equal(read["test"].audio[0], grid((2, 6, "Speech")))
    assert {what: number for what, number in dirt.counts.items() if number} == {
        "weak rows that repeat a class": 1,
        "audio rows that repeat another exactly": 1,
        "audio pairs of overlapping rows of one class": 2,
        "audio rows with onset >= offset, which mark nothing": 2,
        "audio file names that are in no split": 2,
        "val videos without visual rows": 1,
        "test videos whose weak and dense classes differ": 1,
    }
    assert dirt.examples["audio rows with onset >= offset, which mark nothing"] == "test-_00001_0_10 9 -> 0"
    assert "audio file names that are in no split: 2 (first: stranger-01_0_10)" in dirt.lines()


@pytest.mark.parametrize(("size", "version"), [(134_355, "corrected"), (134_360, "older"), (134_361, "not one of")])
def test_the_version_of_the_audio_file_is_told(folder: Path, size: int, version: str) -> None:
    path = folder / "AVVP_eval_audio.csv"
    path.write_text(path.read_text() + "\n" * (size - path.stat().st_size))
    assert read_annotations(folder)[1].audio_version.startswith(version)


def test_no_dirt_is_no_line() -> None:
    assert Dirt().lines() == ["audio annotation file: not read"]


# What may be wrong

DAMAGE = {
    "empty": (
        "AVVP_train.csv",
        lambda _: "",
        "AVVP_train.csv: expected a header with filename, event_labels, found an",
    ),
    "blank": ("AVVP_train.csv", lambda _: "\n \n", "found an empty file"),
    "header only": ("AVVP_val_pd.csv", lambda _: WEAK, "AVVP_val_pd.csv: expected at least one video"),
    "commas": ("AVVP_train.csv", lambda t: t.replace("\t", ","), r"csv:1: .*'filename,event_labels'; .* a tab"),
    "column": ("AVVP_eval_audio.csv", lambda t: t.replace("onset", "start"), "csv:1: .*'start'.* no column onset"),
    "short row": ("AVVP_eval_audio.csv", lambda t: t + "abc\t1\n", "csv:4: expected 4 fields .* found 2"),
    "class": (
        "AVVP_train.csv",
        lambda t: t.replace("Car", "Kar"),
        "csv:3: .*25 classes, found 'Kar'; did you mean Car?",
    ),
    "no class like it": (
        "AVVP_train.csv",
        lambda t: t.replace("Car", "???"),
        "found '[?]{3}'; the classes are Speech, Car",
    ),
    "no class": ("AVVP_train.csv", lambda t: t.replace("Car", ""), "csv:3: expected one of LLP's 25 classes, found ''"),
    "dense class": ("AVVP_eval_visual.csv", lambda t: t.replace("Cello", "cello"), "csv:2: .* did you mean Cello"),
    "not a time": ("AVVP_eval_audio.csv", lambda t: t.replace("\t2\t", "\ttwo\t"), "csv:3: onset: .* found 'two'"),
    "no number": ("AVVP_eval_audio.csv", lambda t: t.replace("\t5\t", "\tnan\t"), "csv:3: offset: .* found 'nan'"),
    "negative": ("AVVP_eval_audio.csv", lambda t: t.replace("\t2\t", "\t-2\t"), "csv:3: onset: .* 0 to 10, found '-2'"),
    "too late": (
        "AVVP_eval_audio.csv",
        lambda t: t.replace("\t5\t", "\t11\t"),
        "csv:3: offset: .* 0 to 10, found '11'",
    ),
    "half a second": ("AVVP_eval_audio.csv", lambda t: t.replace("\t5\t", "\t4.5\t"), "whole second .* found '4.5'"),
    "huge": ("AVVP_eval_audio.csv", lambda t: t.replace("\t5\t", f"\t{'9' * 9999}\t"), "csv:3: offset: .{,200}$"),
    "twice": ("AVVP_train.csv", lambda t: t + "-train00001_5_15\tCat\n", "csv:4: .* found -train00001 in line 2 too"),
    "in two splits": (
        "AVVP_test_pd.csv",
        lambda t: t + "validate001_30_40\tCat\n",
        "test_pd.* validate001 in AVVP_val_pd",
    ),
    "long id": (
        "AVVP_train.csv",
        lambda t: t + "twelve-chars_0_10\tCat\n",
        "csv:4: .* id is 11 of .* 'twelve-chars_0_10'",
    ),
    "short id": ("AVVP_train.csv", lambda t: t + "ten-chars-_0_10\tCat\n", "csv:4: .* found 'ten-chars-_0_10'"),
    "no times": ("AVVP_train.csv", lambda t: t + "elevenchars\tCat\n", "csv:4: .* found 'elevenchars'"),
    "up": ("AVVP_train.csv", lambda t: t + "../../x_0_10\tCat\n", "csv:4: .* found '../../x_0_10'"),
    "up, 11 long": ("AVVP_train.csv", lambda t: t + "../../../.x_0_10\tCat\n", "csv:4: expected a filename"),
    "absolute": ("AVVP_train.csv", lambda t: t + "/etc/passwd_0_10\tCat\n", "csv:4: expected a filename"),
    "NUL": ("AVVP_train.csv", lambda t: t + "abc\0efghijk_0_10\tCat\n", "csv:4: expected"),
    "other digits": ("AVVP_train.csv", lambda t: t + "elevenchars_\u0661_10\tCat\n", "csv:4: expected a filename"),
    "dense path": ("AVVP_eval_audio.csv", lambda t: t + "../x_0_10\t0\t1\tCat\n", "csv:4: expected a filename"),
    "huge field": ("AVVP_train.csv", lambda t: t + "x" * 200_000 + "\tCat\n", "csv:4: .* field larger than"),
    "long name": ("AVVP_train.csv", lambda t: t + "x" * 99_000 + "\tCat\n", "csv:4: expected a filename.{,300}$"),
    "long class": ("AVVP_train.csv", lambda t: t.replace("Car", "C" * 99_000), "csv:3: .{,600}$"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(folder: Path, damage: str) -> None:
    name, change, message = DAMAGE[damage]
    (folder / name).write_text(change(GOOD[name]))
    with pytest.raises(DataError, match=message) as caught:
        read_annotations(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [*WEAK_FILES.values(), *DENSE_FILES.values()])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{name}: no such file"):
        read_annotations(folder)


def test_what_is_not_text_is_named(folder: Path) -> None:
    (folder / "AVVP_train.csv").write_bytes(GOOD["AVVP_train.csv"].encode("utf-16"))
    with pytest.raises(DataError, match=r"AVVP_train.csv: expected tab-separated text, cannot read it .*utf-8"):
        read_annotations(folder)
    (folder / "AVVP_train.csv").unlink()
    (folder / "AVVP_train.csv").mkdir()
    with pytest.raises(DataError, match=r"AVVP_train.csv: expected tab-separated text, found a folder"):
        read_annotations(folder)


# Finding


@pytest.mark.parametrize("place", ["annotations", "data", "."])
def test_the_folder_is_found(folder: Path, tmp_path_factory: pytest.TempPathFactory, place: str) -> None:
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(folder, root / place, dirs_exist_ok=True)
    assert find_annotations(root) == root / place
    assert find_annotations(Path("/nowhere"), root / place) == root / place


def test_the_first_place_wins(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "annotations").mkdir()
    (folder / "data" / "AVVP_test_pd.csv").write_text("")
    assert find_annotations(folder) == folder / "data"


def test_what_was_looked_for_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"AVVP_train\.csv.*found none.*/annotations, .*/data, .*data.annotations=DIR"):
        find_annotations(tmp_path)
    with pytest.raises(DataError, match="nowhere: no such folder"):
        find_annotations(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"nowhere: no such folder.*annotations"):
        find_annotations(tmp_path, tmp_path / "nowhere")


# Writing


def random_split(split: str, number: int, seed: int) -> SplitAnnotations:
    rng = np.random.default_rng(seed)
    weak = rng.random((number, 25)) < 0.2
    weak[:, 7] |= ~weak.any(axis=1)
    audio, visual = rng.random((2, number, 10, 25)) < 0.3
    names = [f"{split:-<6}{index:05d}_{index}_{index + 10}" for index in range(number)]
    return SplitAnnotations(split, names, weak, *((None, None) if split == "train" else (audio, visual)))


@pytest.mark.parametrize("seed", range(5))
def test_round_trip(tmp_path: Path, seed: int) -> None:
    splits = {split: random_split(split, 5 + place, seed) for place, split in enumerate(SPLITS)}
    write_annotations(tmp_path / "new", splits)
    again, _ = read_annotations(tmp_path / "new")
    for split in SPLITS:
        assert_equal(again[split], splits[split])
    names = {*WEAK_FILES.values(), *DENSE_FILES.values(), "AVVP_dataset_full.csv"}
    assert {path.name for path in (tmp_path / "new").iterdir()} == names  # and no temporary file


def test_runs_are_maximal(folder: Path, tmp_path: Path) -> None:
    read, _ = read_annotations(folder)
    write_annotations(tmp_path / "new", read)
    for name, text in GOOD.items():
        assert (tmp_path / "new" / name).read_text() == text


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    good = random_split("val", 2, 0)
    unsafe = SplitAnnotations("val", ["../../../.x_0_10", *good.filenames[1:]], good.weak, good.audio, good.visual)
    unlabelled = SplitAnnotations("val", good.filenames, np.zeros_like(good.weak), good.audio, good.visual)
    for wrong, message in ((unsafe, "a name that is not"), (unlabelled, "no label")):
        with pytest.raises(DataError, match=message):
            write_annotations(tmp_path / "new", {"val": wrong})
        assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_annotations(tmp_path / "file", {"val": random_split("val", 2, 0)})
