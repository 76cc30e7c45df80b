"""VALOR's and UWAV's programs in sizes of one's own: there and back, what tells them apart, and their checkpoints."""

from __future__ import annotations

import pytest
import torch

from leap_avvp.card.features import LLP_FEATURES, FeatureSet, Stream, named_features
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.models import HAN, Frontend, JointFrontend, MMILDecoder, VideoParser
from leap_avvp.models.frontend import StreamFrontend
from leap_avvp.released import dead_shapes, describe, key_map, load_released, recognise, to_released
from leap_avvp.released.convert import convert
from leap_avvp.released.registry import PROGRAMS, architecture_of
from leap_avvp.training.checkpoint import load_checkpoint

UWAV = named_features("uwav")
FLAT = FeatureSet("uwav", {name: stream for name, stream in UWAV.streams.items() if name != "video_3d"})
OTHER = FeatureSet("other", {name: Stream(name, name, "T", 5, "segment") for name in LLP_FEATURES.streams})
KINDS = ("valor", "valor++", "valor-other", "uwav", "uwav-clip", "uwav-flag")


def front_end(kind: str) -> StreamFrontend:
    if kind == "uwav-flag":
        return JointFrontend(768, FLAT, project_visual=False)
    if kind.startswith("uwav"):
        return JointFrontend(32, LLP_FEATURES if kind == "uwav" else UWAV)
    return Frontend(32, {"valor": LLP_FEATURES, "valor++": named_features("valor")}.get(kind, OTHER))


def make(kind: str, layers: int = 2, **options: object) -> VideoParser:
    torch.manual_seed(0)
    dim, layers = (768, 1) if kind == "uwav-flag" else (32, layers)
    han = {"num_layers": layers, "num_heads": 4, "feed_forward_dim": 48, "update": "sequential", "init": "independent"}
    return VideoParser(HAN(dim, **{**han, **options}), MMILDecoder(dim), front_end(kind)).eval()


@pytest.fixture(scope="module", params=KINDS)
def parser(request: pytest.FixtureRequest) -> VideoParser:
    return make(request.param)


def inputs(features: FeatureSet) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(2, 10, width, generator=generator) for name, width in features.widths.items()}


def test_weights_of_any_size_travel_there_and_back(parser):
    released = to_released(parser)
    again = load_released(released, num_heads=4)
    assert again.frontend.features.widths == parser.frontend.features.widths
    state = parser.state_dict()
    assert again.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())
    with torch.no_grad():
        out, expected = (each(**inputs(parser.frontend.features)) for each in (again, parser))
    assert torch.equal(out.video_prob, expected.video_prob)


def test_every_tensor_of_ours_is_used_once_and_no_dead_one(parser):
    architecture = architecture_of(parser)
    links = key_map(architecture)
    ours = [name for link in links for name in link.ours]
    assert sorted(ours) == sorted(name for name, _ in parser.named_parameters())
    theirs = {name for link in links for name in link.released}
    assert theirs | set(dead_shapes(architecture)) == set(to_released(parser))
    assert not theirs & set(dead_shapes(architecture))


def test_a_program_is_recognised_by_itself_alone(parser):
    shapes = {name: tuple(value.shape) for name, value in to_released(parser).items()}
    assert sum(program.recognise(shapes, None) is not None for program in PROGRAMS) == 1
    published = to_released(VideoParser(HAN(), MMILDecoder()))
    assert describe(recognise(published)) == "HAN + MMIL"


@pytest.mark.parametrize("kind", ["valor-other", "uwav-clip", "uwav-flag"])
def test_a_checkpoint_of_converted_weights_rebuilds_the_parser(kind, tmp_path):
    parser = make(kind)
    released = to_released(parser)
    torch.save(released, tmp_path / "program.pt")
    told = convert(tmp_path / "program.pt", tmp_path / "own.ckpt", num_heads=4)
    assert f"a checkpoint of {describe(architecture_of(parser))}" in told
    again, config = load_checkpoint(tmp_path / "own.ckpt")
    assert (config["encoder"]["num_layers"], config["encoder"]["num_heads"]) == (len(parser.encoder.layers), 4)
    assert type(again.frontend) is type(parser.frontend)
    with torch.no_grad():
        out, expected = (each(**inputs(parser.frontend.features)) for each in (again, parser))
    assert torch.equal(out.video_prob, expected.video_prob)
    convert(tmp_path / "own.ckpt", tmp_path / "back.pt")
    back = torch.load(tmp_path / "back.pt", weights_only=True)
    assert back.keys() == released.keys()
    assert all(torch.equal(value, released[name]) for name, value in back.items())


def test_the_joint_map_that_nothing_reads_keeps_its_shape():
    released = to_released(make("uwav-flag"))
    assert released["fc_fusion.layers.0.weight"].shape == (768, 2560)
    released["fc_fusion.layers.0.weight"] = torch.full((768, 700), 7.0)
    again = load_released(released, num_heads=4)
    assert torch.equal(to_released(again)["fc_fusion.layers.0.weight"], released["fc_fusion.layers.0.weight"])


def test_features_that_the_widths_do_not_tell_are_asked_for():
    strange = VideoParser(HAN(32, update="sequential"), MMILDecoder(32), JointFrontend(32, OTHER))
    released = to_released(strange)
    with pytest.raises(DataError, match=r"audio features of width 5 and visual ones of width 10 .*--features"):
        recognise(released)
    assert load_released(released, num_heads=1, features=OTHER).frontend.features == OTHER


def test_heads_must_divide_the_width():
    released = to_released(make("valor"))
    with pytest.raises(ConfigError, match=r"encoder\.num_heads: expected a divisor of dim 32 .*found 5"):
        load_released(released, num_heads=5)
    assert load_released(released).encoder.layers[1].cross_attention.num_heads == 8


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"update": "parallel", "layers": 1}, r"HAN \+ MMIL has .* of shape"),
        ({"cross": False}, r"no released program has HAN \+ MMILDecoder: expected .*, VALOR or UWAV"),
    ],
)
def test_what_no_program_has_is_not_exported(change, text):
    with pytest.raises(DataError, match=text):
        to_released(make("valor", **change))


def test_a_projection_that_the_program_lacks_is_not_exported():
    flat = VideoParser(HAN(32, update="sequential"), MMILDecoder(32), JointFrontend(32, FLAT))
    with pytest.raises(DataError, match=r"no released program has JointFrontend \+ HAN"):
        to_released(flat)
    two = VideoParser(HAN(512), MMILDecoder(512), Frontend(512, FLAT))
    with pytest.raises(DataError, match=r"HAN \+ MMIL has fc_st\.weight, this parser no frontend\.video_3d\.weight"):
        to_released(two)


def test_missing_layers_are_named():
    released = to_released(make("valor", layers=3))
    kept = {name: value for name, value in released.items() if ".layers.1." not in name}
    with pytest.raises(
        DataError, match=r"recognised VALOR \(2 layers of width 32, 8 heads\), but \d+ keys are unknown"
    ):
        load_released(kept)
    assert dead_shapes(recognise(released))["hat_encoder.final_norm_a.weight"] == (32,)
