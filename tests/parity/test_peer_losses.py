"""The losses of VALOR and UWAV are those of the released programs: terms, targets, gradients and ten Adam steps."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest
import torch
from torch import Tensor

from leap_avvp.config.build import Parts
from leap_avvp.config.compose import compose_config, plain
from leap_avvp.losses import FixedBalance, FrequencyBalance, MixupTerm, SegmentTerm, Step, SumOfTerms
from leap_avvp.losses.mixup import mixed
from leap_avvp.models import VideoParser
from leap_avvp.released import to_released
from leap_avvp.types import EncoderOutput
from tests.parity.peers import (
    PEERS,
    golden_features,
    golden_inputs,
    golden_losses,
    golden_outputs,
    golden_parser,
    need_golden,
)
from tests.parity.rule import GOLDEN

UWAV = [model for model in PEERS if model.startswith("uwav")]
MODALITIES = ("audio", "visual")


@pytest.fixture(scope="module", params=PEERS)
def model(request: pytest.FixtureRequest) -> str:
    golden_losses(request.param)  # skips where the files are missing
    return str(request.param)


@functools.cache
def shared(model: str) -> VideoParser:
    """Return a parser that no test may change."""
    return golden_parser(model)


@pytest.fixture
def parser(model: str) -> VideoParser:
    return shared(model)


@functools.cache
def drawn() -> dict[str, Tensor]:
    """Return what UWAV's program drew, and its targets."""
    need_golden()
    return {name: torch.from_numpy(value) for name, value in np.load(GOLDEN / "uwav.targets.npz").items()}


def batch_of(model: str) -> dict[str, Tensor]:
    """Return the targets that the released program trained on."""
    inputs = golden_inputs(model)
    if model in UWAV:
        inputs = {"video_label": inputs["video_label"]} | {f"segment_{m}": drawn()[f"soft_{m}"] for m in MODALITIES}
    return {name: inputs[name].float() for name in ("video_label", "segment_audio", "segment_visual")}


def loss_of(model: str) -> SumOfTerms:
    """Return the loss of an option, which draws what the released program drew."""
    option = model.partition("_")[0]
    loss = Parts(plain(compose_config([f"loss={option}", "output_dir=x"]))).loss()
    for term in loss.terms.values():
        if isinstance(term, MixupTerm):
            fix(term)
    loss.prepare([batch_of(model)])
    return loss


def fix(term: MixupTerm) -> MixupTerm:
    share, permutation = (drawn()[f"mixup_{name}_{term.modality}"] for name in ("lambda", "permutation"))
    term.draw = lambda rows: (share, permutation)
    return term


def test_loss_terms_equal_the_released_ones(model, parser):
    batch = golden_features(model) | batch_of(model)
    with torch.no_grad():
        found = loss_of(model)(parser(**batch), batch, parser)
    released = golden_losses(model)
    assert set(found) == {*released["loss"], "total"}
    for name, expected in released["loss"].items():
        assert found[name].item() == pytest.approx(expected, abs=1e-5), name
    assert found["total"].item() == pytest.approx(released["total"], abs=1e-5)


@pytest.mark.parametrize("modality", MODALITIES)
def test_variants_of_terms_equal_the_released_ones(model, parser, modality):
    if model not in UWAV:
        assert "terms" not in golden_losses(model)
        return
    batch = golden_features(model) | batch_of(model)
    balances = {"plain": None, "reweighted": FrequencyBalance(), "fixed_7_1": FixedBalance()}
    variants = {
        f"segment_{modality}_{targets}_{name}": SegmentTerm(modality, targets=targets, balance=balance)
        for name, balance in balances.items()
        for targets in (("soft",) if name == "fixed_7_1" else ("soft", "hard"))
    }
    variants |= {f"mixup_{modality}_{t}": fix(MixupTerm(modality, targets=t)) for t in ("soft", "hard")}
    released = golden_losses(model)["terms"]
    assert set(variants) == {name for name in released if modality in name}
    loss = SumOfTerms(variants)
    loss.prepare([batch])
    with torch.no_grad():
        found = loss(parser(**batch), batch, parser)
    for name in variants:
        assert found[name].item() == pytest.approx(released[name], abs=1e-5), name


def test_gradient_norms_equal_the_released_ones(model, parser):
    parser, batch = copy.deepcopy(parser), golden_features(model) | batch_of(model)
    loss_of(model)(parser(**batch), batch, parser)["total"].backward()
    # The gradients travel the key map like weights do.
    with torch.no_grad():
        for parameter in parser.parameters():
            parameter.copy_(parameter.grad)
    gradients, released = to_released(parser), golden_losses(model)["grad_norm"]
    for name, expected in released.items():
        if expected is not None:  # those of a softmax's bias are 0 but for rounding
            assert gradients[name].norm().item() == pytest.approx(expected, rel=1e-4, abs=1e-7), name


@pytest.mark.slow
def test_ten_adam_steps_follow_the_released_ones(model, parser):
    parser, batch, loss = copy.deepcopy(parser), golden_features(model) | batch_of(model), loss_of(model)
    optimizer = torch.optim.Adam(parser.parameters(), lr=1e-4, fused=True)  # eval mode: no dropout
    for step, expected in enumerate(golden_losses(model)["adam_1e-4_total_loss_per_step"]):
        total = loss(parser(**batch), batch, parser)["total"]
        assert total.item() == pytest.approx(expected, rel=1e-3), f"step {step}"
        optimizer.zero_grad()
        total.backward()
        optimizer.step()


@pytest.mark.parametrize("modality", MODALITIES)
def test_frequencies_weights_and_mixtures_equal_the_released_ones(modality):
    released, batch = drawn(), batch_of("uwav")
    balance = FrequencyBalance()
    balance.prepare([batch], modality)
    close(balance.frequency, released[f"class_freq_{modality}"])
    close(balance.weights(batch["video_label"][:, None].expand(4, 10, 25)), released[f"weight_{modality}"])
    out = golden_outputs("uwav")
    hard = SegmentTerm(modality, targets="hard").labels(Step(out, batch))
    assert torch.equal(hard, released[f"pseudo_{modality}"].float())
    share, permutation = (released[f"mixup_{name}_{modality}"] for name in ("lambda", "permutation"))
    feature = mixed(out[f"{modality}_feature"], share, permutation)
    close(feature.flatten(0, 1), released[f"mixup_feature_{modality}"])
    target = share * released[f"mixup_target_1_{modality}"] + (1 - share) * released[f"mixup_target_2_{modality}"]
    close(mixed(batch[f"segment_{modality}"], share, permutation).flatten(0, 1), target)
    with torch.no_grad():
        logits = shared("uwav").decoder(EncoderOutput(audio=feature, visual=feature))[f"segment_{modality}_logit"]
    close(logits.flatten(0, 1), released[f"mixup_logits_{modality}"])


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
