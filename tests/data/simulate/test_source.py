"""The simulated source: the shapes of LLP, the same bytes every time, and what its knobs do."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from leap_avvp.data.simulate import SimulatedLLP, simulated_label_embedding
from leap_avvp.data.split import DataSource, SplitData
from leap_avvp.errors import ConfigError
from leap_avvp.llp import SPLITS, video_id

SMALL = {"num_train": 40, "num_val": 6, "num_test": 7}


def assert_same(one: SplitData, other: SplitData, videos: int | None = None) -> None:
    """Check that two splits are equal to the bit, or their first ``videos``."""
    for field in dataclasses.fields(SplitData):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            assert left[:videos].tobytes() == right[:videos].tobytes(), field.name
        elif field.name == "filenames":
            assert left[:videos] == right[:videos]
        else:
            assert left == right, field.name


def test_shapes_and_types() -> None:
    source: DataSource = SimulatedLLP(**SMALL)
    for split, size in zip(SPLITS, (40, 6, 7), strict=True):
        data = source.load(split)
        assert len(data) == size
        assert data.audio.shape == (size, 10, 128)
        assert data.video_2d.shape == (size, 10, 2048)
        assert data.video_3d.shape == (size, 10, 512)
        assert data.video_label.shape == (size, 25)
        for features in (data.audio, data.video_2d, data.video_3d, data.video_label):
            assert features.dtype == np.float32
            assert np.isfinite(features).all()
        for target in (data.target_audio, data.target_visual):
            assert target is not None
            assert target.shape == (size, 10, 25)
            assert target.dtype == np.bool_
        if split != "train":
            assert data.segment_audio is None
            assert data.segment_visual is None


def test_filenames_look_simulated_and_are_unique() -> None:
    source = SimulatedLLP(**SMALL)
    names = [name for split in SPLITS for name in source.labels(split)[0]]
    assert len({video_id(name) for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{11}_0_10", name) and "sim" in name for name in names)
    # Real ids begin with "-" and "_" too, which has broken programs.
    assert {"-", "_"} <= {name[0] for name in names}


def test_same_arguments_same_bytes_in_any_order() -> None:
    one, other = SimulatedLLP(**SMALL, seed=3), SimulatedLLP(**SMALL, seed=3)
    first = {split: one.load(split) for split in SPLITS}
    for split in reversed(SPLITS):
        other.describe()
        assert_same(first[split], other.load(split))
        assert_same(first[split], one.load(split))


def test_first_videos_do_not_depend_on_the_size() -> None:
    few, many = SimulatedLLP(num_train=8, num_val=1, num_test=1), SimulatedLLP(num_train=20, num_val=1, num_test=1)
    assert_same(few.load("train"), many.load("train"), videos=8)


def test_loaded_arrays_are_the_callers_own() -> None:
    source = SimulatedLLP(**SMALL)
    data = source.load("val")
    before = source.load("val")
    assert data.target_audio is not None
    data.target_audio[:] = ~data.target_audio
    data.video_label[:] = 7
    data.filenames.clear()
    assert_same(before, source.load("val"))


def test_seeds_draw_other_videos() -> None:
    one, other = SimulatedLLP(**SMALL, seed=0).load("test"), SimulatedLLP(**SMALL, seed=1).load("test")
    assert not np.array_equal(one.audio, other.audio)
    assert not np.array_equal(one.video_label, other.video_label)


def test_frames_pool_to_the_loaded_vectors() -> None:
    source = SimulatedLLP(**SMALL)
    data = source.load("val")
    for index in (0, 5):
        frames = source.frames("val", index)
        assert frames.shape == (80, 2048)
        assert frames.dtype == np.float32
        np.testing.assert_allclose(frames.reshape(10, 8, 2048).mean(axis=1), data.video_2d[index], atol=2e-6)
        assert frames.reshape(10, 8, 2048).std(axis=1).mean() > 0.1


def test_features_have_about_unit_variance() -> None:
    data = SimulatedLLP(num_train=100, num_val=1, num_test=1).load("train")
    for features in (data.audio, data.video_2d, data.video_3d):
        assert 0.7 < features.std() < 1.4


def test_an_event_moves_the_features_of_its_seconds_most() -> None:
    data = SimulatedLLP(num_train=1, num_val=1, num_test=300).load("test")
    assert data.target_audio is not None
    on = data.target_audio[..., 0]
    direction = data.audio[on].mean(axis=0) - data.audio[~on].mean(axis=0)
    score = data.audio @ direction
    assert score[on].mean() - score[~on].mean() > 1.5 * score[~on].std()


def test_no_teachers() -> None:
    data = SimulatedLLP(**SMALL, pseudo_labels="none").load("train")
    label = data.video_label
    assert data.video_audio is not None
    assert data.video_visual is not None
    assert data.segment_audio is not None
    assert data.segment_visual is not None
    np.testing.assert_array_equal(data.video_audio, label)
    np.testing.assert_allclose(data.video_visual, 0.9 * label + 0.05)
    np.testing.assert_array_equal(data.segment_audio, np.repeat(label[:, None], 10, axis=1))
    np.testing.assert_allclose(data.segment_visual, np.repeat(0.9 * label[:, None] + 0.05, 10, axis=1))
    assert data.segment_visual.dtype == np.float32
    assert not any("pseudo_label_" in key for key in SimulatedLLP(**SMALL, pseudo_labels="none").describe())


def test_describe_says_that_it_is_simulated() -> None:
    facts = SimulatedLLP(**SMALL, seed=5).describe()
    assert facts["source"] == "simulated"
    assert "no score" in str(facts["note"])
    assert facts["seed"] == 5
    assert facts["videos"] == {"train": 40, "val": 6, "test": 7}
    assert {"noise", "confusion", "alignment", "pseudo_error"} <= facts.keys()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("num_train", 0),
        ("num_test", 100_000),
        ("seed", -1),
        ("noise", -0.1),
        ("confusion", 1.5),
        ("alignment", float("nan")),
        ("pseudo_labels", "valour"),
    ],
)
def test_a_wrong_option_is_named(option: str, value: object) -> None:
    with pytest.raises(ConfigError, match=option):
        SimulatedLLP(**{option: value})  # type: ignore[arg-type]


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'val'"):
        SimulatedLLP(**SMALL).load("vall")


def test_label_embedding() -> None:
    embedding = simulated_label_embedding()
    assert embedding.shape == (25, 300)
    assert embedding.dtype == np.float32
    norms = np.linalg.norm(embedding, axis=1)
    assert 5 <= norms.min() <= norms.max() <= 7
    np.testing.assert_array_equal(embedding, SimulatedLLP(seed=9).label_embedding())
    cosine = (embedding / norms[:, None]) @ (embedding / norms[:, None]).T
    assert cosine[9, 13] > 0.15 > abs(cosine[9, 1])  # cello is nearer to violin than to car
