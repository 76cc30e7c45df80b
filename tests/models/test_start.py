"""How a fresh model starts: as copies of templates, as the released programs do, or each layer drawn alone."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from leap_avvp.errors import ConfigError
from leap_avvp.models import LabelQueries, LEAPDecoder, MMPyramid
from leap_avvp.models.attention import FeedForward, MultiHeadAttention, PreNormBlock

D, H = 8, 12


def pyramid(seed: int = 0, **options: object) -> MMPyramid:
    torch.manual_seed(seed)
    return MMPyramid(dim=D, num_heads=2, feed_forward_dim=H, **options)


def leap(seed: int = 0, **options: object) -> LEAPDecoder:
    torch.manual_seed(seed)
    return LEAPDecoder(LabelQueries(embedding_dim=4), dim=D, num_heads=2, feed_forward_dim=H, **options)


def projections(attention: MultiHeadAttention) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of query, key, value and output."""
    packed = attention.key_value
    halves = zip(packed.weight.chunk(2), packed.bias.chunk(2), strict=True)
    whole = [(layer.weight, layer.bias) for layer in (attention.query, attention.output)]
    return [whole[0], *halves, whole[1]]


def all_equal(tensors: list[Tensor]) -> bool:
    return all(torch.equal(tensors[0], other) for other in tensors[1:])


def some_equal(tensors: list[Tensor]) -> bool:
    return any(torch.equal(one, other) for one, other in itertools.combinations(tensors, 2))


def attention_groups(model: nn.Module) -> list[list[Tensor]]:
    """What must start alike in the attentions: an own group for each attention of a level, else one for all."""
    if isinstance(model, LEAPDecoder):
        families = [[*model.audio.blocks, *model.visual.blocks]]
    else:
        levels = [[block] for level in model.levels for block in (level.audio_self, level.visual_self, level.cross)]
        families = [*levels, [model.audio_fusion.block, model.visual_fusion.block]]
    return [
        [pair[part] for block in family for pair in projections(block.attention)]
        for family in families
        for part in (0, 1)
    ]


def feed_forward_groups(model: nn.Module) -> list[list[Tensor]]:
    if isinstance(model, LEAPDecoder):
        families = [[*model.audio.blocks, *model.visual.blocks]]
    else:
        levels = [block for level in model.levels for block in (level.audio_self, level.visual_self, level.cross)]
        families = [levels, [model.audio_fusion.block, model.visual_fusion.block]]
    layers = [[(b.feed_forward.inner, b.feed_forward.outer) for b in family] for family in families]
    return [
        [getattr(pair[i], part) for pair in family] for family in layers for i in (0, 1) for part in ("weight", "bias")
    ]


@pytest.fixture(params=[pyramid, leap], ids=["mm_pyramid", "leap"])
def make(request: pytest.FixtureRequest):
    return request.param


def test_by_default_a_fresh_model_starts_as_copies_of_templates(make):
    model = make()
    groups = [*attention_groups(model), *feed_forward_groups(model)]
    assert sum(map(len, groups)) == (168 if make is pyramid else 48)
    assert all(all_equal(group) for group in groups)
    # One template is no other's copy.
    for group, other in itertools.combinations(groups, 2):
        assert group[0].shape != other[0].shape or not torch.equal(group[0], other[0])


def test_independent_layers_are_all_different(make):
    model = make(init="independent")
    for group in [*attention_groups(model), *feed_forward_groups(model)]:
        assert not some_equal(group)


def test_one_block_and_one_level_have_groups_too():
    assert all(all_equal(group) for group in attention_groups(pyramid(dilations=[3])))
    assert all(all_equal(group) for group in attention_groups(leap(num_blocks=1)))


