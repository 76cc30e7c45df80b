"""Teachers: what they ask, their thresholds, and labels against plain arithmetic."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from leap_avvp.card import LLP, DataCard
from leap_avvp.card.read import card_from
from leap_avvp.data.pseudo.thresholds import soft_targets
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.media.judges import judge_of, outputs_judge, prompt_judge
from leap_avvp.media.pseudo import check_enough, segment_labels, thresholds_of
from leap_avvp.media.teachers import Sense, Teacher, logit, read_teacher
from tests.media.pretrained import needs
from tests.media.tiny import clap_folder, clip_folder

# VALOR's, in LLP's order (its utils/clip_preprocess.py and utils/clap_preprocess.py).
SEEN = [
    "people talking", "a car", "people cheering", "a dog", "a cat", "frying food", "people playing basketball",
    "a fire alarm", "a chainsaw", "a cello", "a banjo", "people singing", "a chicken or a rooster", "a violin",
    "a vaccum cleaner", "a laughing baby", "an accordion", "a lawnmower", "a motorcycle", "a helicopter",
    "a acoustic guiter", "a ringing telephone", "a crying baby", "a blender", "hands clapping",
]  # fmt: skip
HEARD = [
    "speech", "car", "cheering", "dog", "cat", "frying (food)", "basketball bounce", "fire alarm", "chainsaw",
    "cello", "banjo", "singing", "chicken, rooster", "violin fiddle", "vacuum cleaner", "baby laughter", "accordion",
    "lawn mower", "motorcycle", "helicopter", "acoustic guitar", "telephone bell ringing", "baby cry, infant cry",
    "blender", "clapping",
]  # fmt: skip
SEEN_FROM = [20, 15, 18, 14, 15, 18, 18, 15, 15, 15, 15, 18, 15, 15, 15, 15, 15, 15, 15, 16, 14, 15, 15, 15, 18]
HEARD_FROM = [0, 0, 1, 4, 6, -2, 4, 4, 2, 2, 2, 1, 2, 3, 0, 2, 2, 2, 0, 2, -1, 2, 3, 3, 0]


def card(*classes: str, segments: int = 4) -> DataCard:
    return card_from({"classes": list(classes), "segments": segments, "features": "embedded"})


def sense(stream: str, thresholds: Sequence[float], judged: Sequence[bool] | None = None) -> Sense:
    known = judged or [True] * len(thresholds)
    return Sense(stream, ("embedded",), (), tuple((0,) if one else () for one in known), tuple(thresholds))


def teacher(audio: Sense, visual: Sense, **options: Any) -> Teacher:
    plain = Teacher("one", "names", 1.0, 0.95, 3, {"audio": audio, "visual": visual})
    return dataclasses.replace(plain, **options)


def written(folder: Path, **content: Any) -> Path:
    path = folder / "teacher.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


PROMPTS: dict[str, Any] = {
    "name": "mine",
    "kind": "prompts",
    "audio": {"features": "uwav", "template": "The sound of {}"},
    "visual": {"features": ["valor"], "prompts": {"cow": "A cow.", "Big_dog": "A dog."}, "thresholds": {"cow": 3}},
}


def test_valors_prompts_and_thresholds() -> None:
    found = read_teacher("valor", LLP)
    audio, visual = found.senses["audio"], found.senses["visual"]
    assert audio.prompts == tuple(f"This is a sound of {words}" for words in HEARD)
    assert visual.prompts == tuple(f"A photo of {words}." for words in SEEN)
    assert audio.thresholds == tuple(map(float, HEARD_FROM))
    assert visual.thresholds == tuple(map(float, SEEN_FROM))
    assert (audio.features, visual.features) == (("uwav",), ("valor", "uwav"))
    assert (found.temperature, found.kind) == (2.0, "prompts")
    assert audio.judged.all()
    assert visual.judged.all()


def test_valors_way_with_classes_of_ones_own() -> None:
    found = read_teacher("valor", card("Dog", "Tractor_engine"))
    assert found.senses["audio"].prompts == ("This is a sound of dog", "This is a sound of tractor engine")
    assert found.senses["visual"].prompts == ("A photo of a dog.", "A photo of tractor engine.")
    assert found.senses["audio"].thresholds[0] == 4
    assert math.isnan(found.senses["audio"].thresholds[1])


@needs("yamnet")
def test_the_embedded_pair_judges_what_it_has_names_for() -> None:
    found = read_teacher("embedded", LLP)
    assert found.senses["audio"].judged.all()
    unseen = [name for name, known in zip(LLP.classes, found.senses["visual"].judged, strict=True) if not known]
    assert unseen == [
        *("Speech", "Cheering", "Fire_alarm", "Singing", "Baby_laughter", "Helicopter"),
        *("Baby_cry_infant_cry", "Blender", "Clapping"),
    ]
    assert np.isnan([one.thresholds for one in found.senses.values()]).all()


@needs("yamnet")
def test_names_and_probabilities_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "names.yaml").write_text("classes:\n  Farm: {audio: [Moo, Oink], image: null}\n")
    path = written(
        tmp_path, name="mine", kind="names", names="names.yaml",
        audio={"features": "embedded", "thresholds": {"Farm": 0.5, "Dog": 0.2}}, visual={"features": ["embedded"]},
    )  # fmt: skip
    found = read_teacher(path, card("Farm", "Dog", "Cat"))
    assert len(found.senses["audio"].outputs[0]) == 2
    assert found.senses["visual"].judged.tolist() == [False, True, True]
    assert found.senses["audio"].thresholds[:2] == (0.0, pytest.approx(math.log(0.25)))
    assert math.isnan(found.senses["audio"].thresholds[2])


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    found = read_teacher(written(tmp_path, **PROMPTS), card("cow", "Big_dog"))
    assert found.senses["audio"].prompts == ("The sound of cow", "The sound of big dog")
    assert found.senses["visual"].prompts == ("A cow.", "A dog.")
    assert found.senses["visual"].thresholds[0] == 3
    assert math.isnan(found.senses["visual"].thresholds[1])
    assert (found.name, found.temperature, found.quantile, found.videos) == ("mine", 1, 0.95, 10)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kind": "promts"}, r"kind: expected one of prompts, names, found 'promts'; did you mean 'prompts'\?"),
        ({"name": 3}, "name: expected a name, found '3'"),
        ({"temperature": 0}, "temperature: expected a number from 1e-06"),
        ({"quantile": 1.5}, "quantile: expected a number from 0 to 1, found 1.5"),
        ({"videos": True}, "videos: expected a number"),
        ({"thresholds": 1}, "thresholds: no such key"),
        ({"names": "x.yaml"}, "names: expected none of kind: prompts"),
        ({"audio": None}, "audio: expected features, template, prompts, thresholds, found 'None'"),
        ({"audio": {"features": "uwav", "templat": "x {}"}}, "audio: templat: no such key.*did you mean template"),
        ({"audio": {"features": [], "template": "{}"}}, "audio.features: expected one or more of llp, valor"),
        ({"audio": {"features": "embedded", "template": "{}"}}, "audio.features: expected one of llp, valor"),
        ({"audio": {"features": "uwav", "template": "no place"}}, "audio.template: expected a text with one {}"),
        ({"audio": {"features": "uwav", "prompts": {"cow": ""}}}, "audio.prompts: expected a text for each class"),
        ({"audio": {"features": "uwav", "prompts": {"Cow": "x", "Big_dog": "y"}}}, "for class 'cow', or a template"),
        ({"audio": {"features": "uwav", "template": "{}", "thresholds": {"cow": "high"}}}, "audio.thresholds.cow"),
        ({"audio": {"features": "uwav", "template": "{}", "thresholds": [1]}}, "audio.thresholds: expected a number"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_teacher_is_one_line(change: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        read_teacher(written(tmp_path, **(PROMPTS | change)), card("cow", "Big_dog"))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_teachers_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--teacher: expected one of embedded, valor, FILE.yaml, found 'velor'"):
        read_teacher("velor", LLP)
    with pytest.raises(DataError, match=r"none.yaml: expected a teacher in YAML, cannot read it"):
        read_teacher(tmp_path / "none.yaml", LLP)
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(
        DataError, match=r"bad.yaml: expected a teacher in YAML, cannot read it \(.*, line 1\)"
    ) as caught:
        read_teacher(tmp_path / "bad.yaml", LLP)
    assert "\n" not in str(caught.value)
    (tmp_path / "list.yaml").write_text("[1, 2]")
    with pytest.raises(ConfigError, match=r"list.yaml: expected name, kind"):
        read_teacher(tmp_path / "list.yaml", LLP)


def rows_of(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.standard_normal(shape).astype(np.float32)


def test_prompts_score_by_cosines() -> None:
    rng = np.random.default_rng(0)
    rows, texts = rows_of(rng, 8, 6), rows_of(rng, 3, 6)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    rows[2:4] = 0  # a segment of nothing
    found = prompt_judge(texts, 100.0)(rows, 4)
    assert (found.dtype, found.shape) == (np.float32, (4, 3))
    for segment in (0, 2, 3):
        own = rows[2 * segment : 2 * segment + 2]
        for place, text in enumerate(texts):
            cosines = [row @ text / np.linalg.norm(row) for row in own]
            assert found[segment, place] == pytest.approx(100 * np.mean(cosines), abs=1e-4)
    assert np.isnan(found[1]).all()


def test_names_score_by_the_highest_of_a_segment() -> None:
    rng = np.random.default_rng(1)
    rows, weight, bias = rows_of(rng, 4, 5), rows_of(rng, 6, 5), rows_of(rng, 6)
    every = rows @ weight.T + bias
    found = outputs_judge(weight, bias, [(1, 4), (), (2,)], exclusive=False)(rows, 2)
    np.testing.assert_allclose(found[:, 0], every[:, [1, 4]].max(axis=1).reshape(2, 2).max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found[:, 2], every[:, 2].reshape(2, 2).max(axis=1), rtol=1e-5)
    assert np.isnan(found[:, 1]).all()
    rows[1] = 0  # no picture beside one
    rows[2:] = 0
    shares = np.exp(every) / np.exp(every).sum(axis=1, keepdims=True)
    found = outputs_judge(weight, bias, [(1, 4), (), (2,)], exclusive=True)(rows, 2)
    assert found[0, 0] == pytest.approx(float(logit(shares[0, [1, 4]].sum())), rel=1e-4)
    assert found[0, 2] == pytest.approx(float(logit(shares[0, 2])), rel=1e-4)
    assert np.isnan(found[1]).all()
    assert np.isnan(found[:, 1]).all()


def test_a_sure_picture_has_a_finite_score() -> None:
    found = outputs_judge(np.eye(2, dtype=np.float32) * 500, np.zeros(2, np.float32), [(0,), (1,)], exclusive=True)(
        np.array([[1, 0]], np.float32), 1
    )
    assert np.isfinite(found).all()
    assert found[0, 0] > 16 > -16 > found[0, 1]


def test_real_text_models_are_asked(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed (the extra `clip`)")
    from leap_avvp.media.backbones.clap import CLAP
    from leap_avvp.media.backbones.clip import CLIP

    networks = (CLIP(clip_folder(tmp_path / "clip")), CLAP(clap_folder(tmp_path / "clap", fusion=True)))
    for backbone, stream in zip(networks, ("video_2d", "audio"), strict=True):
        asked = Sense(stream, ("valor",), ("a photo of a dog", "this is a sound of a cat"), (), (0.0, 0.0))
        rows = rows_of(np.random.default_rng(2), 10, backbone.width)
        found = judge_of(asked, backbone)(rows, 10)
        texts = backbone.text(asked.prompts)
        expected = backbone.scale * (rows / np.linalg.norm(rows, axis=1, keepdims=True)) @ texts.T
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        assert np.ptp(found) > 0


@needs("yamnet", "efficientnet_lite0")
@pytest.mark.slow
def test_embeddings_give_the_embedded_pairs_own_scores() -> None:
    from leap_avvp.media.zero_shot import ZeroShot

    pair = ZeroShot()
    rng = np.random.default_rng(3)
    pieces = (0.3 * rng.standard_normal((4, 15_600))).astype(np.float32)
    embedded, scores = pair.ear.hear(pieces)
    heard = Sense("audio", ("embedded",), (), ((0, 67), (137,)), (0.0, 0.0))
    expected = [[logit(row[[0, 67]].max()), logit(row[137])] for row in scores.astype(np.float64)]
    np.testing.assert_allclose(judge_of(heard, pair)(embedded, 4), np.array(expected), rtol=1e-3, atol=1e-3)
    pictures = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(4)]
    embedded, shares = pair.eye.see([pair.eye.shrink(picture) for picture in pictures])
    seen = Sense("video_2d", ("embedded",), (), ((*range(151, 269),), (7, 8)), (0.0, 0.0))
    expected = [[logit(row[151:269].sum()), logit(row[7:9].sum())] for row in shares.astype(np.float64)]
    np.testing.assert_allclose(judge_of(seen, pair.eye)(embedded, 4), np.array(expected), rtol=1e-3, atol=1e-3)


def scores_of(number: int, classes: int, seed: int = 0) -> list[NDArray[np.float32]]:
    return [rows_of(np.random.default_rng((seed, place)), 4, classes) for place in range(number)]


def test_a_missing_threshold_is_a_quantile_of_videos_without_the_class() -> None:
    nan = math.nan
    found = teacher(sense("audio", [nan, 7.0, nan]), sense("video_2d", [nan, nan, nan], [True, False, True]))
    weak = np.zeros((8, 3), bool)
    weak[:3, 0] = weak[2:5, 1] = True  # nobody has the third
    scores = {"audio": scores_of(8, 3), "visual": scores_of(8, 3, seed=1)}
    scores["audio"][7][:] = nan  # no sound: nothing was judged
    scores["audio"][6][:2] = nan
    thresholds, origins = thresholds_of(found, scores, weak, ["a", "b", "c"])
    rest = np.concatenate([one[:, 0] for one in scores["audio"][3:]])
    assert thresholds["audio"][0] == pytest.approx(np.quantile(rest[~np.isnan(rest)], 0.95))
    assert thresholds["audio"][1] == 7
    assert thresholds["visual"][0] == pytest.approx(
        np.quantile(np.concatenate([one[:, 0] for one in scores["visual"][3:]]), 0.95)
    )
    assert np.isnan([thresholds["audio"][2], thresholds["visual"][1], thresholds["visual"][2]]).all()
    assert origins == {
        "audio": {"a": "0.95 quantile of 4 videos without it", "b": "the teacher's"},
        "visual": {"a": "0.95 quantile of 5 videos without it"},
    }


def test_too_few_videos_without_the_class_are_refused() -> None:
    found = teacher(sense("audio", [math.nan]), sense("video_2d", [0.0]))
    weak = np.array([[True], [False], [False]])
    text = "a, audio: teacher one has no threshold for it, and only 2 videos .* expected at least 3"
    with pytest.raises(ConfigError, match=text):
        check_enough(found, weak, ["a"])
    with pytest.raises(ConfigError, match=text):
        thresholds_of(found, {"audio": scores_of(3, 1), "visual": scores_of(3, 1)}, weak, ["a"])
    check_enough(found, np.zeros((3, 1), bool), ["a"])  # nobody has it
    check_enough(dataclasses.replace(found, videos=2), weak, ["a"])
    check_enough(teacher(sense("audio", [1.0]), sense("video_2d", [0.0])), weak, ["a"])


@pytest.mark.parametrize("seed", range(3))
def test_labels_against_plain_arithmetic(seed: int) -> None:
    rng = np.random.default_rng(seed)
    both = {"audio": sense("audio", [0.0] * 5), "visual": sense("video_2d", [0.0] * 5)}
    scores = {modality: 3 * rows_of(rng, 6, 5) for modality in both}
    thresholds = {modality: rng.standard_normal(5) for modality in both}
    weak = rng.random(5) < 0.6
    hard = segment_labels(scores, thresholds, weak, both)
    soft = segment_labels(scores, thresholds, weak, both, soft=True, temperature=2.0)
    for modality in both:
        assert hard[modality].dtype == np.int64
        assert soft[modality].dtype == np.float32
        np.testing.assert_array_equal(hard[modality], (scores[modality] > thresholds[modality]) & weak)
        expected = soft_targets(scores[modality][None], thresholds[modality], weak[None])[0]
        np.testing.assert_allclose(soft[modality], expected, rtol=1e-6)
        np.testing.assert_array_equal(soft[modality] > 0.5, hard[modality] == 1)


def test_with_half_as_threshold_soft_labels_are_the_probabilities() -> None:
    chance = np.random.default_rng(4).random((6, 2))
    both = {"audio": sense("audio", [0.0] * 2), "visual": sense("video_2d", [0.0] * 2)}
    scores = dict.fromkeys(both, logit(chance).astype(np.float32))
    found = segment_labels(scores, dict.fromkeys(both, np.zeros(2)), np.array([True, False]), both, soft=True)
    np.testing.assert_allclose(found["audio"][:, 0], chance[:, 0], rtol=1e-5)
    assert not found["audio"][:, 1].any()


@pytest.mark.parametrize("soft", [False, True])
def test_what_cannot_be_judged(soft: bool) -> None:
    """Classes: heard and unnameable by eye; not heard; nobody can judge; heard, but not in the weak label; seen."""
    nan = math.nan
    senses = {
        "audio": sense("audio", [0.0] * 5, [True, True, False, True, False]),
        "visual": sense("video_2d", [0.0] * 5, [False, False, False, False, True]),
    }
    scores = {
        "audio": np.array([[5, -5, nan, 5, nan], [-5, -5, nan, 5, nan]], np.float32),
        "visual": np.array([[nan, nan, nan, nan, 5], [nan, nan, nan, nan, nan]], np.float32),
    }
    thresholds = {modality: np.where(one.judged, 0.0, nan) for modality, one in senses.items()}
    weak = np.array([True, True, True, False, True])
    found = segment_labels(scores, thresholds, weak, senses, soft=soft)
    assert np.round(found["audio"]).tolist() == [[1, 0, 1, 0, 0], [0, 0, 1, 0, 0]]
    assert np.round(found["visual"]).tolist() == [[0, 1, 1, 0, 1], [0, 1, 1, 0, 0]]
    found = segment_labels(scores, thresholds, weak, senses, soft=soft, unjudged="weak")
    assert np.round(found["audio"]).tolist() == [[1, 0, 1, 0, 1], [0, 0, 1, 0, 1]]
    assert np.round(found["visual"]).tolist() == [[1, 1, 1, 0, 1], [1, 1, 1, 0, 0]]
    assert all(np.isfinite(one).all() and one.min() >= 0 and one.max() <= 1 for one in found.values())
