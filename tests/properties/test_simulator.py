"""What holds of simulated videos for every seed and size, not for the seeds that the statistics are measured with."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leap_avvp.card.reduce import reduce_rows
from leap_avvp.data.simulate import SimulatedLLP
from leap_avvp.data.simulate.generic import draw_dense_labels, draw_weak_labels
from leap_avvp.data.simulate.labels import draw_dense, draw_weak
from leap_avvp.data.simulate.pseudo import agreement, draw_pseudo_labels
from leap_avvp.data.split import SplitData
from leap_avvp.data.statistics import dense_statistics, label_statistics
from leap_avvp.llp import SPLITS
from tests.data.simulate.cards import SETS, make_card

pytestmark = pytest.mark.no_cover  # drawn many times, over lines that other tests cover
DRAWN = settings(deadline=None, max_examples=15, derandomize=True)
SEEDS = st.integers(0, 2**31)


def arrays(data: SplitData) -> dict[str, np.ndarray]:
    every = {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
    return {name: value for name, value in every.items() if isinstance(value, np.ndarray)}


@given(seed=SEEDS, number=st.integers(1, 6), more=st.integers(0, 4), split=st.sampled_from(SPLITS))
@DRAWN
def test_a_seed_is_a_data_set_and_its_first_videos_stay(seed: int, number: int, more: int, split: str) -> None:
    def source(size: int) -> SimulatedLLP:
        return SimulatedLLP(num_train=size, num_val=size, num_test=size, seed=seed)

    few, many, other = source(number), source(number + more), SimulatedLLP(number, number, number, seed=seed + 1)
    many.load("val")  # what was drawn before changes nothing
    one, longer, another = few.load(split), many.load(split), other.load(split)
    assert one.filenames == longer.filenames[:number]
    for name, array in arrays(one).items():
        np.testing.assert_array_equal(array, arrays(longer)[name][:number], err_msg=name)
    assert not np.array_equal(one.audio, another.audio)


@given(seed=SEEDS, split=st.sampled_from(SPLITS), teachers=st.sampled_from(["valor", "none"]), noise=st.floats(0, 3))
@DRAWN
def test_what_every_split_keeps_to(seed: int, split: str, teachers: str, noise: float) -> None:
    source = SimulatedLLP(5, 5, 5, seed=seed, pseudo_labels=teachers, noise=noise)
    data = source.load(split)
    assert data.target_audio is not None
    assert data.target_visual is not None
    np.testing.assert_array_equal((data.target_audio | data.target_visual).any(axis=1), data.video_label == 1)
    assert set(np.unique(data.video_label)) <= {0, 1}
    assert (data.video_label.sum(axis=1) >= 1).all()
    for name, array in arrays(data).items():
        assert array.dtype == (np.bool_ if name.startswith("target") else np.float32), name
        assert np.isfinite(array).all(), name
        assert len(array) == len(data) == 5
    assert (data.segment_audio is not None) == (split == "train")
    if split == "train" and teachers == "valor":
        for segments in (data.segment_audio, data.segment_visual):
            assert segments is not None
            assert set(np.unique(segments)) <= {0, 1}
            assert not segments[np.broadcast_to(data.video_label[:, None] == 0, segments.shape)].any()


@given(seed=SEEDS)
@DRAWN
def test_statistics_stay_in_bounds_for_any_seed(seed: int) -> None:
    """Wider than where they are measured: 2,000 videos of one seed, five standard errors and the fit's own error."""
    weak = draw_weak("test", 2_000, np.random.default_rng(seed))
    dense = draw_dense(weak, np.random.default_rng(seed + 1))
    labels, found = label_statistics(weak), dense_statistics(*dense)
    np.testing.assert_allclose(labels.labels_per_video, [0, 0.337, 0.541, 0.098, 0.021], atol=0.07)
    assert labels.labels_per_video[0] == 0
    assert found.only_heard == pytest.approx(0.349, abs=0.06)
    assert found.only_seen == pytest.approx(0.046, abs=0.03)
    assert found.iou_mean == pytest.approx(0.827, abs=0.05)
    assert found.audio.run_length.sum() == pytest.approx(1)


@given(seed=SEEDS, error=st.floats(0, 5))
@DRAWN
def test_teachers_are_right_without_error_and_masked_with_any(seed: int, error: float) -> None:
    weak = draw_weak("train", 100, np.random.default_rng(seed))
    dense = draw_dense(weak, np.random.default_rng(seed + 1))

    def teach(size: float) -> tuple[np.ndarray, np.ndarray]:
        return draw_pseudo_labels(tuple(dense), weak, np.random.default_rng(seed + 2), size)  # type: ignore[arg-type]

    for modality, labels in enumerate(teach(error)):
        assert not labels[np.broadcast_to(~weak[:, None], labels.shape)].any()
        np.testing.assert_array_equal(teach(error)[modality], labels)
        quality, sure = agreement(labels, dense[modality]), agreement(teach(0.0)[modality], dense[modality])
        assert quality.precision <= sure.precision + 1e-9
        assert 0 <= quality.recall <= 1


@given(
    seed=SEEDS,
    classes=st.integers(1, 60),
    segments=st.integers(1, 40),
    features=st.sampled_from(SETS),
    teachers=st.sampled_from(["valor", "weak", "none"]),
)
@DRAWN
def test_what_any_card_keeps_to(seed: int, classes: int, segments: int, features: str, teachers: str) -> None:
    card = make_card(classes, segments, features)
    few, many = (SimulatedLLP(number, 1, 1, seed=seed, pseudo_labels=teachers, card=card) for number in (2, 4))
    data, longer = few.load("train"), arrays(many.load("train"))
    assert data.target_audio is not None
    assert data.target_visual is not None
    np.testing.assert_array_equal((data.target_audio | data.target_visual).any(axis=1), data.video_label == 1)
    assert (data.video_label.sum(axis=1) >= 1).all()
    for name, array in arrays(data).items():
        np.testing.assert_array_equal(array, longer[name][:2], err_msg=name)
        assert np.isfinite(array).all(), name
        assert array.shape[-1] == card.features.widths.get(name, classes), name
        assert array.ndim == 2 or array.shape[1] == segments, name
    rows = few.rows("train", 1)
    for name, stream in card.features.streams.items():
        loaded = getattr(data, name)[1]
        reduced = reduce_rows(rows[name], stream.reduce, segments)
        assert np.abs(reduced - loaded).max() <= 1e-5 * np.abs(loaded).max(), name


@given(seed=SEEDS, classes=st.integers(1, 1000), segments=st.integers(1, 600), number=st.integers(1, 1200))
@settings(DRAWN, max_examples=10)
def test_labels_of_any_card(seed: int, classes: int, segments: int, number: int) -> None:
    order = np.random.default_rng(seed).permutation(classes)
    weak = draw_weak_labels(number, classes, order, np.random.default_rng(seed))
    assert weak.any(axis=0).sum() >= min(number, classes)
    assert weak.any(axis=1).all()
    assert weak.sum(axis=1).max() <= min(3, classes)
    first = draw_dense_labels(weak[:3], segments, np.random.default_rng(seed))
    for one, other in zip(first, draw_dense_labels(weak[:6], segments, np.random.default_rng(seed)), strict=True):
        np.testing.assert_array_equal(one, other[:3])
    np.testing.assert_array_equal((first.audio | first.visual).any(axis=1), weak[:3])