def test_both_ways_take_the_same_random_numbers(make):
    released, after = make(init="released"), torch.rand(1)
    independent, likewise = make(init="independent"), torch.rand(1)
    assert torch.equal(after, likewise)
    copied = ("attention.", "feed_forward.")
    theirs = independent.state_dict()
    alone = [name for name in theirs if not any(part in name for part in copied)]
    assert len(alone) > 3
    for name, value in released.state_dict().items():
        if name in alone:
            assert torch.equal(value, theirs[name]), name


def plain_block() -> list[nn.Module]:
    """The layers of one block in the order of their drawing, as torch's own."""
    return [nn.Linear(D, D), nn.Linear(D, 2 * D), nn.Linear(D, D), nn.Linear(D, H), nn.Linear(H, D)]


def drawn(model: nn.Module) -> list[Tensor]:
    """Weights and biases of all layers but the norms (ones and zeros), in the order of their making."""
    kinds = (nn.Linear, nn.Conv1d)
    return [tensor for layer in model.modules() if isinstance(layer, kinds) for tensor in (layer.weight, layer.bias)]


def test_independent_draws_are_those_of_plain_layers_in_order():
    found = drawn(pyramid(5, init="independent"))
    torch.manual_seed(5)
    layers: list[nn.Module] = []
    for _ in range(4):
        layers += [*plain_block(), *plain_block(), *plain_block(), nn.Linear(2 * D, 2 * D), nn.Linear(2 * D, 2 * D)]
        layers += [nn.Conv1d(D, D, 3), nn.Conv1d(D, D, 1), nn.Conv1d(D, D, 3), nn.Conv1d(D, D, 1)]
    for _ in range(2):
        layers += [*plain_block(), nn.Linear(D, 1)]
    expected = drawn(nn.ModuleList(layers))
    assert len(found) == len(expected) == 192
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))

    found = drawn(leap(6, init="independent"))
    torch.manual_seed(6)
    torch.randn(25, 4)  # learned queries
    layers = [nn.Linear(4, D)]
    for _ in range(2):
        layers += [*plain_block(), *plain_block(), nn.Linear(D, 1)]
    expected = drawn(nn.ModuleList(layers))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_templates_are_torchs_own_draws_and_copies_are_no_shared_tensors(make):
    model, independent = make(1), make(1, init="independent")
    for group, given in zip(attention_groups(model), attention_groups(independent), strict=True):
        assert torch.equal(group[0], given[0])
    first = next(module for module in model.modules() if isinstance(module, PreNormBlock))
    with torch.no_grad():
        first.attention.query.weight.zero_()
        first.feed_forward.inner.weight.zero_()
    assert first.attention.output.weight.abs().sum() > 0
    others = [module for module in model.modules() if isinstance(module, FeedForward)][1:]
    assert all(layer.inner.weight.abs().sum() > 0 for layer in others)


def test_training_takes_copies_apart(make):
    """Equal layers would stay equal if their gradients were."""
    model = make().eval()
    generator = torch.Generator().manual_seed(3)
    audio, visual = torch.randn(2, 2, 10, D, generator=generator)
    if make is pyramid:
        out = model(audio, visual)
        loss = (out.audio * audio).sum() + (out.visual * visual).sum()
    else:
        from leap_avvp.types import EncoderOutput

        out = model(EncoderOutput(audio, visual))
        loss = out.audio_prob.sum() + (out.segment_audio_prob[:, 3] - out.segment_visual_prob[:, 4]).sum()
    loss.backward()
    for module in model.modules():
        if isinstance(module, MultiHeadAttention):
            gradients = [module.query.weight.grad, *module.key_value.weight.grad.chunk(2), module.output.weight.grad]
            assert not some_equal(gradients)


def test_weights_that_are_loaded_do_not_ask_how_the_model_started(make):
    trained, fresh = make(1, init="independent"), make(2)
    fresh.load_state_dict(trained.state_dict())
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name])


def test_a_misspelt_start_names_the_nearest(make):
    with pytest.raises(
        ConfigError, match=r"^init: expected one of released, independent, found 'relased'; did you mean"
    ):
        make(init="relased")
