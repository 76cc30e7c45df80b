"""Our parser with the weights of VALOR's and UWAV's programs computes what they compute."""

from __future__ import annotations

import math

import pytest
import torch

from leap_avvp.released import dead_shapes, describe, load_released, recognise, to_released
from tests.parity.peers import PEERS, golden_features, golden_losses, golden_outputs, need_golden
from tests.parity.rule import golden_state

NAMES = {
    "valor": "VALOR (1 layer of width 512, 8 heads)",
    "valor_plus": "VALOR (4 layers of width 256, 8 heads)",
    "valor_plus_plus": "VALOR (4 layers of width 256, 8 heads)",
    "uwav": "UWAV (5 layers of width 512, 16 heads)",
    "uwav_clip_clap": "UWAV (5 layers of width 512, 16 heads)",
    "uwav_clip_clap_flag": "UWAV (5 layers of width 768, 16 heads)",
}
FEATURES = ("llp", "llp", "valor", "llp", "uwav", "uwav")


@pytest.fixture(scope="module", params=PEERS)
def model(request):
    return request.param


@pytest.fixture(scope="module")
def state(model):
    need_golden()
    return golden_state(model)


@pytest.fixture(scope="module")
def parser(state):
    return load_released(state)


def test_outputs_equal_the_released_ones(model, parser):
    expected = golden_outputs(model)
    with torch.no_grad():
        out = parser(**golden_features(model))
    assert len(expected) == 7
    for name, value in expected.items():
        torch.testing.assert_close(out[name], value, rtol=0, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_parameters_are_accounted_for_and_the_weights_travel_back(model, state, parser):
    losses = golden_losses(model)
    architecture = recognise(state)
    assert describe(architecture) == NAMES[model]
    assert architecture.features.name == FEATURES[PEERS.index(model)]
    dead = dead_shapes(architecture)
    live = sum(parameter.numel() for parameter in parser.parameters())
    assert live + sum(math.prod(shape) for shape in dead.values()) == losses["params"]
    assert set(dead) == {name for name, value in losses["grad_norm"].items() if value is None}
    back = to_released(parser)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], value) for name, value in state.items())


def test_the_order_of_the_two_updates_matters(model, parser, monkeypatch):
    monkeypatch.setattr(parser.encoder, "update", "parallel")
    with torch.no_grad():
        wrong = parser(**golden_features(model)).segment_visual_prob
    assert (wrong - golden_outputs(model)["segment_visual_prob"]).abs().max() > 0.05
