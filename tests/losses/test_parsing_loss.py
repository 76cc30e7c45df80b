"""The loss: hand-computed values, a slow oracle, gradients, and the options."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leap_avvp.errors import ConfigError
from leap_avvp.losses import ParsingLoss, alignment_loss, binary_cross_entropy, event_overlap

TERMS = ("video_audio", "video_visual", "video_union", "segment_audio", "segment_visual", "avss")


def make(batch: int = 2, seed: int = 0, dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator).to(dtype)

    out = {name: rand(batch, 25) for name in ("video_prob", "audio_prob", "visual_prob")}
    out |= {name: rand(batch, 10, 25) for name in ("segment_audio_prob", "segment_visual_prob")}
    out |= {name: rand(batch, 10, 8) - 0.5 for name in ("audio_feature", "visual_feature")}
    target = {name: (rand(batch, 10, 25) < 0.1).to(dtype) for name in ("segment_audio", "segment_visual")}
    target["video_label"] = (rand(batch, 25) < 0.1).to(dtype)
    return out, target


def test_cross_entropy_by_hand():
    value = binary_cross_entropy(torch.tensor([0.8, 0.5]), torch.tensor([1.0, 0.0]))
    assert value.item() == pytest.approx(-(math.log(0.8) + math.log(0.5)) / 2)


def test_cross_entropy_of_a_sure_mistake_is_clamped():
    value = binary_cross_entropy(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))
    assert value.item() == pytest.approx(-math.log(1e-7), rel=0.02)  # 1 - 1e-7 is rounded in float32
    assert torch.isfinite(binary_cross_entropy(torch.tensor([1.0], dtype=torch.bfloat16), torch.tensor([0.0])))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["video_prob", "audio_prob", "segment_visual_prob"])
def test_a_probability_that_is_no_number_makes_its_term_and_the_total_nan(name, value):
    out, target = make()
    out[name] = out[name].index_fill(0, torch.tensor([1]), value)
    terms = ParsingLoss()(out, target)
    spoilt = {"video_prob": "video_union", "audio_prob": "video_audio"}.get(name, "segment_visual")
    assert {name for name, term in terms.items() if not torch.isfinite(term)} == {spoilt, "total"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cross_entropy_and_its_gradient_are_those_of_torch_to_the_bit(dtype):
    generator = torch.Generator().manual_seed(0)
    probability = torch.rand(8, 10, 25, generator=generator, dtype=dtype)
    probability[0, 0, :4] = torch.tensor([0, 1, 1e-9, 1 - 1e-9])
    target = (torch.rand(8, 10, 25, generator=generator) < 0.3).to(dtype)
    ours, theirs = (probability.clone().requires_grad_() for _ in range(2))
    found = binary_cross_entropy(ours, target)
    expected = torch.nn.functional.binary_cross_entropy(theirs.clamp(1e-7, 1 - 1e-7), target)
    found.backward()
    expected.backward()
    assert torch.equal(found, expected)
    assert torch.equal(ours.grad, theirs.grad)


def test_total_is_the_weighted_sum():
    out, target = make()
    terms = ParsingLoss(segment_weight=0.5, avss_weight=2.0)(out, target)
    assert set(terms) == {*TERMS, "total"}
    plain = ParsingLoss()(out, target)
    for name in TERMS:
        assert terms[name] == plain[name], "terms are unweighted"
    expected = plain["video_audio"] + plain["video_visual"] + plain["video_union"]
    expected = expected + 0.5 * (plain["segment_audio"] + plain["segment_visual"]) + 2.0 * plain["avss"]
    torch.testing.assert_close(terms["total"], expected)


def test_video_targets_are_any_segment_unless_given():
    out, target = make()
    any_segment = (target["segment_audio"].sum(1) > 0).float()
    terms = ParsingLoss()(out, target)
    torch.testing.assert_close(terms["video_audio"], binary_cross_entropy(out["audio_prob"], any_segment))
    smooth = 0.9 * target["video_label"] + 0.05
    terms = ParsingLoss()(out, target | {"video_visual": smooth})
    torch.testing.assert_close(terms["video_visual"], binary_cross_entropy(out["visual_prob"], smooth))


def soft(seed: int = 3):
    """Return what the parser gives, and labels as UWAV's: probabilities of what is in the weak label, 0 of the rest."""
    out, target = make(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for name in ("segment_audio", "segment_visual"):
        target[name] = torch.rand(2, 10, 25, generator=generator) * target["video_label"][:, None]
    return out, target


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bool])
def test_video_targets_of_hard_labels_are_any_segment_to_the_bit(dtype):
    out, target = make(4)
    target = {name: value.to(dtype) for name, value in target.items()}
    target["segment_audio"][0] = 0
    any_segment = {f"video_{m}": (target[f"segment_{m}"] != 0).any(dim=1).to(dtype) for m in ("audio", "visual")}
    terms, expected = ParsingLoss()(out, target), ParsingLoss()(out, target | any_segment)
    assert all(torch.equal(terms[name], expected[name]) for name in terms)


def test_video_targets_of_soft_labels_are_the_largest_of_a_segment():
    out, target = soft()
    expected = {f"video_{m}": target[f"segment_{m}"].max(dim=1).values for m in ("audio", "visual")}
    assert 0 < expected["video_audio"].max() < 1
    terms = ParsingLoss()(out, target)
    for name, value in expected.items():
        p = out[name.replace("video_", "") + "_prob"].double().clamp(1e-7, 1 - 1e-7)
        by_hand = -(value * p.log() + (1 - value) * (1 - p).log()).mean()
        assert terms[name].item() == pytest.approx(by_hand.item(), rel=1e-5)


