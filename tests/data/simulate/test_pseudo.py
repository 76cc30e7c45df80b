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
