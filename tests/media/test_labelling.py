"""Labelling a folder: files that training reads, going on, what is refused. The networks are fakes."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.card import LLP, named_features
from leap_avvp.card.read import card_from
from leap_avvp.data.pseudo import read_segment_labels
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.files.locks import LOCK_FILES
from leap_avvp.media import labelling, runs
from leap_avvp.media.arrays import read_rows, write_array
from leap_avvp.media.backbones.clap import CLAP
from leap_avvp.media.backbones.clip import CLIP
from leap_avvp.media.clips import find_clips
from leap_avvp.media.decode import Clip
from leap_avvp.media.extraction import Job, all_clips, extract
from leap_avvp.media.judges import Scorer
from leap_avvp.media.labelling import LabelJob, Labelling, Video, label, source_of
from leap_avvp.media.recipes import RECIPES, extract_stream
from leap_avvp.media.teachers import Sense, Teacher, read_teacher
from tests.media import fakes
from tests.media.fakes import FakeScorer, write_clips
from tests.media.pretrained import VIDEO, needs, needs_video
from tests.media.tiny import clap_folder, clip_folder

pytest.importorskip("av", reason="PyAV is not installed (the extra `media`)")
pytest.importorskip("soxr", reason="soxr is not installed (the extra `media`)")

CARD = card_from({"classes": ["loud", "softer", "seen"], "segments": 2, "features": "embedded", "name": "fake"})
NAN = float("nan")


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.install(monkeypatch, tmp_path / "cache")
    monkeypatch.setattr(runs, "outcomes", fakes.in_process)


def job(thresholds: Sequence[float] = (2.0, 2.0, 2.0), root: Path | None = None, **options: Any) -> LabelJob:
    """Return what is heard of the first two classes, and seen of the last two."""
    senses = {
        "audio": Sense("audio", ("embedded",), (), ((0,), (1,), ()), tuple(thresholds)),
        "visual": Sense("video_2d", ("embedded",), (), ((), (1,), (2,)), tuple(thresholds)),
    }
    teacher = Teacher("fake", "names", 1.0, 0.95, 3, senses)
    origins = dict.fromkeys(senses, "embedded")
    return LabelJob(FakeScorer(teacher, 2, 1.0, root=root, origins=origins), CARD, **options)


def videos_in(folder: Path, weak: Sequence[Sequence[int]] | None = None) -> list[Video]:
    clips = find_clips(folder).clips
    flags = np.array(weak, bool) if weak is not None else np.ones((len(clips), 3), bool)
    return [Video(clip.name, clip.name, one, clip) for clip, one in zip(clips, flags, strict=True)]


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in LOCK_FILES)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def run(videos: list[Video], out: Path, what: LabelJob | None = None) -> Labelling:
    return label(videos, {}, out, what or job())


def test_training_reads_what_it_writes(tmp_path: Path) -> None:
    videos = videos_in(write_clips(tmp_path / "videos", ["a", "b", "c"]), [[1, 1, 0], [0, 1, 1], [0, 0, 0]])
    done = run(videos, tmp_path / "out")
    weak = np.array([video.weak for video in videos])
    found = read_segment_labels(tmp_path / "out", tmp_path, [video.name for video in videos], weak, CARD)
    assert (found.problems, found.outside, found.layout.form) == ([], 0, "folder")
    scores = [np.load(tmp_path / "out/scores/audio" / f"{video.id}.npy") for video in videos]
    expected = (np.nan_to_num(np.array(scores), nan=-np.inf) > 2.0) & weak[:, None]
    np.testing.assert_array_equal(found.audio[..., :2], expected[..., :2])
    assert expected.any()
    assert not expected.all()
    assert np.load(tmp_path / "out/audio/a.npy").dtype == np.int64
    assert (done.videos, done.labelled, done.run.made, done.failures) == (3, 3, 3, [])
    assert done.unjudged == {"audio": ["seen"], "visual": ["loud"]}
    record = json.loads((tmp_path / "out/labelled.json").read_text())
    assert (record["teacher"], record["labels"], record["unjudged"]) == ("fake", "score > threshold", "none")
    assert record["streams"]["audio"]["thresholds"] == {"loud": 2.0, "softer": 2.0}
    assert record["streams"]["audio"]["videos"] == 3
    share = float(found.audio[..., 0].sum() / (2 * weak[:, 0].sum()))
    assert record["streams"]["audio"]["share"]["loud"] == pytest.approx(share, abs=1e-4)


def test_soft_labels_are_float32(tmp_path: Path) -> None:
    videos = videos_in(write_clips(tmp_path / "videos", ["a", "b"]))
    run(videos, tmp_path / "hard")
    run(videos, tmp_path / "soft", job(soft=True))
    for modality, place in (("audio", 0), ("audio", 1), ("visual", 1), ("visual", 2)):
        hard, soft = (np.load(tmp_path / kind / modality / "a.npy")[:, place] for kind in ("hard", "soft"))
        score = np.load(tmp_path / "soft/scores" / modality / "a.npy")[:, place].astype(float)
        assert soft.dtype == np.float32
        np.testing.assert_array_equal(soft > 0.5, hard == 1)
        np.testing.assert_allclose(soft, 1 / (1 + np.exp(2 - score)), rtol=1e-5)


def test_features_are_judged_as_videos_are(tmp_path: Path) -> None:
    folder = write_clips(tmp_path / "videos", ["a", "b"])
    extractor = fakes.FakeExtractor({"audio": "embedded", "video_2d": "embedded"}, 2)
    extract(all_clips([folder]), tmp_path / "data", Job(CARD.features, extractor))
    run(videos_in(folder), tmp_path / "of videos")
    named = [Video(name, name, np.ones(3, bool)) for name in "ab"]
    run(named, tmp_path / "of features", job(root=tmp_path / "data"))
    one, other = (content(tmp_path / name) for name in ("of videos", "of features"))
    arrays = [name for name in one if name.endswith(".npy")]
    assert len(arrays) == 8
    assert {name: one[name] for name in arrays} == {name: other[name] for name in arrays}
    # Features made anew are judged anew.
    path = tmp_path / "data/feats/yamnet/a.npy"
    np.save(path, np.zeros((8, 1024), np.float32))
    os.utime(path, ns=(2**62, 2**62))
    assert run(named, tmp_path / "of features", job(root=tmp_path / "data")).run.made == 1
    assert not np.load(tmp_path / "of features/audio/a.npy")[:, :2].any()


def test_scores_that_are_there_are_taken(tmp_path: Path) -> None:
    videos, out = videos_in(write_clips(tmp_path / "videos", list("abcd"))), tmp_path / "out"
    run(videos, out)
    whole = content(out)
    stamps = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.rglob("*.npy")}
    again = run(videos, out)
    assert (again.run.made, again.labelled) == (0, 4)
    assert content(out) == whole
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.rglob("*.npy")} == stamps
    # As a run leaves it that was killed: half of the scores, some labels of another kind, and no record of them.
    (out / "scores/audio/a.npy").unlink()
    (out / "scores/visual/b.npy").write_bytes(b"half")
    (out / "scores/visual/.b.npy.17.part").write_bytes(b"half")
    (out / "labelled.json").unlink()
    write_array(out / "audio/c.npy", np.full((2, 3), 0.25, np.float32))
    assert run(videos, out).run.made == 2
    assert content(out) == whole


def test_labels_of_other_options_are_refused_until_told(tmp_path: Path) -> None:
    videos, out = videos_in(write_clips(tmp_path / "videos", ["a", "b"])), tmp_path / "out"
    run(videos, out)
    whole = content(out)
    for what in (job(soft=True), job(unjudged="weak"), job((1.0, 2.0, 2.0))):
        with pytest.raises(ConfigError, match=r"labelled.json: what is there was made in another way: .*--overwrite"):
            run(videos, out, what)
        assert content(out) == whole
    with pytest.raises(ConfigError, match=r"--overwrite: 2 files there are of videos that are not asked for"):
        run(videos[:1], out, job(soft=True, overwrite=True))
    done = run(videos, out, job(soft=True, overwrite=True))
    assert done.run.made == 0, "the scores are the same"
    assert np.load(out / "audio/a.npy").dtype == np.float32
    run(videos, tmp_path / "fresh", job(soft=True))
    assert content(out) == content(tmp_path / "fresh")


def test_scores_of_another_teacher_are_refused_until_told(tmp_path: Path) -> None:
    videos, out = videos_in(write_clips(tmp_path / "videos", ["a", "b"])), tmp_path / "out"
    run(videos, out)
    other = job()
    senses = {**other.scorer.teacher.senses}
    senses["audio"] = dataclasses.replace(senses["audio"], outputs=((5,), (1,), ()))
    teacher = dataclasses.replace(other.scorer.teacher, senses=senses)
    other = dataclasses.replace(other, scorer=dataclasses.replace(other.scorer, teacher=teacher))
    with pytest.raises(ConfigError, match=r"scores.json: what is there was made in another way: audio: asks"):
        run(videos, out, other)
    assert run(videos, out, dataclasses.replace(other, overwrite=True)).run.made == 2


def test_what_fails_costs_itself_alone(tmp_path: Path) -> None:
    folder = write_clips(tmp_path / "videos", ["a", "blind", "deaf", "nan"])
    (folder / "text.mp4").write_text("no video")
    done = label(videos_in(folder), {"gone": "no file gone.*"}, tmp_path / "out", job())
    assert [(one.filename, one.stream) for one in done.failures] == [("gone", "all"), ("nan", "all"), ("text", "all")]
    assert (done.videos, done.labelled) == (6, 3)
    assert (tmp_path / "out/label-failed.csv").read_text().startswith("filename,stream,reason\ngone,all,no file gone")
    # Without sound nothing is heard, and what it names and the eye cannot judge must then be seen.
    assert not np.load(tmp_path / "out/audio/deaf.npy")[:, :2].any()
    assert np.load(tmp_path / "out/visual/deaf.npy")[:, 0].all()
    assert not np.load(tmp_path / "out/visual/blind.npy")[:, 1:].any()
    record = json.loads((tmp_path / "out/scores/scores.json").read_text())
    assert {kind: list(of) for kind, of in record["notes"].items()} == {"blind": ["blind"], "deaf": ["deaf"]}


def test_missing_thresholds_are_told_before_anything_is_judged(tmp_path: Path) -> None:
    folder = write_clips(tmp_path / "videos", list("abcdef"))
    weak = [[1, 0, 0]] * 3 + [[0, 0, 0]] * 3
    with pytest.raises(ConfigError, match="loud, audio: teacher fake has no threshold for it, and only 0 videos"):
        run(videos_in(folder), tmp_path / "out", job((NAN, NAN, NAN)))
    assert not (tmp_path / "out").exists()
    run(videos_in(folder, weak), tmp_path / "out", job((NAN, NAN, NAN)))
    rest = np.concatenate([np.load(tmp_path / f"out/scores/audio/{name}.npy")[:, 0] for name in "def"])
    record = json.loads((tmp_path / "out/labelled.json").read_text())
    assert record["streams"]["audio"]["thresholds"] == {"loud": pytest.approx(np.quantile(rest, 0.95))}
    assert record["streams"]["audio"]["from"] == {"loud": "0.95 quantile of 3 videos without it"}


def test_which_features_a_teacher_finds(tmp_path: Path) -> None:
    teacher = read_teacher("valor", CARD)
    assert source_of(tmp_path, teacher) is None
    (tmp_path / "CLIP/features").mkdir(parents=True)
    text = r"audio: teacher valor judges feats_CLAP/segment_feats, found no such folder; .*--features uwav"
    with pytest.raises(DataError, match=text):
        source_of(tmp_path, teacher)
    (tmp_path / "feats_CLAP/segment_feats").mkdir(parents=True)
    assert source_of(tmp_path, teacher) == {"audio": "uwav", "visual": "valor"}
    (tmp_path / "CLIP/features").rmdir()
    (tmp_path / "feats_CLIP/segment_feats").mkdir(parents=True)
    assert source_of(tmp_path, teacher) == {"audio": "uwav", "visual": "uwav"}


def test_feature_files_of_others_are_looked_at(tmp_path: Path) -> None:
    path, shapes = tmp_path / "a.npy", ((8, 3), (2, 3))
    np.save(path, np.arange(24, dtype=np.float64).reshape(8, 3))
    np.testing.assert_array_equal(read_rows(path, shapes), np.arange(24).reshape(8, 3))
    np.save(path, np.asfortranarray(np.ones((2, 3), np.float16)))
    assert read_rows(path, shapes).dtype == np.float32
    cases = {
        "expected floating-point numbers of shape": np.ones((3, 3)),
        r"found \(8, 3\) int64": np.ones((8, 3), np.int64),
        "expected finite numbers": np.full((8, 3), np.nan),
        "objects, which are not loaded": np.array([[None] * 3] * 8),
    }
    for text, array in cases.items():
        np.save(path, array, allow_pickle=True)
        with pytest.raises(DataError, match=text):
            read_rows(path, shapes)
    np.save(path, np.ones((8, 3)))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"expected a .npy file, cannot read it"):
        read_rows(path, shapes)
    with pytest.raises(DataError, match=r"none.npy: missing"):
        read_rows(tmp_path / "none.npy", shapes)
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(DataError, match="git lfs pull"):
        read_rows(path, shapes)


def test_prompts_from_videos_through_real_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLIP and CLAP of transformers, tiny and untrained: extraction, texts, scores and labels fit together."""
    pytest.importorskip("transformers", reason="transformers is not installed (the extra `clip`)")
    networks = {
        "visual": CLIP(clip_folder(tmp_path / "clip")),
        "audio": CLAP(clap_folder(tmp_path / "clap", fusion=True)),
    }
    places = {"visual": ("valor", "video_2d"), "audio": ("uwav", "audio")}
    recipes = {}
    for modality, (origin, stream) in places.items():
        backbone = networks[modality]
        recipes[modality] = dataclasses.replace(
            RECIPES[origin][stream], width=backbone.width, weights="fake_eye", load=lambda *_, one=backbone: one
        )
        monkeypatch.setitem(RECIPES[origin], stream, recipes[modality])
    folder = write_clips(tmp_path / "videos", ["a", "b"])
    card = card_from({"classes": ["dog", "cat"], "segments": 2, "features": "embedded"})
    (tmp_path / "teacher.yaml").write_text(
        "name: tiny\nkind: prompts\n"
        "audio: {features: uwav, template: 'this is a sound of a {}', thresholds: 0}\n"
        "visual: {features: valor, template: 'a photo of a {}', thresholds: {dog: 0.1, cat: -0.1}}\n"
    )
    teacher = read_teacher(tmp_path / "teacher.yaml", card)
    origins = {modality: origin for modality, (origin, _) in places.items()}
    scorer = Scorer(teacher, 2, 1.0, origins=origins)
    clips = find_clips(folder).clips
    weak = np.array([[True, True], [False, True]])
    videos = [Video(clip.name, clip.name, one, clip) for clip, one in zip(clips, weak, strict=True)]
    done = label(videos, {}, tmp_path / "out", LabelJob(scorer, card))
    assert done.failures == []
    for modality, sense in teacher.senses.items():
        texts = networks[modality].text(sense.prompts)
        for video, labelled in zip(videos, weak, strict=True):
            rows = extract_stream(video.clip, recipes[modality], networks[modality], 2, 1.0)
            scores = networks[modality].scale * (rows / np.linalg.norm(rows, axis=1, keepdims=True)) @ texts.T
            found = np.load(tmp_path / "out/scores" / modality / f"{video.id}.npy")
            np.testing.assert_allclose(found, scores, rtol=1e-4, atol=1e-4)
            np.testing.assert_array_equal(
                np.load(tmp_path / "out" / modality / f"{video.id}.npy"), (found > sense.thresholds) & labelled
            )


