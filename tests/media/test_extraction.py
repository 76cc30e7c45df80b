"""Extraction: whole files, going on, what fails, what is noted, and what is refused. The networks are fakes."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.card import FeatureSet, named_features
from leap_avvp.card.read import read_card
from leap_avvp.errors import ConfigError, DataError, LeapError
from leap_avvp.files import folder_lock
from leap_avvp.files.interrupts import Stopped
from leap_avvp.files.locks import LOCK_FILES
from leap_avvp.media import extraction, extractor, recipes, runs
from leap_avvp.media.asked import job_of
from leap_avvp.media.clips import Listing
from leap_avvp.media.decode import Clip, read_audio
from leap_avvp.media.extraction import Extraction, Job, all_clips, extract
from leap_avvp.media.extractor import Extractor, Request, origins_of
from leap_avvp.media.failures import Failure, failure_table
from leap_avvp.media.recipes import extract_stream, recipes_of
from tests.media import fakes
from tests.media.conftest import tone, write_media
from tests.media.fakes import FakeExtractor, write_clips
from tests.media.pretrained import VIDEO, needs, needs_video

pytest.importorskip("av", reason="PyAV is not installed (the extra `media`)")
pytest.importorskip("soxr", reason="soxr is not installed (the extra `media`)")

EMBEDDED = named_features("embedded")
STREAMS = {"audio": "embedded", "video_2d": "embedded"}
FOLDERS = ("feats/efficientnet_lite0", "feats/yamnet")


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.install(monkeypatch, tmp_path / "cache")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no processes."""
    monkeypatch.setattr(runs, "outcomes", fakes.in_process)


def job(segments: int = 2, seconds: float = 1.0, silence: bool = False, **options: Any) -> Job:
    return Job(EMBEDDED, FakeExtractor(STREAMS, segments, seconds, silence=silence), **options)


def run(videos: Path | Sequence[Path], out: Path, what: Job | None = None, **options: Any) -> Extraction:
    sources = [videos] if isinstance(videos, Path) else videos
    return extract(all_clips(sources), out, what or job(**options))


