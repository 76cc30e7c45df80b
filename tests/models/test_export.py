"""A parser goes through torch's exporters, for one video too, and gives what it gives as it is."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.utils import _pytree

from leap_avvp.losses import ParsingLoss
from leap_avvp.models import HAN, LabelQueries, LEAPDecoder, MMILDecoder, MMPyramid, PlainParser, VideoParser
from leap_avvp.types import EncoderOutput, ParserOutput

D = 8


def small_leap() -> LEAPDecoder:
    return LEAPDecoder(LabelQueries(embedding_dim=4), dim=D, num_heads=2, feed_forward_dim=D, read_block="average")


def make_features(videos: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(videos)
    widths = {"audio": 128, "video_2d": 2048, "video_3d": 512}
    return {name: torch.randn(videos, 10, width, generator=generator) for name, width in widths.items()}


@pytest.fixture(params=["mm_pyramid-leap", "han-mmil"])
def parser(request: pytest.FixtureRequest) -> VideoParser:
    torch.manual_seed(0)
    encoder, decoder = request.param.split("-")
    first = HAN(D, feed_forward_dim=D) if encoder == "han" else MMPyramid(D, [1, 4], 2, D)
    return VideoParser(first, MMILDecoder(D) if decoder == "mmil" else small_leap()).eval()


def assert_same(found, expected) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.filterwarnings("ignore")  # torch's own, of its exporter
def test_export_for_any_number_of_videos(parser, strict):
    shapes = {name: {0: torch.export.Dim("videos")} for name in make_features(2)}
    program = torch.export.export(parser, (), make_features(2), dynamic_shapes=shapes, strict=strict)
    for videos in (2, 5):
        features = make_features(videos)
        out = program.module()(**features)
        assert isinstance(out, ParserOutput)
        assert_same(out, parser(**features))


@pytest.mark.filterwarnings("ignore")
def test_export_of_one_batch_and_back_from_a_file(tmp_path):
    torch.manual_seed(0)
    parser = VideoParser(HAN(D, feed_forward_dim=D), small_leap()).eval()
    features = make_features(1)
    program = torch.export.export(parser, (), features)
    torch.export.save(program, tmp_path / "parser.pt2")
    again = torch.export.load(tmp_path / "parser.pt2")
    assert_same(again.module()(**features), parser(**features))


@pytest.mark.filterwarnings("ignore")  # torch calls tracing deprecated, and warns of what a trace fixes
def test_trace_through_a_plain_parser(parser):
    traced = torch.jit.trace(PlainParser(parser), example_kwarg_inputs=make_features(2), strict=False)
    for videos in (1, 2, 5):
        features = make_features(videos)
        out = traced(**features)
        assert type(out) is dict
        assert_same(out, parser(**features))


def test_outputs_are_trees_of_tensors():
    encoded = EncoderOutput(torch.zeros(1), torch.ones(2))
    leaves, spec = _pytree.tree_flatten(encoded)
    assert [len(leaf) for leaf in leaves] == [1, 2]
    assert _pytree.tree_unflatten(leaves, spec) == encoded
    out = ParserOutput(*(torch.full((1,), float(number)) for number in range(7)))
    doubled = _pytree.tree_map(lambda tensor: 2 * tensor, out)
    assert list(doubled) == list(out)
    assert doubled.label_audio_feature is None
    assert doubled.visual_feature.item() == 12
    more = _pytree.tree_map(lambda tensor: 2 * tensor, dataclasses.replace(out, auxiliary={"rate": torch.ones(1)}))
    assert more["rate"].item() == 2


def test_a_batch_of_one_video_trains_and_is_parsed(parser):
    features = make_features(1)
    targets = {"video_label": torch.zeros(1, 25), "segment_audio": torch.zeros(1, 10, 25)}
    targets["video_label"][0, 3] = targets["segment_audio"][0, 2, 3] = 1
    targets["segment_visual"] = targets["segment_audio"].clone()
    loss = ParsingLoss()(parser.train()(**features), targets)["total"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in parser.parameters())
    parser.eval()
    with torch.no_grad():
        alone = parser(**features)
        batch = parser(**{name: value.expand(3, -1, -1) for name, value in features.items()})
    assert alone.segment_audio_prob.shape == (1, 10, 25)
    for name, value in alone.items():
        torch.testing.assert_close(batch[name][2:], value, rtol=0, atol=1e-5)
