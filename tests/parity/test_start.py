"""A fresh parser starts in the released programs' groups: their tensors that are equal before the first step."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch

from leap_avvp.models import HAN, LabelQueries, LEAPDecoder, MMILDecoder, MMPyramid, VideoParser
from leap_avvp.released import Architecture, dead_shapes, to_released

GROUPS = Path(__file__).resolve().parents[3] / "shared" / "parity" / "init_groups.json"
MODELS = {"mm_pyramid-leap-2blocks": 42, "mm_pyramid-mmil": 36, "han-mmil": 0}


def groups(model: str) -> list[list[str]]:
    if not GROUPS.is_file():
        pytest.skip(f"the released programs' groups are not at {GROUPS}")
    found = json.loads(GROUPS.read_text())
    assert found.keys() == MODELS.keys()
    assert len(found[model]) == MODELS[model]
    return found[model]


def fresh(model: str, init: str) -> tuple[dict[str, torch.Tensor], set[str]]:
    """Return the released names of a fresh parser of ours, and those of them that no forward pass there uses."""
    torch.manual_seed(0)
    encoder = HAN() if model.startswith("han") else MMPyramid(init=init)
    decoder = LEAPDecoder(LabelQueries(), init=init) if "leap" in model else MMILDecoder()
    architecture = Architecture(*model.split("-")[:2], num_blocks=2 if "leap" in model else 0)
    return to_released(VideoParser(encoder, decoder)), set(dead_shapes(architecture))


@pytest.mark.parametrize("model", MODELS)
def test_a_fresh_parser_starts_in_the_released_groups_and_no_others(model):
    expected = groups(model)
    state, dead = fresh(model, "released")
    alive = [[name for name in group if name not in dead] for group in expected]
    for group in alive:
        assert all(torch.equal(state[group[0]], state[name]) for name in group[1:]), group[0]
    # What is equal and random stands in one group together: nothing more is tied than there.
    place = {name: number for number, group in enumerate(alive) for name in group}
    names = [name for name in state if name not in dead and "norm" not in name and ".net." not in name]
    assert set(place) <= set(names)
    by_shape = sorted(names, key=lambda name: tuple(state[name].shape))
    for _, same in itertools.groupby(by_shape, key=lambda name: tuple(state[name].shape)):
        for one, other in itertools.combinations(same, 2):
            if model != "han-mmil" or state[one].any():  # torch's own attention starts its biases at zero
                tied = place.get(one, one) == place.get(other, other)
                assert torch.equal(state[one], state[other]) == tied, (one, other)


@pytest.mark.parametrize("model", [name for name, number in MODELS.items() if number])
def test_independent_layers_are_in_no_group(model):
    expected = groups(model)
    state, dead = fresh(model, "independent")
    for group in expected:
        alive = [name for name in group if name not in dead]
        assert not any(torch.equal(state[one], state[other]) for one, other in itertools.combinations(alive, 2))
