"""Annotation files that are wrong: by hand through the command line, and at random through the reading functions."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leap_avvp.cli import main
from leap_avvp.data.annotations import read_annotations
from leap_avvp.data.annotations.rows import read_dense_rows, read_weak_rows
from leap_avvp.llp import CLASSES, DENSE_FILES, NUM_CLASSES, NUM_SEGMENTS, WEAK_FILES
from leap_avvp.scoring.predictions import write_predictions

GENERATED = 150  # cases of each test that draws them
DRAWN = settings(
    deadline=None, max_examples=GENERATED, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)

WEAK = "filename\tevent_labels\n"
DENSE = "filename\tonset\toffset\tevent_labels\n"
GOOD = {
    "AVVP_train.csv": WEAK + "-train00001_0_10\tSpeech,Dog\n_train00002_101.8_111.8\tCar\n",
    "AVVP_val_pd.csv": WEAK + "validate001_30_40\tCat\n",
    "AVVP_test_pd.csv": WEAK + "test-_00001_0_10\tSpeech,Cello\ntest-_00002_5_15\tDog\n",
    "AVVP_eval_audio.csv": DENSE + "validate001_30_40\t0\t10\tCat\ntest-_00001_0_10\t2\t5\tSpeech\n",
    "AVVP_eval_visual.csv": DENSE + "test-_00001_0_10\t9\t10\tCello\ntest-_00002_5_15\t0\t4\tDog\n",
}
NAMES = ["test-_00001_0_10", "test-_00002_5_15"]
Change = Callable[[str], str | bytes]


def write(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in GOOD.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "annotations")


@pytest.fixture
def words(tmp_path: Path, folder: Path) -> list[str]:
    """Return the words that score perfect predictions of the test split."""
    truth = read_annotations(folder)[0]["test"]
    assert truth.audio is not None
    assert truth.visual is not None
    path = tmp_path / "said.npz"
    write_predictions(path, video_ids=truth.filenames, audio=truth.audio, visual=truth.visual)
    return ["score", "--predictions", str(path), "--annotations", str(folder), "--json", str(tmp_path / "score.json")]


def row(file: str, text: str) -> tuple[str, Change]:
    return file, lambda content: content + text + "\n"


# What is refused, through the command line

TEST, AUDIO, VISUAL = "AVVP_test_pd.csv", "AVVP_eval_audio.csv", "AVVP_eval_visual.csv"
WRONG: dict[str, tuple[tuple[str, Change], str]] = {
    "commas": ((TEST, lambda t: t.replace("\t", ",")), "the separator must be a tab"),
    "semicolons": ((TEST, lambda t: t.replace("\t", ";")), "the separator must be a tab"),
    "spaces": ((AUDIO, lambda t: t.replace("\t", "    ")), "the separator must be a tab"),
    "commas in the rows alone": ((AUDIO, lambda t: t[: len(DENSE)] + t[len(DENSE) :].replace("\t", ",")), ":2: "),
    "no header": ((TEST, lambda t: t.removeprefix(WEAK)), "expected the columns filename, event_labels"),
    "missing column": ((AUDIO, lambda t: "\n".join(r.rpartition("\t")[0] for r in t.splitlines())), "event_labels"),
    "misspelt column": ((AUDIO, lambda t: t.replace("onset", "start")), "there is no column onset"),
    "column twice": ((AUDIO, lambda t: t.replace("offset", "onset", 1)), "expected one column onset, found 2"),
    "all columns and one twice": (
        (AUDIO, lambda t: "\n".join(f"{r}\t{r.split(chr(9))[1]}" for r in t.splitlines())),
        "expected one column onset, found 2",
    ),
    "a field without heading": (row(TEST, "elevenchars_0_10\tSpeech\tDog"), ":4: expected 2 fields"),
    "two tabs": (row(AUDIO, "test-_00001_0_10\t\t2\t5\tSpeech"), ":4: expected 4 fields"),
    "short row": (row(AUDIO, "test-_00001_0_10\t1"), ":4: expected 4 fields"),
    "empty": ((TEST, lambda _: ""), "found an empty file"),
    "blank": ((TEST, lambda _: "\r\n \t \n"), "found an empty file"),
    "header alone": ((TEST, lambda _: WEAK), "expected at least one video"),
    "zero bytes": ((TEST, lambda _: bytes(5_000)), TEST),
    "UTF-16": ((TEST, lambda t: t.encode("utf-16")), "cannot read it"),
    "Latin-1": ((TEST, lambda t: (t + "é").encode("latin-1")), "cannot read it"),
    "a zip": ((TEST, lambda _: b"PK\x03\x04" + bytes(range(256)) * 9), "cannot read it"),
    "HTML": ((TEST, lambda _: "<!DOCTYPE html>\n<html>404</html>"), "expected the columns"),
    "a pointer of git": ((TEST, lambda _: "version https://git-lfs.github.com/spec/v1\n"), "`git lfs pull`"),
    "a quote that is not closed": ((TEST, lambda t: t.replace("Speech,", '"Speech,')), """found '"Speech'"""),
    "a tab in quotes": (row(TEST, '"elevenchars_0_10\tDog"'), "11 of the characters"),
    "quotes around nothing": (row(TEST, 'elevenchars_0_10\t""'), "found ''"),
    "quotes in quotes": (row(TEST, 'elevenchars_0_10\t"""Dog"""'), """found '"Dog"'"""),
    "unknown class": ((TEST, lambda t: t.replace("Dog", "Dgo")), "did you mean Dog?"),
    "class in lower case": ((AUDIO, lambda t: t.replace("Speech", "speech")), "did you mean Speech?"),
    "no class": (row(TEST, "elevenchars_0_10\t"), "found ''"),
    "comma at the end": ((TEST, lambda t: t.replace("Dog", "Dog,")), "found ''"),
    "class number": ((TEST, lambda t: t.replace("Dog", "3")), "found '3'"),
    "negative onset": (row(AUDIO, "test-_00001_0_10\t-1\t5\tSpeech"), "onset: expected a whole second"),
    "negative offset": (row(AUDIO, "test-_00001_0_10\t0\t-5\tSpeech"), "offset: expected a whole second"),
    "beyond the video": (row(AUDIO, "test-_00001_0_10\t5\t11\tSpeech"), "from 0 to 10, found '11'"),
    "onset beyond": (row(VISUAL, "test-_00001_0_10\t30\t31\tSpeech"), "from 0 to 10, found '30'"),
    "half seconds": (row(AUDIO, "test-_00001_0_10\t0.5\t2\tSpeech"), "whole second"),
    "a time of text": (row(AUDIO, "test-_00001_0_10\tzero\t2\tSpeech"), "found 'zero'"),
    "no time": (row(AUDIO, "test-_00001_0_10\t\t2\tSpeech"), "onset: expected a whole second"),
    "NaN": (row(AUDIO, "test-_00001_0_10\tnan\t2\tSpeech"), "found 'nan'"),
    "Inf": (row(AUDIO, "test-_00001_0_10\t0\tinf\tSpeech"), "found 'inf'"),
    "exponent": (row(AUDIO, "test-_00001_0_10\t0\t1e1\tSpeech"), "found '1e1'"),
    "plus": (row(AUDIO, "test-_00001_0_10\t0\t+5\tSpeech"), "found '+5'"),
    "hexadecimal": (row(AUDIO, "test-_00001_0_10\t0\t0x5\tSpeech"), "found '0x5'"),
    "underscore": (row(AUDIO, "test-_00001_0_10\t0\t1_0\tSpeech"), "found '1_0'"),
    "Arabic digits": (row(AUDIO, "test-_00001_0_10\t0\t\u0665\tSpeech"), "offset: expected a whole second"),
    "a long number": (row(AUDIO, f"test-_00001_0_10\t0\t{'1' * 90_000}\tSpeech"), "offset: expected a whole second"),
    "duplicate name": (row(TEST, "test-_00001_0_10\tSpeech,Cello"), "found test-_00001 in line 2 too"),
    "duplicate id": (row(TEST, "test-_00001_50_60\tDog"), "found test-_00001 in line 2 too"),
    "of two splits": (row(TEST, "validate001_0_10\tDog"), "splits that share no video"),
    "short id": (row(TEST, "ten-chars-_0_10\tDog"), "11 of the characters"),
    "long id": (row(TEST, "twelve-chars_0_10\tDog"), "11 of the characters"),
    "no id": (row(TEST, "_0_10\tDog"), "11 of the characters"),
    "bare id": (row(TEST, "elevenchars\tDog"), "<id>_<start>_<end>"),
    "id with spaces": (row(TEST, "eleven char_0_10\tDog"), "11 of the characters"),
    "id of other letters": (row(TEST, "élevenchars_0_10\tDog"), "11 of the characters"),
    "a URL": (row(TEST, "https://youtu.be/elevenchars\tDog"), "11 of the characters"),
    "escape codes": (row(TEST, "\x1b[2Jabcdefg_0_10\tDog"), r"\x1b[2J"),
    "line separators": (row(TEST, "eleven\u2028char_0_10\tDog"), r"\u2028"),
    "NUL": (row(TEST, "eleven\0char_0_10\tDog"), r"\x00"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_one_line(case: str, folder: Path, words: list[str], refused: Callable[..., str]) -> None:
    (file, change), message = WRONG[case]
    changed = change(GOOD[file])
    (folder / file).write_bytes(changed.encode() if isinstance(changed, str) else changed)
    line = refused(*words)
    assert message in line
    assert file in line
    assert not Path(words[-1]).exists(), "no number may come of it"


def test_a_pipe_is_not_waited_for(folder: Path, words: list[str], refused: Callable[..., str]) -> None:
    (folder / TEST).unlink()
    os.mkfifo(folder / TEST)
    assert "no such folder" in refused("score", "--predictions", words[2], "--annotations", folder / TEST)
    assert "found a folder or a device" in refused(*words)
    (folder / TEST).unlink()
    (folder / TEST).symlink_to("/dev/zero")
    assert "found a folder or a device" in refused(*words)


def test_a_file_of_gigabytes_is_not_read(folder: Path, words: list[str], refused: Callable[..., str]) -> None:
    with (folder / TEST).open("r+b") as file:
        file.truncate(2**36)  # a hole: it takes no room on the disk
    assert "expected at most 67,108,864 bytes, found 68,719,476,736" in refused(*words)


# What is taken, with the same numbers


def quoted(text: str, every: bool = False) -> str:
    """Return the table as a spreadsheet saves it: cells with a comma, or all of them, in quotes."""
    rows = (line.split("\t") for line in text.splitlines())
    return "".join("\t".join(f'"{c}"' if every or "," in c else c for c in cells) + "\r\n" for cells in rows)


HARMLESS: dict[str, Change] = {
    "cells with a comma in quotes": quoted,
    "all cells in quotes": lambda text: quoted(text, every=True),
    "as a spreadsheet saves it": lambda text: "\ufeff" + quoted(text),
    "BOM": lambda text: "\ufeff" + text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "CR": lambda text: text.replace("\n", "\r"),
    "BOM and CRLF": lambda text: "\ufeff" + text.replace("\n", "\r\n"),
    "no last line end": lambda text: text.rstrip("\n"),
    "blank lines": lambda text: text.replace("\n", "\n\n \t \n"),
    "one more column": lambda text: "\n".join(
        f"{line}\t{'note' if not place else ''}" for place, line in enumerate(text.splitlines())
    ),
    "columns turned round": lambda text: "\n".join("\t".join(line.split("\t")[::-1]) for line in text.splitlines()),
    "tabs at the end": lambda text: text.replace("\n", "\t\t\n"),
    "spaces around": lambda text: text.replace("\t", " \t "),
    "times with a point": lambda text: text.replace("\t10\t", "\t10.0\t").replace("\t2\t", "\t02.00\t"),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_a_harmless_difference_changes_no_number(case: str, folder: Path, words: list[str]) -> None:
    assert main(words) == 0
    expected = json.loads(Path(words[-1]).read_text())
    for file, text in GOOD.items():
        (folder / file).write_bytes(str(HARMLESS[case](text)).encode())
    assert main(words) == 0
    found = json.loads(Path(words[-1]).read_text())
    assert found["scores"]["average"] == 100
    del found["audio_annotations"], expected["audio_annotations"]  # it tells the size of the file
    assert found == expected


@pytest.mark.parametrize(
    "text", ["test-_00001_0_10\t5\t2\tSpeech", "test-_00001_0_10\t7\t7\tDog", "stranger-01_0_10\t0\t9\tDog"]
)
def test_dense_rows_that_mark_nothing_change_no_number(text: str, folder: Path, words: list[str]) -> None:
    with (folder / AUDIO).open("a") as file:
        file.write(text + "\n")
    assert main(words) == 0
    assert '"average": 100.0' in Path(words[-1]).read_text()


def test_the_rows_may_stand_in_any_order(folder: Path, words: list[str]) -> None:
    for file, text in GOOD.items():
        header, *rows = text.splitlines()
        (folder / file).write_text("\n".join([header, *rows[::-1]]))
    assert main(words) == 0
    assert '"average": 100.0' in Path(words[-1]).read_text()


# At random

NAME = st.from_regex(r"\A[A-Za-z0-9_-]{11}_[0-9]{1,3}_[0-9]{1,3}\Z")
FIELD = st.one_of(
    NAME,
    st.sampled_from(
        [*CLASSES, ",".join(CLASSES[:3]), "0", "10", "-1", "11", "", " ", '"', "../../x_0_10", "\x00", "é"]
    ),
    st.text(max_size=12),
)
LINE = st.lists(FIELD, max_size=6).map("\t".join)
TABLE = st.tuples(
    st.sampled_from([WEAK, DENSE, "\ufeff" + WEAK, "event_labels\tfilename\n", ""]), st.lists(LINE, max_size=6)
)


@given(table=TABLE)
@DRAWN
def test_random_tables_are_read_or_named(
    table: tuple[str, list[str]], tmp_path: Path, taken: Callable[..., Any]
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(table[0] + "\n".join(table[1]), newline="", errors="surrogatepass")
    for read in (read_weak_rows, read_dense_rows):
        for one in taken(path, read, path) or ():
            assert set(one.name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")


@given(data=st.data(), file=st.sampled_from([*WEAK_FILES.values(), *DENSE_FILES.values()]))
@DRAWN
def test_flipped_bytes_and_cuts_are_read_or_named(
    data: st.DataObject, file: str, tmp_path: Path, taken: Callable[..., Any]
) -> None:
    folder = write(tmp_path / "flipped")
    content = bytearray(GOOD[file].encode())
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4), label="flips"
    ):
        content[place] = value
    del content[data.draw(st.integers(0, len(content)), label="cut") :]
    (folder / file).write_bytes(content)
    read = taken(folder, read_annotations, folder)
    for one in read[0].values() if read else ():
        assert one.weak.shape == (len(one.filenames), NUM_CLASSES)
        assert one.weak.any(axis=1).all()
        assert one.audio is None or one.audio.shape == (len(one.filenames), NUM_SEGMENTS, NUM_CLASSES)


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(NAMES), st.integers(0, 10), st.integers(0, 10), st.integers(0, 24), st.booleans()),
        max_size=30,
    )
)
@DRAWN
def test_any_rows_make_the_grid_that_a_loop_makes(rows: list[tuple[str, int, int, int, bool]], tmp_path: Path) -> None:
    folder = write(tmp_path / "drawn")
    lines = [f"{name}\t{on}{'.0' if dot else ''}\t{off}\t{CLASSES[event]}" for name, on, off, event, dot in rows]
    (folder / AUDIO).write_text(DENSE + "\n".join(lines))
    expected = np.zeros((2, NUM_SEGMENTS, NUM_CLASSES), dtype=bool)
    for name, on, off, event, _ in rows:
        for second in range(NUM_SEGMENTS):
            if on <= second < off:
                expected[NAMES.index(name), second, event] = True
    np.testing.assert_array_equal(read_annotations(folder)[0]["test"].audio, expected)
