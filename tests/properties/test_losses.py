"""The loss against plain Python and finite differences, in float64."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leap_avvp.losses import NORMALISERS, ParsingLoss, alignment_loss, binary_cross_entropy, event_overlap

pytestmark = pytest.mark.no_cover  # drawn many times, over lines that other tests cover
DRAWN = settings(deadline=None, max_examples=60, derandomize=True)
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 5))


def rand(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_cross_entropy(probability: Tensor, target: Tensor) -> float:
    values = []
    for p, y in zip(probability.flatten().tolist(), target.flatten().tolist(), strict=True):
        held = min(max(p, 1e-7), 1 - 1e-7)
        values.append(-(y * math.log(held) + (1 - y) * math.log(1 - held)))
    return math.fsum(values) / len(values)


def slow_overlap(audio: Tensor, visual: Tensor, normaliser: str) -> Tensor:
    """Return R (B, T, T) from sets of events."""
    batch, length, _ = audio.shape
    found = torch.zeros(batch, length, length, dtype=torch.float64)
    for b in range(batch):
        heard, seen = ([{c for c, on in enumerate(row) if on} for row in grid[b].tolist()] for grid in (audio, visual))
        most = max(len(events) for events in heard + seen)
        for i, j in itertools.product(range(length), repeat=2):
            number = most if normaliser == "max_events" else len(heard[i] | seen[j])
            found[b, i, j] = len(heard[i] & seen[j]) / number if number else 0.0
    return found


@given(shape=SHAPES, seed=st.integers(0, 2**31), soft=st.booleans(), sure=st.booleans())
@DRAWN
def test_cross_entropy(shape: tuple[int, ...], seed: int, soft: bool, sure: bool) -> None:
    probability, target = rand(shape, seed), rand(shape, seed + 1)
    probability = probability.round() if sure else probability  # 0 and 1, which the clamp keeps finite
    target = target if soft else target.round()
    value = binary_cross_entropy(probability, target)
    assert value.item() == pytest.approx(slow_cross_entropy(probability, target), rel=1e-9)


@given(shape=SHAPES, seed=st.integers(0, 2**31), density=st.sampled_from([0.0, 0.2, 0.7, 1.0]))
@DRAWN
@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_overlap(normaliser: str, shape: tuple[int, ...], seed: int, density: float) -> None:
    audio, visual = (rand(shape, seed + part) < density for part in (0, 1))
    found = event_overlap(audio.double(), visual.double(), normaliser)
    torch.testing.assert_close(found, slow_overlap(audio, visual, normaliser), rtol=0, atol=1e-12)
    assert ((found >= 0) & (found <= 1)).all()
    turned = event_overlap(visual.double(), audio.double(), normaliser)
    torch.testing.assert_close(turned, found.transpose(1, 2), rtol=0, atol=1e-12)
    torch.testing.assert_close(event_overlap(audio, visual, normaliser).double(), found, rtol=0, atol=1e-6)  # booleans


@given(
    shape=SHAPES,
    seed=st.integers(0, 2**31),
    segment=st.floats(0, 10),
    avss=st.floats(0, 10),
    normaliser=st.sampled_from(NORMALISERS),
)
@DRAWN
def test_the_total(shape: tuple[int, ...], seed: int, segment: float, avss: float, normaliser: str) -> None:
    batch, length, classes = shape
    video = [rand((batch, classes), seed + part) for part in range(4)]
    grids = [rand(shape, seed + 10 + part) for part in range(2)]
    labels = [(rand(shape, seed + 20 + part) < 0.3).double() for part in range(2)]
    features = [rand((batch, length, 4), seed + 30 + part) - 0.5 for part in range(2)]
    out = {
        **dict(zip(("audio_prob", "visual_prob", "video_prob"), video, strict=False)),
        **dict(zip(("segment_audio_prob", "segment_visual_prob"), grids, strict=True)),
        **dict(zip(("audio_feature", "visual_feature"), features, strict=True)),
    }
    label = video[3].round()
    batch_of = {"segment_audio": labels[0], "segment_visual": labels[1], "video_label": label}
    terms = ParsingLoss(segment, avss, normaliser)(out, batch_of)
    expected = slow_cross_entropy(video[2], label)
    for part in (0, 1):
        anywhere = torch.tensor(
            [[any(row) for row in zip(*one, strict=True)] for one in labels[part].tolist()]
        ).double()
        expected += slow_cross_entropy(video[part], anywhere)
        expected += segment * slow_cross_entropy(grids[part], labels[part])
    overlap = slow_overlap(*labels, normaliser)
    squares = []
    for b, i, j in itertools.product(range(batch), range(length), range(length)):
        a, v = features[0][b, i].tolist(), features[1][b, j].tolist()
        cosine = sum(x * y for x, y in zip(a, v, strict=True)) / math.sqrt(
            math.fsum(x * x for x in a) * math.fsum(x * x for x in v)
        )
        r = float(overlap[b, i, j])
        squares.append((max(cosine, 0.0) - (r / (1 + r) + 0.01)) ** 2)
    expected += avss * math.fsum(squares) / len(squares)
    assert terms["total"].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("normaliser", NORMALISERS)
@pytest.mark.parametrize("seed", range(5))
def test_gradients_of_the_alignment(normaliser: str, seed: int) -> None:
    audio, visual = (rand((2, 3, 4), seed + part) - 0.5 for part in (0, 10))
    labels = [(rand((2, 3, 5), seed + part) < 0.4).double() for part in (20, 30)]
    cosine = torch.cosine_similarity(audio[:, :, None], visual[:, None], dim=-1)
    assert cosine.abs().min() > 1e-4, "a seed that puts a pair on the kink of the rectifier proves nothing"
    leaves = [audio.requires_grad_(), visual.requires_grad_()]
    assert torch.autograd.gradcheck(lambda a, v: alignment_loss(a, v, *labels, normaliser), leaves, atol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_gradients_of_the_cross_entropy(seed: int) -> None:
    probability = (0.01 + 0.98 * rand((2, 3, 4), seed)).requires_grad_()
    target = rand((2, 3, 4), seed + 1)
    assert torch.autograd.gradcheck(lambda p: binary_cross_entropy(p, target), [probability])


def test_gradients_of_probabilities_that_are_sure_are_zero_and_finite() -> None:
    probability = torch.tensor([0.0, 1.0, 0.5], dtype=torch.float64, requires_grad=True)
    binary_cross_entropy(probability, torch.tensor([1.0, 0.0, 1.0])).backward()
    assert probability.grad is not None
    assert probability.grad[:2].tolist() == [0.0, 0.0]  # beyond the clamp, as in the released programs
    assert probability.grad[2].item() == pytest.approx(-2 / 3)