def content(folder: Path) -> dict[str, bytes]:
    """Return all files but locks, by their paths."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in LOCK_FILES
    }


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of each array."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*.npy"))
    }


def arrays(out: Path, name: str) -> list[np.ndarray]:
    return [np.load(out / folder / f"{name}.npy") for folder in FOLDERS]


def test_the_same_bytes_whatever_the_number_of_jobs(tmp_path: Path) -> None:
    videos = write_clips(tmp_path / "videos", ["b", "a", "c", "deaf", "dies", "blind", "d"])
    (videos / "text.mp4").write_text("no video")
    outs = [tmp_path / f"jobs{number}" for number in (1, 2)]
    found = [run(videos, out, jobs=number) for number, out in zip((1, 2), outs, strict=True)]
    assert content(outs[0]) == content(outs[1])
    assert {path for path in content(outs[0]) if path.endswith(".npy")} == {
        *(f"{folder}/{name}.npy" for folder in FOLDERS for name in "abcd"),
        "feats/efficientnet_lite0/deaf.npy",
        "feats/yamnet/blind.npy",
    }
    for done in found:
        assert (done.videos, done.there, done.run.made) == (8, 0, 4)
        assert done.run.looked_at == pytest.approx(12, abs=1.5)
        reasons = [(failure.filename, failure.stream, failure.reason) for failure in done.failures]
        assert reasons[:3] == [
            ("blind", "video_2d", "no pictures"),
            ("deaf", "audio", "no sound"),
            ("dies", "all", "its process was ended by SIGSEGV, 3 times"),
        ]
        assert reasons[3][:2] == ("text", "all")
        assert "expected a media file" in reasons[3][2]
    with (outs[0] / extraction.FAILED).open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["filename", "stream", "reason"], *map(list, map(dataclasses.astuple, found[0].failures))]


def test_the_files_hold_what_the_networks_say(tmp_path: Path, quick: None) -> None:
    videos = write_clips(tmp_path / "videos", ["a", "b"])
    run(videos, tmp_path / "out")
    for name in "ab":
        sound = read_audio(Clip(videos / f"{name}.mkv"), 8_000)
        eye, ear = arrays(tmp_path / "out", name)
        assert (eye.dtype, eye.shape, ear.dtype, ear.shape) == (np.float32, (8, 1280), np.float32, (8, 1024))
        np.testing.assert_array_equal(ear, fakes.Ear().rows(sound, 2, 1.0))
        assert len(np.unique(eye[:, 0])) > 2
    record = json.loads((tmp_path / "out" / "extracted.json").read_text())
    assert {key: record[key] for key in ("segments", "seconds", "ids", "notes")} == {
        "segments": 2, "seconds": 1.0, "ids": "filename", "notes": {},
    }  # fmt: skip
    assert record["versions"][0]["numpy"] == np.__version__
    ear = record["streams"]["feats/yamnet"]
    assert (ear["videos"], ear["shape"], ear["rule"]) == (2, [8, 1024], "loudness")
    assert ear["weights"] == {"fake_ear": {"fake_ear": fakes.fake_weights(tmp_path / "cache")["fake_ear"].sha256}}


def test_what_is_whole_is_not_made_again(tmp_path: Path, quick: None) -> None:
    videos, out = write_clips(tmp_path / "videos", list("abcdef")), tmp_path / "out"
    run(videos, out)
    before, whole = stamps(out), content(out)
    again = run(videos, out)
    assert (again.there, again.run.made, again.failures) == (6, 0, [])
    assert (stamps(out), content(out)) == (before, whole)
    ear, eye = out / "feats/yamnet", out / "feats/efficientnet_lite0"
    (ear / "a.npy").unlink()
    (eye / "b.npy").write_bytes(whole["feats/efficientnet_lite0/b.npy"][:-1])
    np.save(eye / "c.npy", np.zeros((8, 1280)))  # float64
    np.save(ear / "d.npy", np.zeros((4, 1024), np.float32))
    (ear / "e.npy").write_bytes(b"")
    again = run(videos, out)
    assert (again.there, again.run.made) == (1, 5)
    assert content(out) == whole
    kept = {name for name, stamp in stamps(out).items() if stamp == before[name]}
    made = {f"feats/yamnet/{one}.npy" for one in "ade"} | {f"feats/efficientnet_lite0/{one}.npy" for one in "bc"}
    assert kept == set(before) - made


def test_more_videos_join_those_that_are_there(tmp_path: Path, quick: None) -> None:
    names = ["a", "b", "short"]
    videos, out = write_clips(tmp_path / "videos", names), tmp_path / "out"
    write_clips(videos, ["short"], seconds=1.0)
    for name in names:
        run(videos / f"{name}.mkv", out)
    run(videos, tmp_path / "once")
    assert content(out) == content(tmp_path / "once")


def test_what_a_killed_run_leaves_does_no_harm(tmp_path: Path, quick: None) -> None:
    videos, out = write_clips(tmp_path / "videos", ["a", "b"]), tmp_path / "out"
    write_clips(videos, ["short"], seconds=1.0)
    run(videos, out)
    whole = content(out)
    assert json.loads(whole["extracted.json"])["notes"] == {"shorter": {"short": pytest.approx(1.0, abs=0.2)}}
    # As after the last array, before the record is finished, and in the middle of a note and of an array.
    record = json.loads(whole["extracted.json"])
    notes = record.pop("notes")
    for stream in record["streams"].values():
        del stream["videos"]
    (out / "extracted.json").write_text(json.dumps(record | {"notes": {}}))
    line = json.dumps({"short": {"shorter": notes["shorter"]["short"]}})
    (out / ".notes.jsonl").write_text(f'\n{line}\n{{"b": {{"sho')
    (out / "feats/yamnet/.a.npy.4711.part").write_bytes(b"half")
    (out / ".extracted.json.4711.part").write_bytes(b"half")
    assert run(videos, out).there == 3
    assert {name: json.loads(text) for name, text in content(out).items() if name == "extracted.json"} == {
        "extracted.json": json.loads(whole["extracted.json"])
    }
    assert set(content(out)) == set(whole)


@pytest.mark.parametrize(
    ("seconds", "kept", "note"),
    [(2.0, 2.0, None), (2.25, 2.25, None), (3.0, 2.0, "cut"), (1.0, 1.0, "shorter")],
)
def test_clips_of_other_lengths(seconds: float, kept: float, note: str | None, tmp_path: Path, quick: None) -> None:
    videos = write_clips(tmp_path / "videos", ["a"], seconds)
    done = run(videos, tmp_path / "out")
    assert done.run.looked_at == pytest.approx(kept, abs=0.1)
    assert done.notes == ({} if note is None else {"a": {note: pytest.approx(seconds, abs=0.1)}})
    _, ear = arrays(tmp_path / "out", "a")
    assert (ear[: round(4 * min(seconds, 2))] > 0).all()
    assert (ear[round(4 * seconds) :] == 0).all(), "sound is filled up with zeros"


def test_no_sound_is_told_or_silent(tmp_path: Path, quick: None) -> None:
    videos, out = write_clips(tmp_path / "videos", ["a", "deaf"]), tmp_path / "out"
    assert [failure.reason for failure in run(videos, out).failures] == ["no sound"]
    eye = (out / "feats/efficientnet_lite0/deaf.npy").read_bytes()
    done = run(videos, out, silence=True)
    assert (done.there, done.run.made, done.failures) == (1, 1, [])
    assert done.notes == {"deaf": {"silence": 2.0}}
    assert not arrays(out, "deaf")[1].any()
    assert (out / "feats/efficientnet_lite0/deaf.npy").read_bytes() == eye
    assert not (out / extraction.FAILED).exists()
    assert json.loads((out / "extracted.json").read_text())["notes"] == {"silence": {"deaf": 2.0}}


def test_a_list_cuts_stretches_and_names_what_is_missing(tmp_path: Path, quick: None) -> None:
    videos = write_clips(tmp_path / "videos", ["long"], seconds=6.0)
    (tmp_path / "list.csv").write_text("filename,onset,offset\nlong,0,2\nlong,3.5,5.5\nlong,9,11\nnone,0,2\n")
    listing = all_clips([tmp_path / "list.csv"], videos)
    done = extract(listing, tmp_path / "out", job())
    assert {path.name for path in (tmp_path / "out/feats/yamnet").iterdir()} == {"long_0_2.npy", "long_3.5_5.5.npy"}
    found = {failure.filename: failure.reason for failure in done.failures}
    assert found["none_0_2"] == "no file none.*"
    assert "expected 9 s to lie in it" in found["long_9_11"]
    assert done.videos == 4
    first, second = (arrays(tmp_path / "out", name)[0] for name in ("long_0_2", "long_3.5_5.5"))
    assert not np.array_equal(first, second)


def test_numbers_that_are_none_are_not_written(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = fakes.Ear.rows
    monkeypatch.setattr(fakes.Ear, "rows", lambda *words: rows(*words) + np.float32(np.inf))
    done = run(write_clips(tmp_path / "videos", ["a"]), tmp_path / "out")
    assert done.failures == [Failure("a", "audio", "fake_ear gave NaN or Inf")]
    assert list((tmp_path / "out/feats/efficientnet_lite0").iterdir())
    assert not (tmp_path / "out/feats/yamnet").exists()


LLP_NAMES = ["-_aB3456789_0_10", "BjCEufrlXm4_30.5_40.5"]


def test_llps_names_give_11_characters(tmp_path: Path, quick: None) -> None:
    videos = write_clips(tmp_path / "videos", LLP_NAMES, seconds=1.0)
    run(videos, tmp_path / "llp", segments=10)
    assert {path.stem for path in (tmp_path / "llp/feats/yamnet").iterdir()} == {"-_aB3456789", "BjCEufrlXm4"}
    # Other segments than LLP's, or one name that is not of its form: whole names.
    run(videos, tmp_path / "other", segments=5)
    assert {path.stem for path in (tmp_path / "other/feats/yamnet").iterdir()} == set(LLP_NAMES)
    more = write_clips(tmp_path / "more", ["a clip of one's own"], seconds=1.0)
    run([videos, more], tmp_path / "mixed", segments=10)
    assert len(list((tmp_path / "mixed/feats/yamnet").glob("* *.npy"))) == 1
    with pytest.raises(DataError, match=r"a clip of one's own: expected a name of LLP's form"):
        run([videos, more], tmp_path / "llp", segments=10)  # as the folder began, it goes on
    (videos / f"{LLP_NAMES[0]}.mkv").rename(videos / "BjCEufrlXm4_40_50.mkv")
    with pytest.raises(DataError, match="expected videos with ids of their own, both are BjCEufrlXm4"):
        run(videos, tmp_path / "twice", segments=10)


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    one, other = (write_clips(tmp_path / name, ["a"]) for name in ("one", "other"))
    with pytest.raises(DataError, match="a: expected each name once"):
        all_clips([one, other])
    with pytest.raises(ConfigError, match="--videos-from: expected a list"):
        all_clips([one], other)


def test_other_features_in_the_folder_are_refused(tmp_path: Path, quick: None) -> None:
    videos, out = write_clips(tmp_path / "videos", ["a", "b"]), tmp_path / "out"
    run(videos / "a.mkv", out)
    before = content(out)
    with pytest.raises(ConfigError, match=r"segments 2, here 4; use another --out, or --overwrite") as caught:
        run(videos, out, segments=4, seconds=0.5)
    assert "\n" not in str(caught.value)
    (tmp_path / "cache" / "fake_eye").write_bytes(b"other weights")
    with pytest.raises(ConfigError, match="efficientnet_lite0: weights"):
        run(videos, out)
    assert content(out) == before
    with pytest.raises(ConfigError, match=r"--overwrite: 2 files there are of videos that are not asked for"):
        run(videos / "b.mkv", out, segments=4, overwrite=True)
    assert content(out) == before
    done = run(videos, out, segments=4, seconds=0.5, overwrite=True)
    assert done.run.made == 2
    run(videos, tmp_path / "fresh", segments=4, seconds=0.5)
    assert content(out) == content(tmp_path / "fresh")


def test_overwriting_makes_all_again(tmp_path: Path, quick: None) -> None:
    videos, out = write_clips(tmp_path / "videos", ["a", "b"]), tmp_path / "out"
    run(videos, out)
    before = content(out)
    (out / "feats/yamnet/a.npy").write_bytes(before["feats/yamnet/b.npy"])  # whole, and wrong
    assert run(videos, out).there == 2
    assert run(videos, out, overwrite=True).run.made == 2
    assert content(out) == before


def test_missing_weights_end_it_before_the_first_video(tmp_path: Path, quick: None) -> None:
    videos, out = write_clips(tmp_path / "videos", ["a"]), tmp_path / "out"
    (tmp_path / "cache" / "fake_eye").unlink()
    with pytest.raises(DataError, match=r"^weights fake_eye: not in .*`leap-avvp weights get fake_eye`"):
        run(videos, out)
    assert content(out) == {}


def test_networks_that_did_not_load_bind_nobody(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    videos, out = write_clips(tmp_path / "videos", ["a"]), tmp_path / "out"

    def fail(*_: object) -> None:
        raise ConfigError("torchvision is not installed")

    with monkeypatch.context() as patch:
        patch.setitem(fakes.RECIPES, "audio", dataclasses.replace(fakes.RECIPES["audio"], load=fail))
        with pytest.raises(ConfigError, match="torchvision"):
            run(videos, out)
    (tmp_path / "cache" / "fake_eye").write_bytes(b"other weights")
    assert run(videos, out, segments=4).failures == []
    run(videos, tmp_path / "fresh", segments=4)
    assert content(out) == content(tmp_path / "fresh")


def test_one_writer(tmp_path: Path, quick: None) -> None:
    videos, out = write_clips(tmp_path / "videos", ["a"]), tmp_path / "out"
    with folder_lock(out), pytest.raises(LeapError, match="another process writes here"):
        run(videos, out)
    assert content(out) == {}


def test_a_damaged_record_is_named(tmp_path: Path, quick: None) -> None:
    videos, out = write_clips(tmp_path / "videos", ["a"]), tmp_path / "out"
    out.mkdir()
    for text in ('{"streams": ', "[]", '{"streams": {"a": 3}}'):
        (out / "extracted.json").write_text(text)
        with pytest.raises(DataError, match=r"extracted.json: expected what leap-avvp wrote") as caught:
            run(videos, out)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_signal_ends_it_in_order_and_the_same_call_goes_on(tmp_path: Path) -> None:
    names = [f"slow{number}" for number in range(8)]
    videos, out = write_clips(tmp_path / "videos", names), tmp_path / "out"
    first = out / "feats/efficientnet_lite0/slow0.npy"  # written behind the other

    def interrupt() -> None:
        while not first.exists():
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(Stopped, match=r"stopped by SIGINT: \d of 8 videos are whole in .*; the same command goes on"):
        run(videos, out, jobs=1)
    thread.join()
    before = stamps(out)
    assert 1 <= len(list((out / "feats/yamnet").iterdir())) < 8
    assert not list(out.rglob("*.part"))
    done = run(videos, out, jobs=2)
    assert done.there >= 1
    assert {name: stamp for name, stamp in stamps(out).items() if name in before} == before
    run(videos, tmp_path / "undisturbed", jobs=2)
    assert content(out) == content(tmp_path / "undisturbed")


def streams(**changed: Mapping[str, Any]) -> FeatureSet:
    found = dict(EMBEDDED.streams)
    for name, values in changed.items():
        found[name] = dataclasses.replace(found[name], **values)
    return FeatureSet("mine", found)


def test_each_stream_of_a_set_is_known_by_folder_and_shape() -> None:
    for name in ("llp", "valor", "uwav", "lsld", "embedded"):
        assert set(origins_of(named_features(name)).values()) == {name}
    lsld = named_features("lsld").streams["audio"]
    mixed = FeatureSet("mine", {"audio": lsld, "video_2d": EMBEDDED.streams["video_2d"]})
    assert origins_of(mixed) == {"audio": "lsld", "video_2d": "embedded"}
    for changed in ({"folder": "feats/elsewhere"}, {"rows": "8T"}, {"width": 12}):
        with pytest.raises(ConfigError, match=r"features=mine: video_2d: nothing here makes .*efficientnet_lite0 \(4T"):
            origins_of(streams(video_2d=changed))


def test_what_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--features: expected one of embedded, llp, .*or --card FILE"):
        job_of(tmp_path)
    plain = job_of(tmp_path, features="embedded")
    assert (plain.extractor.segments, plain.extractor.seconds, plain.ids) == (10, 1.0, None)
    card = tmp_path / "card.yaml"
    card.write_text("name: farm\nclasses: [dog]\nsegments: 20\nseconds: 0.5\nfeatures: embedded\n")
    carded = job_of(tmp_path, card=card, segments=20)
    assert (carded.extractor.segments, carded.extractor.seconds, carded.ids) == (20, 0.5, "filename")
    assert carded.features.name == "embedded"
    with pytest.raises(ConfigError, match=r"--segments: expected 20, as .*card.yaml says, found 10"):
        job_of(tmp_path, card=card, segments=10)
    with pytest.raises(ConfigError, match="--segments, --seconds: expected up to 600"):
        job_of(tmp_path, features="embedded", segments=601)
    (tmp_path / "dataset.yaml").write_text(card.read_text())
    assert job_of(tmp_path).extractor.segments == 20


def test_a_card_is_brought_along(tmp_path: Path, quick: None) -> None:
    videos, out = write_clips(tmp_path / "videos", ["a"]), tmp_path / "out"
    card = tmp_path / "mine.yaml"
    card.write_text("name: farm\nclasses: [dog]\nsegments: 2\nfeatures: own.yaml\n")
    (tmp_path / "own.yaml").write_text(
        "name: own\nstreams:\n"
        "  audio: {folder: feats/yamnet, shape: [4T, 1024], reduce: mean}\n"
        "  video_2d: {folder: feats/efficientnet_lite0, shape: [4T, 1280], reduce: mean}\n"
    )
    done = run(videos, out, job_of(out, card=card))
    assert done.run.made == 1
    assert read_card(out / "dataset.yaml") == read_card(card)
    assert job_of(out).features.name == "own"
    before = content(out)
    run(videos, out, job_of(out, card=card))
    assert content(out) == before
    other = tmp_path / "other.yaml"
    other.write_text("name: farm\nclasses: [cat]\nsegments: 2\nfeatures: embedded\n")
    (out / "feats/yamnet/a.npy").unlink()
    with pytest.raises(ConfigError, match=r"dataset.yaml says other classes; use another --out"):
        run(videos, out, job_of(out, card=other))


def test_pictures_are_decoded_once_for_all_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = write_clips(tmp_path / "videos", ["a"])
    calls: list[Path] = []
    original = recipes.constant_rate

    def counted(clip: Clip, rate: float) -> Any:
        calls.append(clip.path)
        return original(clip, rate)

    monkeypatch.setattr(recipes, "constant_rate", counted)
    monkeypatch.setitem(fakes.RECIPES, "video_3d", dataclasses.replace(fakes.RECIPES["video_2d"], stream="video_3d"))
    work = FakeExtractor(STREAMS | {"video_3d": "llp"}, 2)()
    made = work(Request(Clip(videos / "a.mkv", name="a"), ("audio", "video_2d", "video_3d")))
    np.testing.assert_array_equal(made.rows["video_2d"], made.rows["video_3d"])
    assert len(calls) == 1
    work(Request(Clip(videos / "a.mkv", name="a"), ("audio",)))
    assert len(calls) == 1, "what is not asked for is not decoded"


def test_networks_on_a_gpu_take_a_video_at_once() -> None:
    class Batched:
        batch = 4

    backbone = Batched()
    backbone.ear = Batched()  # type: ignore[attr-defined]
    extractor._widen(backbone)
    assert backbone.batch == backbone.ear.batch == 128  # type: ignore[attr-defined]


def test_a_single_picture_without_sound(tmp_path: Path) -> None:
    path = write_media(tmp_path / "one.mkv", pictures=1, rate=4, codec="ffv1")
    made = FakeExtractor(STREAMS, 2)()(Request(Clip(path, name="one"), ("audio", "video_2d")))
    assert made.rows["video_2d"].shape == (8, 1280)
    assert dict(made.lacking) == {"audio": "no sound"}
    only_sound = write_media(tmp_path / "sound.wav", sound=tone(2, 8_000), sound_rate=8_000)
    made = FakeExtractor(STREAMS, 2)()(Request(Clip(only_sound, name="sound"), ("audio", "video_2d")))
    assert list(made.rows) == ["audio"]
    assert dict(made.lacking) == {"video_2d": "no pictures"}


def test_a_table_of_many_failures_is_short(tmp_path: Path) -> None:
    text = failure_table([Failure(f"{number:03}", "audio", "why") for number in range(50)], tmp_path / "all.csv")
    lines = text.splitlines()
    assert lines[0].split() == ["filename", "stream", "reason"]
    assert len(lines) == 23
    assert lines[-2:] == ["... and 30 more", f"all of them: {tmp_path / 'all.csv'}"]


def test_listing_of_nothing_is_no_error(tmp_path: Path, quick: None) -> None:
    done = extract(Listing((), {"a": "no file a.*"}), tmp_path / "out", job())
    assert done.failures == [Failure("a", "all", "no file a.*")]


@needs("yamnet", "efficientnet_lite0")
@needs_video
@pytest.mark.slow
def test_the_embedded_pair_as_stream_by_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    done = extract(all_clips([VIDEO]), tmp_path / "out", Job(EMBEDDED, Extractor(STREAMS), jobs=1))
    assert (done.failures, done.notes, done.ids) == ([], {}, "llp")
    for stream, recipe in recipes_of("embedded").items():
        found = np.load(tmp_path / "out" / EMBEDDED.folders[stream] / "BjCEufrlXm4.npy")
        expected = extract_stream(Clip(VIDEO), recipe, recipe.make())
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