@needs("yamnet", "efficientnet_lite0")
@needs_video
@pytest.mark.slow
def test_the_embedded_pair_labels_the_real_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    card = LLP.with_features(named_features("embedded"))
    teacher = read_teacher("embedded", card)
    half = {modality: dataclasses.replace(one, thresholds=(0.0,) * 25) for modality, one in teacher.senses.items()}
    scorer = Scorer(dataclasses.replace(teacher, senses=half), 10, 1.0, origins=dict.fromkeys(half, "embedded"))
    weak = np.isin(card.classes, ("Speech", "Dog"))
    video = Video("BjCEufrlXm4_30_40", "BjCEufrlXm4", weak, Clip(VIDEO, name="BjCEufrlXm4_30_40"))
    done = label([video], {}, tmp_path, LabelJob(scorer, card, jobs=1))
    assert done.failures == []
    audio, visual = (np.load(tmp_path / modality / "BjCEufrlXm4.npy") for modality in ("audio", "visual"))
    assert audio[:, 3].sum() >= 8
    assert visual[:, 3].sum() >= 7
    assert audio[5:7, 0].any()
    assert not visual[:, 0].any(), "speech is heard, and nobody can say whether it is seen"
    assert audio[:, ~weak].sum() == visual[:, ~weak].sum() == 0
    assert labelling.RECORD in content(tmp_path)
