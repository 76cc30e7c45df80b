"""How hard the simulated data are: neither trivial nor hopeless for a linear probe that knows the truth."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from leap_avvp.data.simulate import SimulatedLLP
from leap_avvp.data.split import SplitData
from leap_avvp.metrics import ParsingMetrics


def probe(features: NDArray[np.float32], truth: NDArray[np.bool_], unseen: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Fit one logistic regression a class on single segments (N, T, D); return its answers (M, T, C) on ``unseen``."""
    inputs, labels = features.reshape(-1, features.shape[-1]), truth.reshape(-1, truth.shape[-1])
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0)
    inputs = (inputs - mean) / spread
    rows = (unseen.reshape(-1, unseen.shape[-1]) - mean) / spread
    answers = np.zeros((len(rows), labels.shape[1]), dtype=bool)
    for label in range(labels.shape[1]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # thirty steps are enough, and bound the time
            answers[:, label] = LogisticRegression(C=0.01, max_iter=30).fit(inputs, labels[:, label]).predict(rows)
    return answers.reshape(*unseen.shape[:2], -1)


def visual(data: SplitData) -> NDArray[np.float32]:
    return np.concatenate([data.video_2d, data.video_3d], axis=2)


@pytest.mark.slow
def test_a_linear_probe_of_single_segments_scores_between_trivial_and_hopeless() -> None:
    source = SimulatedLLP()
    train, test = source.load("train"), source.load("test")
    assert train.target_audio is not None
    assert train.target_visual is not None
    audio = probe(train.audio, train.target_audio, test.audio)
    seen = probe(visual(train), train.target_visual, visual(test))
    metrics = ParsingMetrics()
    metrics.update(*(torch.from_numpy(grid) for grid in (audio, seen, test.target_audio, test.target_visual)))
    score = float(metrics.compute()["segment/type_av"])
    assert 55 < score < 80
    # The figure that the docstring of leap_avvp.data.simulate.features states.
    assert score == pytest.approx(78.6, abs=1.0)
