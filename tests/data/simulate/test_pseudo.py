"""Simulated pseudo labels: as imperfect as we say, masked by the weak label, and wrong in runs."""

from __future__ import annotations

import numpy as np
import pytest

from leap_avvp.data.simulate import SimulatedLLP
from leap_avvp.data.simulate.pseudo import agreement, draw_pseudo_labels

SOURCE = SimulatedLLP(num_train=6000)


def test_precision_and_recall() -> None:
    facts = SOURCE.describe()
    for name, value in {
        "pseudo_label_precision_audio": 0.90,
        "pseudo_label_recall_audio": 0.90,
        "pseudo_label_precision_visual": 0.88,
        "pseudo_label_recall_visual": 0.86,
    }.items():
        assert facts[name] == pytest.approx(value, abs=0.03), name


def test_masked_by_the_weak_label() -> None:
    _, weak, _ = SOURCE.labels("train")
    for labels in SOURCE.teachers("train"):
        assert labels.dtype == np.float32
        assert set(np.unique(labels)) == {0.0, 1.0}
        assert not labels[~np.repeat(weak[:, None], 10, axis=1)].any()


def test_without_error_they_are_the_truth() -> None:
    _, weak, dense = SOURCE.labels("train")
    audio, visual = draw_pseudo_labels((dense.audio, dense.visual), weak, np.random.default_rng(0), error=0.0)
    assert np.array_equal(audio > 0, dense.audio)
    assert np.array_equal(visual > 0, dense.visual)


def test_more_error_less_agreement() -> None:
    _, weak, dense = SOURCE.labels("train")
    truth = (dense.audio, dense.visual)
    scores = [
        agreement(draw_pseudo_labels(truth, weak, np.random.default_rng(0), error)[0], dense.audio).recall
        for error in (0.5, 1.0, 2.0)
    ]
    assert scores[0] > scores[1] > scores[2]


def test_mistakes_come_in_runs() -> None:
    _, _, dense = SOURCE.labels("train")
    audio, _ = SOURCE.teachers("train")
    wrong = (audio > 0) != dense.audio
    after_a_mistake = wrong[:, 1:][wrong[:, :-1]].mean()
    assert after_a_mistake > 0.5 > 20 * wrong.mean()


def test_errors_differ_by_class() -> None:
    _, _, dense = SOURCE.labels("train")
    audio, _ = SOURCE.teachers("train")
    recall = [agreement(audio[..., label], dense.audio[..., label]).recall for label in range(25)]
    assert max(recall) - min(recall) > 0.08


def test_soft_targets_say_what_the_labels_say_and_how_surely() -> None:
    source = SimulatedLLP(2000, pseudo_labels="uwav")
    _, weak, dense = source.labels("train")
    loaded = source.load("train")
    for hard, soft, given, truth in zip(
        source.teachers("train"),
        source.soft_targets("train"),
        (loaded.segment_audio, loaded.segment_visual),
        dense,
        strict=True,
    ):
        assert given is not None
        assert np.array_equal(given, soft)
        assert np.array_equal(soft > 0.5, hard > 0)
        inside = np.repeat(weak[:, None], 10, axis=1)
        assert not soft[~inside].any()
        assert soft.dtype == np.float32
        assert 0 < soft[inside].min() < 0.1
        assert 0.9 < soft[inside].max() < 1
        # Surer of what is there than of what is not, and less sure where they err.
        margin = np.abs(soft - 0.5)
        right = inside & ((hard > 0) == truth)
        assert 0.2 < margin[inside & ~right].mean() + 0.08 < margin[right].mean() < 0.4


def test_soft_targets_of_the_first_videos_do_not_depend_on_the_others() -> None:
    few, many = (SimulatedLLP(number, 1, 1, pseudo_labels="uwav").soft_targets("train")[1] for number in (5, 50))
    assert np.array_equal(few, many[:5])


def test_soft_targets_change_nothing_else() -> None:
    valor, uwav = (SimulatedLLP(20, 4, 4, pseudo_labels=kind).load("train") for kind in ("valor", "uwav"))
    assert np.array_equal(valor.audio, uwav.audio)
    assert np.array_equal(valor.video_label, uwav.video_label)
    facts = SimulatedLLP(20, 4, 4, pseudo_labels="uwav").describe()
    assert facts == SimulatedLLP(20, 4, 4).describe() | {"pseudo_labels": "uwav"}
