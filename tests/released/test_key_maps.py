"""The key map of the released programs, on weights made here: there and back, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from leap_avvp.errors import DataError
from leap_avvp.models import HAN, LabelQueries, LEAPDecoder, MMILDecoder, MMPyramid, VideoParser
from leap_avvp.released import Architecture, dead_shapes, key_map, load_released, recognise, to_released


def make(encoder: str, decoder: str, num_blocks: int = 2) -> VideoParser:
    torch.manual_seed(0)
    part = HAN() if encoder == "han" else MMPyramid()
    head = (
        MMILDecoder() if decoder == "mmil" else LEAPDecoder(LabelQueries(torch.randn(25, 300)), num_blocks=num_blocks)
    )
    return VideoParser(part, head).eval()


@pytest.fixture(scope="module", params=[("han", "mmil", 0), ("mm_pyramid", "mmil", 0), ("mm_pyramid", "leap", 2)])
def case(request: pytest.FixtureRequest) -> tuple[Architecture, VideoParser]:
    encoder, decoder, blocks = request.param
    return Architecture(encoder, decoder, blocks), make(encoder, decoder, blocks)


def test_our_weights_travel_there_and_back(case):
    architecture, parser = case
    released = to_released(parser)
    assert recognise(released) == architecture
    embedding = parser.decoder.label_queries() if architecture.decoder == "leap" else None
    back = load_released(released, embedding)
    assert not back.training
    state, again = parser.state_dict(), back.state_dict()
    assert state.keys() == again.keys()
    assert all(torch.equal(state[name], again[name]) for name in state)


def test_the_map_uses_every_tensor_of_ours_once(case):
    architecture, parser = case
    ours = [name for link in key_map(architecture) for name in link.ours]
    assert sorted(ours) == sorted(name for name, _ in parser.named_parameters())
    theirs = [name for link in key_map(architecture) for name in link.released + link.aliases]
    assert len(theirs) == len(set(theirs))
    assert not set(theirs) & set(dead_shapes(architecture))


def test_released_size_is_as_published():
    parser = make("mm_pyramid", "leap")
    live = sum(p.numel() for p in parser.parameters())
    dead = sum(math.prod(shape) for shape in dead_shapes(Architecture("mm_pyramid", "leap", 2)).values())
    assert (live, live + dead) == (47_256_068, 52_005_380)


def test_dead_tensors_are_kept_for_the_way_back(case):
    architecture, parser = case
    released = to_released(parser)
    name = next(iter(dead_shapes(architecture)))
    released[name] = torch.full_like(released[name], 7.0)
    embedding = parser.decoder.label_queries() if architecture.decoder == "leap" else None
    assert (to_released(load_released(released, embedding))[name] == 7.0).all()


def test_a_data_parallel_prefix_is_dropped():
    released = to_released(make("han", "mmil"))
    parser = load_released({f"module.{name}": value for name, value in released.items()})
    assert torch.equal(parser.frontend.audio.weight, released["fc_a.weight"])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda state: state.pop("fc_a.weight"), r"missing: fc_a\.weight"),
        (lambda state: state.update({"fc_new.weight": torch.zeros(1)}), r"unknown: fc_new\.weight"),
        (
            lambda state: state.update({"fc_a.weight": torch.zeros(512, 127)}),
            r"fc_a\.weight: expected shape \(512, 128\)",
        ),
        (lambda state: state.clear(), "found 0 keys"),
        (lambda state: state.update({"MMP.x": torch.zeros(1)}), "expected the state dict"),
    ],
)
def test_a_dict_that_does_not_fit_is_refused_by_name(change, text):
    state = to_released(make("han", "mmil"))
    change(state)
    with pytest.raises(DataError, match=text):
        load_released(state)


def test_aliases_must_agree():
    state = to_released(make("mm_pyramid", "mmil"))
    name = "MMP.capture.vnetwork.0.net.0.weight"
    state[name] = state[name] + 1
    with pytest.raises(DataError, match=r"one tensor under two names"):
        load_released(state)


def test_leap_needs_its_label_embedding():
    parser = make("mm_pyramid", "leap", 1)
    with pytest.raises(DataError, match="llp_label_glove_embeddings"):
        load_released(to_released(parser))


def test_what_no_program_has_is_not_exported():
    with pytest.raises(DataError, match=r"no released program has HAN \+ LEAPDecoder"):
        to_released(make("han", "leap"))
    narrow = VideoParser(HAN(dim=64), MMILDecoder(dim=64))
    with pytest.raises(DataError, match="512"):
        to_released(narrow)
