"""Which clips a file, a folder or a list means, and what is said of lists and names that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from leap_avvp.errors import DataError
from leap_avvp.media.clips import find_clips, read_clips
from leap_avvp.media.decode import Clip, frames_at
from tests.media.conftest import number_of, write_media


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "videos"
    place.mkdir()
    long = write_media(tmp_path / "long.mkv", pictures=40, rate=1, codec="mpeg4")
    short = write_media(tmp_path / "short.mkv", pictures=10, rate=1, codec="mpeg4")
    (place / "-_longvideo.mkv").write_bytes(long.read_bytes())
    (place / "cut11111111.MKV").write_bytes(short.read_bytes())
    (place / "ex_ct1111111_30_40.mkv").write_bytes(short.read_bytes())
    for name in ("twice111111.mkv", "twice111111.mp4", "notes.txt", "cut11111111.srt", ".hidden.mp4"):
        (place / name).write_bytes(b"x")
    (place / "below").mkdir()
    return place


def listed(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_names_of_llp(folder: Path, tmp_path: Path) -> None:
    rows = "-_longvideo_20_30\tDog\n-_longvideo_0_10\tDog\ncut11111111_30_40\tSpeech,Dog\nex_ct1111111_30_40\tCat\n"
    weak = listed(tmp_path / "weak.csv", f"filename\tevent_labels\n{rows}-_longvideo_2.5_7.25\tDog\n")
    assert read_clips(weak, folder) == [
        Clip(folder / "-_longvideo.mkv", 20.0, 30.0, "-_longvideo_20_30"),
        Clip(folder / "-_longvideo.mkv", 0.0, 10.0, "-_longvideo_0_10"),
        Clip(folder / "cut11111111.MKV", 0.0, None, "cut11111111_30_40"),  # it is no longer than its stretch
        Clip(folder / "ex_ct1111111_30_40.mkv", 0.0, None, "ex_ct1111111_30_40"),
        Clip(folder / "-_longvideo.mkv", 2.5, 7.25, "-_longvideo_2.5_7.25"),
    ]
    first = next(frames_at(read_clips(weak, folder)[0], [0.5]))
    assert number_of(first) == 20


def test_names_and_stretches(folder: Path, tmp_path: Path) -> None:
    text = "filename,onset,offset,note\n-_longvideo.mkv,5,12.5,a\n-_longvideo,20,30,b\ncut11111111,,,\n"
    assert read_clips(listed(folder / "list.csv", text)) == [
        Clip(folder / "-_longvideo.mkv", 5.0, 12.5, "-_longvideo_5_12.5"),
        Clip(folder / "-_longvideo.mkv", 20.0, 30.0, "-_longvideo_20_30"),
        Clip(folder / "cut11111111.MKV", 0.0, None, "cut11111111"),
    ]


def test_what_is_missing_is_told(folder: Path, tmp_path: Path) -> None:
    rows = "absent11111_0_10\ntwice111111_0_10\n-_longvideo_9_3\ncut11111111\nnotes\n"
    names = listed(tmp_path / "names.csv", f"filename\n{rows}")
    listing = find_clips(names, folder)
    assert [clip.name for clip in listing.clips] == ["cut11111111"]
    assert listing.missing == {
        "absent11111_0_10": "no file absent11111_0_10.* or absent11111.*",
        "twice111111_0_10": "expected one file, found twice111111.mkv, twice111111.mp4; move all but one away",
        "-_longvideo_9_3": "expected start < end in its name, found 9 and 3",
        "notes": "no file notes.*",
    }
    with pytest.raises(DataError, match=r"names.csv: 4 of 5 clips have no file in .*absent11111_0_10: no file"):
        read_clips(names, folder)


def test_a_file_and_a_folder(folder: Path, tmp_path: Path) -> None:
    assert read_clips(folder / "cut11111111.MKV") == [Clip(folder / "cut11111111.MKV", name="cut11111111")]
    with pytest.raises(DataError, match=r"expected each name once, found twice111111.mkv and twice111111.mp4"):
        read_clips(folder)
    (folder / "twice111111.mp4").unlink()
    assert [clip.name for clip in read_clips(folder)] == [
        "-_longvideo",
        "cut11111111",
        "ex_ct1111111_30_40",
        "twice111111",
    ]
    with pytest.raises(DataError, match="expected media files in it, found none"):
        read_clips(folder / "below")
    with pytest.raises(DataError, match=r"nowhere.mp4: missing"):
        read_clips(tmp_path / "nowhere.mp4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a column `filename`"),
        ("filename\n", "expected a row for each clip, found none"),
        ("file_name,x\na,b\n", "is 'file_name' meant"),
        ("filename,onset\na,1\n", "expected both columns"),
        ("filename\tonset\toffset\tevent_labels\na\t1\t2\tDog\n", "found one for each event"),
        ("filename\na\nb\na\n", "line 4: expected each clip once, found 'a' again after line 2"),
        ("filename,onset,offset\na,2,1\n", "line 2: expected 0 <= onset < offset"),
        ("filename,onset,offset\na,x,1\n", "line 2: expected 0 <= onset < offset"),
        ("filename,onset,offset\na,1,\n", "line 2: expected 0 <= onset < offset"),
        ("filename,onset,offset\na,nan,2\n", "line 2: expected 0 <= onset < offset"),
        ("filename\n../../etc/passwd\n", "expected a file name without folders"),
        ("filename\n\n,\n", "expected a file name without folders"),
        (f"filename\n{'a' * 300}\n", "expected a file name without folders"),
        ("filename\n\x00\n", "expected"),
    ],
)
def test_lists_that_are_wrong(text: str, message: str, folder: Path, tmp_path: Path) -> None:
    path = listed(tmp_path / "list.csv", text)
    with pytest.raises(DataError, match=r"list\.csv: ") as caught:
        read_clips(path, folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_that_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"filename\n\xff\xfe\n")
    with pytest.raises(DataError, match="as text"):
        read_clips(tmp_path / "list.csv", folder)
    with pytest.raises(DataError, match="expected the folder with the files of"):
        read_clips(tmp_path / "list.csv", tmp_path / "nowhere")
