"""Any encoder with any decoder: shapes, gradients, behaviour in eval mode, and clear refusals."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.losses import ParsingLoss
from leap_avvp.models import HAN, LabelQueries, LEAPDecoder, MMILDecoder, MMPyramid, VideoParser

B, T, C, D = 3, 10, 25, 32


def make_inputs(batch: int = B, frames: int = T) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "audio": torch.randn(batch, T, 128, generator=generator),
        "video_2d": torch.randn(batch, frames, 2048, generator=generator),
        "video_3d": torch.randn(batch, T, 512, generator=generator),
    }


def make_targets(batch: int = B) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    segments = (torch.rand(2, batch, T, C, generator=generator) < 0.2).float()
    return {
        "video_label": (segments.sum((0, 2)) > 0).float(),
        "segment_audio": segments[0],
        "segment_visual": segments[1],
    }


def make_encoder(name: str) -> torch.nn.Module:
    if name == "han":
        return HAN(dim=D, feed_forward_dim=D)
    return MMPyramid(dim=D, feed_forward_dim=D, num_heads=4)


def make_decoder(name: str, **options: object) -> torch.nn.Module:
    if name == "mmil":
        return MMILDecoder(dim=D)
    queries = LabelQueries(torch.randn(C, 300, generator=torch.Generator().manual_seed(2)))
    return LEAPDecoder(queries, dim=D, num_heads=4, feed_forward_dim=D, **options)


@pytest.fixture(params=["han", "mm_pyramid"])
def encoder(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    return make_encoder(request.param)


@pytest.fixture(params=["mmil", "leap"])
def parser(encoder: torch.nn.Module, request: pytest.FixtureRequest) -> VideoParser:
    return VideoParser(encoder, make_decoder(request.param))


def test_outputs_have_the_stated_shapes_and_range(parser):
    out = parser.eval()(**make_inputs())
    shapes = {"video_prob": (B, C), "audio_prob": (B, C), "visual_prob": (B, C)}
    shapes |= {"segment_audio_prob": (B, T, C), "segment_visual_prob": (B, T, C)}
    shapes |= {"audio_feature": (B, T, D), "visual_feature": (B, T, D)}
    shapes |= {"segment_audio_logit": (B, T, C), "segment_visual_logit": (B, T, C)}
    heads = 1
    if isinstance(parser.decoder, LEAPDecoder):
        heads = 4
        shapes |= {"label_audio_feature": (B, C, D), "label_visual_feature": (B, C, D)}
    shapes |= {"audio_attention": (B, heads, C, T), "visual_attention": (B, heads, C, T)}
    assert {name: tuple(value.shape) for name, value in out.items()} == shapes
    for name, value in out.items():
        if name.endswith("prob"):
            assert value.min() >= 0
            assert value.max() <= 1
    for modality in ("audio", "visual"):
        sums = out[f"{modality}_attention"].sum(dim=-1)
        torch.testing.assert_close(sums, torch.ones_like(sums))
        torch.testing.assert_close(out[f"segment_{modality}_logit"].sigmoid(), out[f"segment_{modality}_prob"])


def test_every_parameter_learns(parser):
    parser.train()
    ParsingLoss()(parser(**make_inputs()), make_targets())["total"].backward()
    dead = [name for name, p in parser.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A softmax does not see what is added to all its inputs: key biases never matter, up to rounding.
    assert [name for name in dead if "time_attention.bias" not in name] == []


def test_eval_mode_is_deterministic_and_videos_do_not_touch_each_other(parser):
    parser.eval()
    inputs = make_inputs()
    with torch.no_grad():
        whole, again = parser(**inputs), parser(**inputs)
        single = parser(**{name: value[1:2] for name, value in inputs.items()})
    for name, value in whole.items():
        assert torch.equal(value, again[name])
        torch.testing.assert_close(single[name], value[1:2], rtol=0, atol=1e-5)


def test_train_mode_drops(parser):
    parser.train()
    first, second = (parser(**make_inputs()).audio_feature for _ in range(2))
    assert not torch.equal(first, second)


def test_frames_and_pooled_segments_give_the_same_output(parser):
    frames = make_inputs(frames=80)
    pooled = frames | {"video_2d": frames["video_2d"].reshape(B, T, 8, 2048).mean(2)}
    with torch.no_grad():
        one, other = parser.eval()(**frames), parser(**pooled)
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=1e-6)


def test_a_whole_batch_may_be_passed(parser):
    batch = make_inputs() | make_targets() | {"video_id": ["a", "b", "c"]}
    assert parser.eval()(**batch).video_prob.shape == (B, C)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"audio": torch.zeros(B, T, 127)}, "audio"),
        ({"audio": torch.zeros(B, 128)}, "audio"),
        ({"video_2d": torch.zeros(B, 79, 2048)}, "video_2d"),
        ({"video_3d": torch.zeros(B, T, 513)}, "video_3d"),
        ({"video_3d": torch.zeros(B, T + 1, 512)}, "video_3d: expected 10 rows"),
        ({"video_2d": torch.zeros(B + 1, T, 2048)}, "same videos and segments"),
    ],
)
def test_inputs_of_another_shape_are_named(change, name):
    parser = VideoParser(make_encoder("han"), make_decoder("mmil"))
    with pytest.raises(DataError, match=name):
        parser(**(make_inputs() | change))


def test_encoder_and_decoder_must_have_one_width():
    with pytest.raises(ConfigError, match=r"encoder\.dim and decoder\.dim"):
        VideoParser(HAN(dim=D), MMILDecoder(dim=2 * D))


def test_output_is_a_mapping_that_leaves_absent_fields_out():
    out = VideoParser(make_encoder("han"), make_decoder("mmil")).eval()(**make_inputs())
    assert "label_audio_feature" not in out
    assert len(out) == len(list(out)) == 11
    for name in ("label_audio_feature", "keys", "auxiliary"):
        with pytest.raises(KeyError):
            out[name]


def test_mmil_pools_by_the_attention_that_it_gives():
    out = VideoParser(make_encoder("han"), make_decoder("mmil")).eval()(**make_inputs())
    pooled = (out.visual_attention[:, 0].transpose(1, 2) * out.segment_visual_prob).sum(dim=1)
    torch.testing.assert_close(pooled, out.visual_prob)


def test_what_only_a_loss_reads_is_found_by_name_and_not_listed():
    out = VideoParser(make_encoder("han"), make_decoder("mmil")).eval()(**make_inputs())
    extra = {"reconstruction": torch.ones(2), "video_prob": torch.ones(1)}
    more = dataclasses.replace(out, auxiliary=extra)
    assert list(more) == list(out)
    assert more["reconstruction"] is extra["reconstruction"]
    assert "reconstruction" in more
    assert more["video_prob"] is out.video_prob, "a field comes first"


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: HAN(num_layers=2), "num_layers"),
        (lambda: MMPyramid(dim=30, num_heads=4), "multiple of num_heads"),
        (lambda: MMPyramid(dilations=[]), "dilations"),
        (lambda: make_decoder("leap", num_blocks=0), "num_blocks"),
        (lambda: make_decoder("leap", read_block="lst"), "did you mean 'last'"),
        (lambda: make_decoder("leap", readout="query"), "readout"),
        (lambda: LabelQueries(torch.zeros(24, 300)), r"\(25, 300\)"),
        (lambda: LabelQueries(torch.full((25, 300), float("nan"))), "finite"),
    ],
)
def test_impossible_parts_are_refused(build, text):
    with pytest.raises(ValueError, match=text):
        build()


def test_learned_queries_are_a_parameter_and_fixed_ones_are_not():
    learned, fixed = LabelQueries(), LabelQueries(torch.ones(25, 300))
    assert learned.learned
    assert not fixed.learned
    assert [name for name, _ in learned.named_parameters()] == ["embedding"]
    assert list(fixed.parameters()) == []
    assert "embedding" in fixed.state_dict()  # a checkpoint carries them
