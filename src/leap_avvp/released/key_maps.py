"""Weights of the programs that the papers' authors released, into our parser and back, by an explicit key map."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from leap_avvp.card import FeatureSet
from leap_avvp.errors import DataError
from leap_avvp.llp import EMBEDDING_DIM, NUM_CLASSES
from leap_avvp.models import VideoParser
from leap_avvp.released.links import Link, Shape
from leap_avvp.released.program import Architecture, Reading
from leap_avvp.released.registry import architecture_of, describe, program_of, recognise

__all__ = ["dead_shapes", "key_map", "load_released", "to_released"]


def key_map(architecture: Architecture) -> list[Link]:
    """Return which released tensors become which of ours; the dead ones (:func:`dead_shapes`) are not in it."""
    return list(program_of(architecture).links(architecture))


def dead_shapes(architecture: Architecture) -> dict[str, Shape]:
    """Return name and shape of the released parameters that no forward pass uses: templates, spare norms, encoders."""
    return dict(program_of(architecture).dead(architecture))


def load_released(
    state_dict: Mapping[str, Tensor],
    label_embedding: Tensor | None = None,
    *,
    read_block: str = "last",
    readout: str = "updated_query",
    num_heads: int | None = None,
    features: FeatureSet | None = None,
) -> VideoParser:
    """Return our parser, in eval mode, with the weights of a released program.

    Dead tensors of the dict are kept beside the parser (``parser.released_extras``) so that :func:`to_released` gives
    the same dict back.

    Args:
        state_dict: as the program saves it; a ``module.`` prefix (DataParallel) is dropped.
        label_embedding: (25, 300), needed for LEAP, ignored for MMIL.
        read_block: see :class:`~leap_avvp.models.LEAPDecoder`.
        readout: likewise.
        num_heads: of the encoder, which weights do not tell; None takes the program's own.
        features: what the program reads; None takes the package's feature set with such widths.

    Raises:
        DataError: unknown, missing or misshaped keys, by name.
        ConfigError: heads that do not divide the encoder's width.
    """
    tensors = {key.removeprefix("module."): value for key, value in state_dict.items()}
    architecture = dataclasses.replace(recognise(tensors, features), num_heads=num_heads)
    program, links, dead = program_of(architecture), key_map(architecture), dead_shapes(architecture)
    _check_keys(tensors, links, dead, architecture)
    if program.needs_label_embedding and label_embedding is None:
        raise DataError(
            f"label_embedding: {describe(architecture)} starts from the class names' embeddings, which its weights do "
            f"not hold; pass a ({NUM_CLASSES}, {EMBEDDING_DIM}) tensor (the released llp_label_glove_embeddings.pt)"
        )
    parser = program.build(architecture, Reading(label_embedding, read_block, readout))
    own = parser.state_dict()
    for link in links:
        joined = torch.cat([tensors[name] for name in link.released])
        for name, alias in zip(link.released, link.aliases, strict=False):
            if alias in tensors and not torch.equal(tensors[alias], tensors[name]):
                raise DataError(f"weights: {name} and {alias} are one tensor under two names, found different values")
        pieces = torch.split(joined, [own[name].shape[0] for name in link.ours])
        own.update(zip(link.ours, pieces, strict=True))
    parser.load_state_dict(own)
    parser.released_extras = {name: tensors[name].detach().clone() for name in dead if name in tensors}
    return parser.eval()


def _check_keys(
    tensors: Mapping[str, Tensor], links: Sequence[Link], dead: Mapping[str, Shape], architecture: Architecture
) -> None:
    needed = {name for link in links for name in link.released}
    known = needed | {name for link in links for name in link.aliases} | set(dead)
    for problem, names in (("unknown", set(tensors) - known), ("missing", needed - set(tensors))):
        if names:
            first, what = ", ".join(sorted(names)[:5]), describe(architecture)
            raise DataError(f"weights: recognised {what}, but {len(names)} keys are {problem}: {first}")
    expected = dict(_released_shapes(links, architecture)) | dict(dead)
    for name, shape in expected.items():
        if name in tensors and tuple(tensors[name].shape) != shape:
            raise DataError(f"weights: {name}: expected shape {shape}, found {tuple(tensors[name].shape)}")


def _released_shapes(links: Sequence[Link], architecture: Architecture) -> Iterator[tuple[str, Shape]]:
    with torch.device("meta"):
        own = program_of(architecture).build(architecture, Reading()).state_dict()
    for link in links:
        rows = sum(own[name].shape[0] for name in link.ours) // len(link.released)
        for name in link.released + link.aliases:
            yield name, (rows, *own[link.ours[0]].shape[1:])


def to_released(parser: VideoParser) -> dict[str, Tensor]:
    """Return a state dict that the released program loads strictly.

    Its dead parameters are those that :func:`load_released` found, else zeros (ones for the scales of norms). The label
    embedding is not part of it: the program reads it from its own file.

    Raises:
        DataError: when no released program has these parts in these sizes.
    """
    architecture = architecture_of(parser)
    own = {name: value.detach().clone() for name, value in parser.state_dict().items()}
    links, what = key_map(architecture), describe(architecture)
    released: dict[str, Tensor] = {}
    for link in links:
        absent = [name for name in link.ours if name not in own]
        if absent:
            raise DataError(f"{what} has {link.released[0]}, this parser no {absent[0]}")
        joined = torch.cat([own[name] for name in link.ours])
        for name, piece in zip(link.released, joined.chunk(len(link.released)), strict=True):
            released[name] = piece.clone()
        for name, alias in zip(link.released, link.aliases, strict=False):
            released[alias] = released[name]
    for name, shape in _released_shapes(links, architecture):
        if tuple(released[name].shape) != shape:
            raise DataError(f"{what} has {name} of shape {shape}, this parser {tuple(released[name].shape)}")
    extras = parser.released_extras or {}
    for name, shape in dead_shapes(architecture).items():
        if name in extras:
            released[name] = extras[name].clone()
        else:
            is_scale = "norm" in name and name.endswith("weight")
            released[name] = torch.ones(shape) if is_scale else torch.zeros(shape)
    return released
