"""The simulator of other cards and feature sets than LLP's: shapes, labels that agree, the same videos every time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from leap_avvp.card import LLP
from leap_avvp.data.annotations import SplitAnnotations
from leap_avvp.data.simulate import SimulatedLLP, simulated_label_embedding
from leap_avvp.data.split import SplitData
from leap_avvp.errors import ConfigError
from leap_avvp.llp import SPLITS
from tests.data.simulate.cards import SETS, SMALL, WIDTHS, llp_with, make_card

SIZES = [(1, 10), (28, 10), (100, 60), (527, 10), (3, 1), (2, 600)]


def arrays(data: SplitData) -> dict[str, np.ndarray]:
    every = {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
    return {name: value for name, value in every.items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize("name", SETS)
def test_llp_with_another_feature_set_has_the_same_labels_and_other_widths(name: str) -> None:
    ours, llp = SimulatedLLP(**SMALL, card=llp_with(name)), SimulatedLLP(**SMALL)
    for split in SPLITS:
        data, expected = ours.load(split), llp.load(split)
        streams = [array for array in (data.audio, data.video_2d, data.video_3d) if array is not None]
        assert tuple(array.shape[2] for array in streams) == WIDTHS[name]
        assert (data.video_3d is None) == (len(WIDTHS[name]) == 2)
        for array in streams:
            assert array.shape[:2] == (len(expected), 10)
            assert array.dtype == np.float32
            assert 0.5 < array.std() < 1.6
        assert data.filenames == expected.filenames
        for key, array in arrays(expected).items():
            if key not in ("audio", "video_2d", "video_3d"):
                np.testing.assert_array_equal(arrays(data)[key], array, err_msg=key)
    np.testing.assert_array_equal(ours.label_embedding(), llp.label_embedding())


def test_what_is_heard_does_not_depend_on_the_feature_set() -> None:
    """Whatever their widths, streams of one video say the same: their segments resemble each other alike."""
    one, other = (SimulatedLLP(20, 1, 1, noise=0, card=llp_with(name)).load("train") for name in ("llp", "embedded"))
    alike = [array @ array.transpose(0, 2, 1) / array.shape[2] for array in (one.audio, other.audio)]
    # Where the two differ is the white noise of each feature, which is no smaller in 128 dimensions.
    assert np.corrcoef(alike[0].ravel(), alike[1].ravel())[0, 1] > 0.99


@pytest.mark.parametrize(("classes", "segments"), SIZES)
@pytest.mark.parametrize("features", ["valor", "lsld"])
def test_any_card(classes: int, segments: int, features: str) -> None:
    card = make_card(classes, segments, features)
    source = SimulatedLLP(**SMALL, card=card)
    assert source.card is card
    for split, number in zip(SPLITS, SMALL.values(), strict=True):
        data = source.load(split)
        assert data.audio.shape == (number, segments, WIDTHS[features][0])
        assert data.video_2d.shape == (number, segments, WIDTHS[features][1])
        assert (data.video_3d is None) == (features == "lsld")
        assert data.video_label.shape == (number, classes)
        assert data.target_audio is not None
        assert data.target_visual is not None
        assert data.target_audio.shape == data.target_visual.shape == (number, segments, classes)
        np.testing.assert_array_equal((data.target_audio | data.target_visual).any(axis=1), data.video_label == 1)
        assert 1 <= data.video_label.sum(axis=1).min() <= data.video_label.sum(axis=1).max() <= min(3, classes)
        for key, array in arrays(data).items():
            assert np.isfinite(array).all(), key
            assert array.dtype == (np.bool_ if key.startswith("target") else np.float32), key
        if split == "train":
            for teacher in (data.segment_audio, data.segment_visual):
                assert teacher is not None
                assert teacher.shape == (number, segments, classes)
                assert set(np.unique(teacher)) <= {0, 1}
                assert not teacher[np.broadcast_to(data.video_label[:, None] == 0, teacher.shape)].any()


def test_names_of_videos_are_their_ids() -> None:
    names = SimulatedLLP(**SMALL, card=make_card(4, 10)).labels("train")[0]
    assert names[0] == "sim000000tr"
    assert names[5] == "-sim00005tr"


@pytest.mark.parametrize(("classes", "segments"), [(28, 10), (100, 60)])
def test_the_same_videos_every_time_and_the_first_ones_in_any_number(classes: int, segments: int) -> None:
    card = make_card(classes, segments)
    few, again = (SimulatedLLP(4, 2, 2, seed=5, card=card) for _ in range(2))
    again.describe()
    many, other = SimulatedLLP(9, 2, 2, seed=5, card=card), SimulatedLLP(4, 2, 2, seed=6, card=card)
    one = few.load("train")
    for key, array in arrays(again.load("train")).items():
        np.testing.assert_array_equal(arrays(one)[key], array, err_msg=key)
    for key, array in arrays(many.load("train")).items():
        np.testing.assert_array_equal(arrays(one)[key], array[:4], err_msg=key)
    assert not np.array_equal(other.load("train").video_label, one.video_label)


def test_the_classes_of_llp_look_the_same_in_longer_videos() -> None:
    longer = dataclasses.replace(LLP, name="longer", segments=20)
    source = SimulatedLLP(num_train=1, num_val=1, num_test=80, card=longer)
    np.testing.assert_array_equal(source.label_embedding(), simulated_label_embedding())
    data, llp = source.load("test"), SimulatedLLP(num_train=1, num_val=1, num_test=80).load("test")
    assert data.target_audio is not None
    assert llp.target_audio is not None
    on, known = data.target_audio[..., 0], llp.target_audio[..., 0]
    direction = llp.audio[known].mean(axis=0) - llp.audio[~known].mean(axis=0)
    score = data.audio @ direction
    assert score[on].mean() > score[~on].mean() + score[~on].std()
    assert all(name.endswith("_0_10") for name in data.filenames), "ids are LLP's"


@pytest.mark.parametrize("classes", [1, 2, 28, 527])
def test_label_embedding_of_any_card(classes: int) -> None:
    card = make_card(classes, 10)
    vectors = SimulatedLLP(**SMALL, card=card).label_embedding()
    assert vectors.shape == (classes, 300)
    assert vectors.dtype == np.float32
    norms = np.linalg.norm(vectors, axis=1)
    assert 5 <= norms.min() <= norms.max() <= 7.0001
    np.testing.assert_array_equal(vectors, simulated_label_embedding(card.classes))
    if classes > 8:  # neighbours are a family
        cosine = (vectors / norms[:, None]) @ (vectors / norms[:, None]).T
        assert cosine[0, 1] > 0.15 > abs(cosine[0, 7])


def test_weak_labels_as_pseudo_labels() -> None:
    data = SimulatedLLP(**SMALL, pseudo_labels="weak", card=make_card(5, 7)).load("train")
    assert data.video_audio is None
    assert data.video_visual is None
    for segments in (data.segment_audio, data.segment_visual):
        assert segments is not None
        assert segments.dtype == np.float32
        np.testing.assert_array_equal(segments, np.repeat(data.video_label[:, None], 7, axis=1))
    none = SimulatedLLP(**SMALL, pseudo_labels="none", card=make_card(5, 7)).load("train")
    assert none.video_audio is not None
    assert none.segment_visual is not None
    assert none.segment_visual.shape == (6, 7, 5)


def test_describe_says_what_is_not_llps() -> None:
    assert "card" not in SimulatedLLP(**SMALL, card=llp_with("uwav")).describe()
    assert SimulatedLLP(**SMALL, card=llp_with("uwav")).describe()["features"] == llp_with("uwav").features.to_dict()
    facts = SimulatedLLP(**SMALL, card=make_card(28, 12)).describe()
    assert facts["card"] == {"name": "own-28", "classes": 28, "segments": 12}
    assert facts["source"] == "simulated"


def test_a_stream_narrower_than_the_latent_space() -> None:
    features = llp_with("lsld").features
    thin = dataclasses.replace(features.streams["audio"], width=3)
    narrow = dataclasses.replace(features, name="narrow", streams=dict(features.streams) | {"audio": thin})
    data = SimulatedLLP(**SMALL, card=make_card(9, 10).with_features(narrow)).load("val")
    assert data.audio.shape == (2, 10, 3)
    assert np.isfinite(data.video_2d).all()


def test_given_annotations_of_a_card() -> None:
    card = make_card(4, 6)
    weak = np.eye(4, dtype=bool)
    audio = np.repeat(weak[:, None], 6, axis=1)
    given = {
        "train": SplitAnnotations("train", list("abcd"), weak, None, None, card),
        "test": SplitAnnotations("test", list("efgh"), weak, audio, ~audio & False, card),
    }
    source = SimulatedLLP(annotations=given, card=card)
    assert source.sizes == {"train": 4, "test": 4}
    assert source.describe()["annotations"] == "given"
    dense = source.labels("train")[2]
    np.testing.assert_array_equal((dense.audio | dense.visual).any(axis=1), weak)
    np.testing.assert_array_equal(source.load("test").target_audio, audio)
    with pytest.raises(ConfigError, match=r"split: expected one of train, test, found 'val'"):
        source.load("val")
    with pytest.raises(ConfigError, match=r"expected those of the card llp, found own-4's"):
        SimulatedLLP(annotations=given)
