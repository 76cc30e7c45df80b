"""The terms of class features: by loops over classes, segments and layers, at their ends, and what they refuse."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from leap_avvp.config.build import build_part
from leap_avvp.config.compose import compose_config, plain
from leap_avvp.errors import ConfigError
from leap_avvp.losses import CooccurrenceTerm, OrthogonalityTerm, ReconstructionTerm, Step, SumOfTerms
from leap_avvp.losses.class_features import orthogonality_loss

L, B, T, C, D, E = 2, 3, 4, 5, 6, 7
MAPS = ("aa", "av", "vv", "va")
NAMES = {"a": "audio", "v": "visual"}


def make(dtype: torch.dtype = torch.float64) -> Step:
    generator = torch.Generator().manual_seed(0)

    def rand(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype)

    out = {"video_prob": rand(B, C)}
    for name in NAMES.values():
        out |= {f"{name}_class_feature": rand(B, T, C + 1, E) - 0.5, f"{name}_reconstruction": rand(B, T, D)}
        out |= {f"{name}_feature": rand(B, T, D), f"segment_{name}_prob": rand(B, T, C)}
    out |= {f"cooccurrence_{name}": rand(L, B, T, C, C).softmax(-1) for name in MAPS}
    batch = {f"segment_{name}": rand(B, T, C) for name in NAMES.values()}  # soft pseudo labels
    return Step(out, batch | {"video_label": (rand(B, C) > 0.5).to(dtype)})


def reconstruction(step: Step, name: str) -> float:
    restored, given = step.out[f"{name}_reconstruction"], step.out[f"{name}_feature"]
    cells = itertools.product(range(B), range(T), range(D))
    return math.fsum(float(restored[cell] - given[cell]) ** 2 for cell in cells) / (B * T * D)


def orthogonality(step: Step, name: str) -> float:
    squares = []
    for b, t in itertools.product(range(B), range(T)):
        rows = [[float(x) for x in row] for row in step.out[f"{name}_class_feature"][b, t]]
        for one, other in itertools.permutations(rows, 2):
            product = math.fsum(x * y for x, y in zip(one, other, strict=True))
            squares.append((product / (math.hypot(*one) * math.hypot(*other))) ** 2)
    return math.fsum(squares) / len(squares)


def cooccurrence(step: Step) -> float:
    total = 0.0
    for reads, read in MAPS:
        own, other = (step.batch[f"segment_{NAMES[name]}"] for name in (reads, read))
        found = step.out[f"cooccurrence_{reads}{read}"]
        errors = [
            float(found[n, b, t, i, j] - own[b, t, i] * other[b, t, j]) ** 2
            for n, b, t, i, j in itertools.product(range(L), range(B), range(T), range(C), range(C))
        ]
        total += math.fsum(errors) / len(errors)
    return total


def test_the_terms_are_those_of_plain_loops():
    step = make()
    for name in NAMES.values():
        assert ReconstructionTerm(name)(step).item() == pytest.approx(reconstruction(step, name), abs=1e-5)
        assert OrthogonalityTerm(name)(step).item() == pytest.approx(orthogonality(step, name), abs=1e-5)
    assert CooccurrenceTerm()(step).item() == pytest.approx(cooccurrence(step), abs=1e-5)


def test_the_loss_of_the_config_weighs_them_as_published():
    loss = build_part(plain(compose_config(["loss=mm_cse", "output_dir=x"]))["loss"], "loss")
    assert isinstance(loss, SumOfTerms)
    step = make()
    values = loss(step.out, step.batch)
    expected = math.fsum(values[name].item() for name in ("video_union", "segment_audio", "segment_visual"))
    expected += 0.5 * (reconstruction(step, "audio") + reconstruction(step, "visual"))
    expected += 0.1 * (orthogonality(step, "audio") + orthogonality(step, "visual"))
    expected += 0.1 * cooccurrence(step)
    assert values["total"].item() == pytest.approx(expected, abs=1e-5)
    assert len(values) == 9


def test_features_at_right_angles_cost_nothing_and_parallel_ones_one():
    angles = torch.eye(4).expand(2, 3, 4, 4)
    assert orthogonality_loss(5 * angles).item() == 0
    assert orthogonality_loss(torch.ones(2, 3, 4, 4)).item() == pytest.approx(1)
    assert orthogonality_loss(-angles[:, :, :1]).item() == 0, "one feature alone has nothing beside it"
    nothing = torch.zeros(1, 1, 3, 4, requires_grad=True)
    orthogonality_loss(nothing).backward()
    assert torch.isfinite(nothing.grad).all()


def test_each_map_is_held_against_the_modality_that_reads_and_the_one_that_is_read():
    step = make()
    heard, seen = step.batch["segment_audio"], step.batch["segment_visual"]
    products = {"aa": (heard, heard), "av": (heard, seen), "vv": (seen, seen), "va": (seen, heard)}
    right = {f"cooccurrence_{name}": torch.einsum("bti,btj->btij", *pair)[None] for name, pair in products.items()}
    assert CooccurrenceTerm()(Step(right, step.batch)).item() == pytest.approx(0, abs=1e-12)
    swapped = right | {"cooccurrence_av": right["cooccurrence_va"], "cooccurrence_va": right["cooccurrence_av"]}
    assert CooccurrenceTerm()(Step(swapped, step.batch)).item() > 1e-3


def test_half_precision_is_summed_in_float32():
    step = make(torch.bfloat16)
    for term in (ReconstructionTerm("audio"), OrthogonalityTerm("visual"), CooccurrenceTerm()):
        assert term(step).dtype == torch.float32


@pytest.mark.parametrize(
    ("term", "output"),
    [
        (ReconstructionTerm("audio"), "audio_reconstruction"),
        (OrthogonalityTerm("visual"), "visual_class_feature"),
        (CooccurrenceTerm(), "cooccurrence_aa"),
    ],
)
def test_a_decoder_without_what_a_term_reads_is_refused(term, output):
    loss = SumOfTerms({"mine": term})
    with pytest.raises(ConfigError, match=rf"^loss\.terms\.mine: expected the output {output} of the parser"):
        loss({"audio_feature": torch.zeros(1)}, make().batch)


def test_a_wrong_argument_is_named():
    with pytest.raises(ConfigError, match=r"^loss\.terms\.mine\.modality"):
        SumOfTerms({"mine": OrthogonalityTerm("union")})
    with pytest.raises(ConfigError, match=r"^loss\.terms\.mine\.weight"):
        SumOfTerms({"mine": ReconstructionTerm("audio", weight=-1)})
