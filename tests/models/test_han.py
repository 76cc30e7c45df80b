"""HAN: one published layer, VALOR's sequential ones, none across modalities, and the names of older checkpoints."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from leap_avvp.errors import ConfigError
from leap_avvp.models import HAN, MMILDecoder, MMPyramid, VideoParser
from leap_avvp.models.older import renamed_weights
from leap_avvp.training.checkpoint import load_weights

D, T = 16, 10


def streams() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, 3, T, D, generator=torch.Generator().manual_seed(0)).unbind()


def han(seed: int = 0, **options: object) -> HAN:
    torch.manual_seed(seed)
    return HAN(D, num_heads=2, feed_forward_dim=24, **options).eval()


def random_norms(model: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))


def plain_layer(model: HAN, number: int, query: torch.Tensor, other: torch.Tensor | None) -> torch.Tensor:
    """One layer by torch's own attention and norms."""
    layer = model.layers[number]
    total = query
    for attention, memory in ((layer.cross_attention, other), (layer.self_attention, query)):
        if memory is None:
            continue
        ready = torch.nn.MultiheadAttention(D, 2, batch_first=True)
        ready.load_state_dict(
            {
                "in_proj_weight": torch.cat((attention.query.weight, attention.key_value.weight)),
                "in_proj_bias": torch.cat((attention.query.bias, attention.key_value.bias)),
                "out_proj.weight": attention.output.weight,
                "out_proj.bias": attention.output.bias,
            }
        )
        total = total + ready(query, memory, memory)[0]
    hidden = layer.attention_norm(total)
    return layer.output_norm(hidden + layer.feed_forward.outer(layer.feed_forward.inner(hidden).relu()))


@pytest.mark.parametrize("layers", [1, 3])
def test_sequential_layers_update_audio_then_visual_with_the_new_audio(layers):
    model = han(num_layers=layers, update="sequential")
    random_norms(model)
    audio, visual = streams()
    with torch.no_grad():
        out = model(audio, visual)
        for number in range(layers):
            audio = plain_layer(model, number, audio, visual)
            visual = plain_layer(model, number, visual, audio)
    torch.testing.assert_close(out.audio, audio, rtol=0, atol=1e-5)
    torch.testing.assert_close(out.visual, visual, rtol=0, atol=1e-5)


def test_parallel_updates_both_from_the_old_values():
    model = han()
    random_norms(model)
    audio, visual = streams()
    with torch.no_grad():
        out = model(audio, visual)
        expected = plain_layer(model, 0, audio, visual), plain_layer(model, 0, visual, audio)
    torch.testing.assert_close(out.audio, expected[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(out.visual, expected[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "update": "sequential"}])
def test_unimodal_sees_no_other_modality(options):
    model = han(**options)
    random_norms(model)
    audio, visual = streams()
    with torch.no_grad():
        out, other = model.unimodal(audio, visual), model.unimodal(audio, 7 * visual + 1)
        expected = audio
        for number in range(len(model.layers)):
            expected = plain_layer(model, number, expected, None)
    torch.testing.assert_close(out.audio, expected, rtol=0, atol=1e-5)
    assert torch.equal(out.audio, other.audio)
    assert not torch.allclose(out.visual, other.visual)


@pytest.mark.parametrize("update", ["parallel", "sequential"])
def test_without_cross_attention_there_are_no_weights_for_it(update):
    model = han(cross=False, update=update)
    assert not [name for name, _ in model.named_parameters() if "cross" in name]
    audio, visual = streams()
    out, alone = model(audio, visual), model.unimodal(audio, visual)
    torch.testing.assert_close(out.audio, alone.audio)
    torch.testing.assert_close(out.visual, alone.visual)
    (out.audio + 2 * out.visual).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_released_layers_start_as_copies_and_independent_ones_do_not():
    options = {"num_layers": 3, "update": "sequential"}
    released, independent = han(**options), han(init="independent", **options)
    for model, same in ((released, True), (independent, False)):
        for one, other in itertools.combinations(model.layers, 2):
            assert torch.equal(one.self_attention.query.weight, other.self_attention.query.weight) == same
            assert torch.equal(one.feed_forward.inner.bias, other.feed_forward.inner.bias) == same
    assert torch.equal(released.layers[0].feed_forward.inner.weight, independent.layers[0].feed_forward.inner.weight)
    assert len({parameter.data_ptr() for parameter in released.parameters()}) == len(list(released.parameters()))


def test_one_layer_draws_what_it_drew_before_there_were_several():
    torch.manual_seed(3)
    model = HAN(4, num_heads=2, feed_forward_dim=4)
    torch.manual_seed(3)
    layers = [torch.nn.Linear(4, rows) for rows in (4, 8, 4, 4, 8, 4, 4, 4)]
    assert torch.equal(model.layers[0].self_attention.output.weight, layers[2].weight)
    assert torch.equal(model.layers[0].cross_attention.output.weight, layers[5].weight)
    assert torch.equal(model.layers[0].feed_forward.inner.weight, layers[6].weight)
    assert torch.equal(model.layers[0].feed_forward.outer.bias, layers[7].bias)
    bound = (6 / 16) ** 0.5
    assert torch.equal(model.layers[0].self_attention.query.weight, torch.empty(4, 4).uniform_(-bound, bound))


def older(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.replace("layers.0.", ""): value for name, value in state.items()}


def test_weights_of_before_there_were_layers_load():
    parser, fresh = (VideoParser(han(seed), MMILDecoder(D)) for seed in (1, 2))
    state = parser.state_dict()
    flat = older(state)
    assert "encoder.self_attention.query.weight" in flat
    fresh.load_state_dict(flat)
    assert all(torch.equal(value, state[name]) for name, value in fresh.state_dict().items())
    assert "encoder.self_attention.query.weight" in flat, "what is given stays as it is"
    assert renamed_weights(fresh, flat).keys() == state.keys()
    again = han(4)
    load_weights(again, older(parser.encoder.state_dict()), Path("best.ckpt"))
    assert torch.equal(again.layers[0].output_norm.weight, parser.encoder.layers[0].output_norm.weight)


def features() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    widths = {"audio": 128, "video_2d": 2048, "video_3d": 512}
    return {name: torch.randn(2, T, width, generator=generator) for name, width in widths.items()}


def test_a_parser_parses_each_modality_alone():
    parser = VideoParser(han(), MMILDecoder(D)).eval()
    first, second = features(), features() | {"video_2d": torch.zeros(2, T, 2048)}
    out, other = parser.unimodal(**first), parser.unimodal(**second, video_id=["a", "b"])
    assert torch.equal(out.audio_prob, other.audio_prob)
    assert not torch.equal(out.visual_prob, other.visual_prob)
    assert not torch.equal(parser(**first).audio_prob, out.audio_prob)


def test_an_encoder_without_such_a_pass_is_named():
    parser = VideoParser(MMPyramid(D, [1], 2, D), MMILDecoder(D))
    with pytest.raises(ConfigError, match=r"encoder: expected one that can leave .*, found MMPyramid"):
        parser.unimodal(**features())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_layers": 2}, r"encoder\.num_layers: expected 1.*update=sequential"),
        ({"num_layers": 0, "update": "sequential"}, r"encoder\.num_layers: expected a whole number from 1"),
        ({"update": "sequental"}, r"encoder\.update: .*did you mean 'sequential'"),
        ({"init": "copies"}, "init: expected one of released, independent"),
    ],
)
def test_impossible_layers_are_refused(options, text):
    with pytest.raises(ConfigError, match=text):
        han(**options)