@pytest.mark.parametrize("normaliser", ["max_events", "union"])
def test_soft_labels_make_a_finite_loss_and_gradients(normaliser):
    out, target = soft()
    target["segment_audio"][1] *= 1e-20  # less than the smallest count that is divided by
    leaves = {name: value.clone().requires_grad_() for name, value in out.items()}
    terms = ParsingLoss(normaliser=normaliser)(leaves, target)
    assert all(torch.isfinite(value) for value in terms.values())
    terms["total"].backward()
    assert all(torch.isfinite(leaf.grad).all() for leaf in leaves.values())


@given(seed=st.integers(0, 10_000), normaliser=st.sampled_from(["max_events", "union"]), scale=st.floats(0, 1))
@settings(deadline=None, max_examples=25)
def test_overlap_of_soft_labels_is_between_0_and_1(seed, normaliser, scale):
    generator = torch.Generator().manual_seed(seed)
    audio, visual = scale * torch.rand(2, 2, 4, 5, generator=generator)
    overlap = event_overlap(audio, visual, normaliser)
    assert ((overlap >= 0) & (overlap <= 1)).all()


def test_overlap_of_soft_labels_by_hand():
    audio, visual = torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)
    audio[0, 0, :2] = torch.tensor([0.5, 1.0])
    visual[0, 0, :2] = torch.tensor([0.5, 0.25])
    assert event_overlap(audio, visual)[0].tolist() == [[pytest.approx(0.5 / 1.5), 0], [0, 0]]
    union = event_overlap(audio, visual, "union")
    assert union[0].tolist() == [[pytest.approx(0.5 / 1.75), 0], [0, 0]]


def test_boolean_targets_are_taken():
    out, target = make()
    booleans = {name: value.bool() for name, value in target.items()}
    for name, value in ParsingLoss()(out, target).items():
        torch.testing.assert_close(ParsingLoss()(out, booleans)[name], value)


def test_overlap_by_hand():
    audio, visual = torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)
    audio[0, 0, [0, 1, 2]] = 1  # three events, the most of any segment
    visual[0, 0, [1, 3]] = 1
    visual[0, 1, [0, 1]] = 1
    released = event_overlap(audio, visual)
    assert released[0].tolist() == [[pytest.approx(1 / 3), pytest.approx(2 / 3)], [0, 0]]
    union = event_overlap(audio, visual, "union")
    assert union[0].tolist() == [[pytest.approx(1 / 4), pytest.approx(2 / 3)], [0, 0]]


def test_overlap_without_events_is_zero():
    nothing = torch.zeros(2, 10, 25)
    for normaliser in ("max_events", "union"):
        assert not event_overlap(nothing, nothing, normaliser).any()
    feature = torch.ones(2, 10, 8)
    assert alignment_loss(feature, feature, nothing, nothing).item() == pytest.approx(0.99**2)


def slow_alignment(audio_feature, visual_feature, segment_audio, segment_visual, normaliser):
    total, count = 0.0, 0
    for a, v, sa, sv in zip(audio_feature, visual_feature, segment_audio, segment_visual, strict=True):
        most = max(int(row.sum()) for row in (*sa, *sv))
        for i in range(len(a)):
            for j in range(len(v)):
                common = sum(int(x and y) for x, y in zip(sa[i].bool(), sv[j].bool(), strict=True))
                either = sum(int(x or y) for x, y in zip(sa[i].bool(), sv[j].bool(), strict=True))
                n = most if normaliser == "max_events" else either
                overlap = common / n if n else 0.0
                cosine = float(a[i] @ v[j]) / (float(a[i].norm()) * float(v[j].norm()))
                total += (max(cosine, 0.0) - overlap / (1 + overlap) - 0.01) ** 2
                count += 1
    return total / count


@given(seed=st.integers(0, 10_000), normaliser=st.sampled_from(["max_events", "union"]), density=st.floats(0, 1))
@settings(deadline=None, max_examples=25)
def test_alignment_against_plain_python(seed, normaliser, density):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(2, 2, 4, 6, generator=generator, dtype=torch.float64)
    segments = (torch.rand(2, 2, 4, 5, generator=generator) < density).double()
    value = alignment_loss(features[0], features[1], segments[0], segments[1], normaliser)
    assert value.item() == pytest.approx(slow_alignment(*features, *segments, normaliser), abs=1e-12)


def test_gradients_against_finite_differences():
    out, target = make(1, seed=4, dtype=torch.float64)
    names = [name for name in out if name != "video_prob"]
    small = {name: (value[:, :3] if value.dim() == 3 else value) for name, value in out.items()}
    batch = {name: (value[:, :3] if value.dim() == 3 else value) for name, value in target.items()}
    leaves = [small[name].clone().requires_grad_() for name in names]

    def total(*values: torch.Tensor) -> torch.Tensor:
        return ParsingLoss()(small | dict(zip(names, values, strict=True)), batch)["total"]

    assert torch.autograd.gradcheck(total, leaves, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"avss_weight": -1}, "avss_weight"),
        ({"avss_weight": "1"}, "avss_weight"),
        ({"segment_weight": float("nan")}, "segment_weight"),
        ({"segment_weight": True}, "segment_weight"),
        ({"normaliser": "unions"}, "did you mean 'union'"),
    ],
)
def test_bad_options_are_named(options, text):
    with pytest.raises(ConfigError, match=text):
        ParsingLoss(**options)
