"""Our parser with the released programs' weights computes what they compute."""

from __future__ import annotations

import math

import pytest
import torch

from leap_avvp.losses import ParsingLoss
from leap_avvp.models import VideoParser
from leap_avvp.released import dead_shapes, load_released, recognise, to_released


@pytest.fixture(scope="module")
def parser(golden) -> VideoParser:
    return load_released(golden.state_dict(), golden.inputs["label_embedding"])


def test_outputs_equal_the_released_ones(golden, parser):
    with torch.no_grad():
        out = parser(**golden.features)
    assert set(golden.outputs) <= set(out)
    for name, expected in golden.outputs.items():
        torch.testing.assert_close(
            out[name], expected, rtol=0, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_pooled_frames_give_the_same_outputs(golden, parser):
    pooled = golden.features["video_2d"].unflatten(1, (10, 8)).mean(2)
    with torch.no_grad():
        out = parser(**golden.features | {"video_2d": pooled})
    for name, expected in golden.outputs.items():
        torch.testing.assert_close(out[name], expected, rtol=0, atol=1e-5)


def test_losses_and_gradient_norm_equal_the_released_ones(golden):
    parser = load_released(golden.state_dict(), golden.inputs["label_embedding"])
    terms = ParsingLoss()(parser(**golden.features), golden.inputs)
    assert set(golden.losses["loss"]) == set(terms) - {"total"}
    for name, expected in golden.losses["loss"].items():
        assert terms[name].item() == pytest.approx(expected, abs=1e-5), name
    assert terms["total"].item() == pytest.approx(golden.losses["total"], abs=1e-5)
    terms["total"].backward()
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in parser.parameters() if p.grad is not None))
    expected_norm = math.sqrt(sum(value**2 for value in golden.losses["grad_norm"].values() if value is not None))
    assert norm == pytest.approx(expected_norm, rel=1e-4)


def test_gradient_norm_of_each_layer_equals_the_released_one(golden):
    parser = load_released(golden.state_dict(), golden.inputs["label_embedding"])
    ParsingLoss()(parser(**golden.features), golden.inputs)["total"].backward()
    # The gradients travel the key map like weights do.
    with torch.no_grad():
        for parameter in parser.parameters():
            parameter.copy_(parameter.grad)
    gradients = to_released(parser)
    scale = max(value for value in golden.losses["grad_norm"].values() if value is not None)
    for name, expected in golden.losses["grad_norm"].items():
        if expected is not None:
            assert gradients[name].norm().item() == pytest.approx(expected, rel=1e-3, abs=1e-6 * scale), name


@pytest.mark.slow
def test_ten_adam_steps_follow_the_released_ones(golden):
    parser = load_released(golden.state_dict(), golden.inputs["label_embedding"])  # eval mode: no dropout
    optimizer, loss = torch.optim.Adam(parser.parameters(), lr=1e-4), ParsingLoss()
    for step, expected in enumerate(golden.losses["adam_1e-4_total_loss_per_step"]):
        total = loss(parser(**golden.features), golden.inputs)["total"]
        assert total.item() == pytest.approx(expected, rel=1e-3), f"step {step}"
        optimizer.zero_grad()
        total.backward()
        optimizer.step()


def test_no_parameter_is_dead_and_the_released_count_is_accounted_for(golden, parser):
    released = golden.losses["params"]
    dead = sum(math.prod(shape) for shape in dead_shapes(recognise(golden.state_dict())).values())
    live = sum(p.numel() for p in parser.parameters())
    assert live + dead == released
    shapes = {name: value.shape for name, value in golden.state_dict().items()}
    dead_there = {name for name, value in golden.losses["grad_norm"].items() if value is None}
    assert set(dead_shapes(recognise(golden.state_dict()))) == dead_there
    if golden.model == "mm_pyramid-leap-2blocks":
        assert (released, live) == (52_005_380, 47_256_068)
        assert sum(math.prod(shapes[n]) for n in dead_there if n.startswith(("AVL.multi", "AVL.feed"))) == 1_576_960


def test_weights_travel_there_and_back_unchanged(golden, parser):
    state = golden.state_dict()
    back = to_released(parser)
    assert set(back) == set(state)
    assert all(torch.equal(back[name], state[name]) for name in state)
