"""Weights of the programs that the papers' authors released, into our parser and back, by an explicit key map."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from leap_avvp.errors import DataError
from leap_avvp.llp import EMBEDDING_DIM, NUM_CLASSES
from leap_avvp.models import HAN, LabelQueries, LEAPDecoder, MMILDecoder, MMPyramid, VideoParser

__all__ = ["Architecture", "Link", "dead_shapes", "key_map", "load_released", "recognise", "to_released"]

_DIM = 512
_LEVELS = 4


@dataclasses.dataclass(frozen=True)
class Architecture:
    """Which released program a state dict belongs to."""

    encoder: str
    """``han`` or ``mm_pyramid``"""
    decoder: str
    """``mmil`` or ``leap``"""
    num_blocks: int = 0
    """LEAP blocks a modality; 0 for MMIL."""

    def __str__(self) -> str:
        blocks = f" ({self.num_blocks} blocks)" if self.decoder == "leap" else ""
        return {"han": "HAN", "mm_pyramid": "MM-Pyramid"}[self.encoder] + f" + {self.decoder.upper()}{blocks}"


@dataclasses.dataclass(frozen=True)
class Link:
    """Our tensors, joined along their first axis, equal theirs, joined likewise; an alias repeats a released one."""

    ours: tuple[str, ...]
    released: tuple[str, ...]
    aliases: tuple[str, ...] = ()


def _layer(ours: str, *released: str) -> Iterator[Link]:
    """One of our layers from one released layer, or from several stacked ones."""
    for part in ("weight", "bias"):
        yield Link((f"{ours}.{part}",), tuple(f"{name}.{part}" for name in released))


def _pre_norm_block(ours: str, released: str) -> Iterator[Link]:
    linears = f"{released}.self_attn.linears"
    yield from _layer(f"{ours}.attention.query", f"{linears}.0")
    yield from _layer(f"{ours}.attention.key_value", f"{linears}.1", f"{linears}.2")
    yield from _layer(f"{ours}.attention.output", f"{linears}.3")
    yield from _layer(f"{ours}.attention_norm", f"{released}.sublayer.0.norm")
    yield from _layer(f"{ours}.feed_forward_norm", f"{released}.sublayer.1.norm")
    yield from _layer(f"{ours}.feed_forward.inner", f"{released}.feed_forward.w_1")
    yield from _layer(f"{ours}.feed_forward.outer", f"{released}.feed_forward.w_2")


def _convolution(ours: str, released: str) -> Iterator[Link]:
    # The released module registers each convolution twice: by name and inside a Sequential.
    for layer, name, alias in (("wide", "conv1", "net.0"), ("point", "conv2", "net.2")):
        for part in ("weight", "bias"):
            yield Link((f"{ours}.{layer}.{part}",), (f"{released}.{name}.{part}",), (f"{released}.{alias}.{part}",))


def _mm_pyramid() -> Iterator[Link]:
    for level in range(_LEVELS):
        ours, released = f"encoder.levels.{level}", f"MMP.capture.msa.{level}"
        yield from _pre_norm_block(f"{ours}.audio_self", f"{released}.asablock.layer")
        yield from _pre_norm_block(f"{ours}.visual_self", f"{released}.vsablock.layer")
        yield from _pre_norm_block(f"{ours}.cross", f"{released}.cmablock.layer")
        for modality, letter in (("audio", "a"), ("visual", "v")):
            yield from _layer(f"{ours}.{modality}_gate.weigh", f"{released}.l{letter}1", f"{released}.l{letter}2")
            yield from _convolution(f"{ours}.{modality}_convolution", f"MMP.capture.{letter}network.{level}")
    for modality, letter in (("audio", "a"), ("visual", "v")):
        yield from _pre_norm_block(f"encoder.{modality}_fusion.block", f"MMP.fusion.{letter}adaptiveinteraction")
        yield from _layer(f"encoder.{modality}_fusion.select", f"MMP.fusion.{letter}selectfusion")


def _han() -> Iterator[Link]:
    layer = "hat_encoder.layers.0"
    for ours, released in (("self_attention", "self_attn"), ("cross_attention", "cm_attn")):
        for part in ("weight", "bias"):
            yield Link(
                (f"encoder.layers.0.{ours}.query.{part}", f"encoder.layers.0.{ours}.key_value.{part}"),
                (f"{layer}.{released}.in_proj_{part}",),
            )
        yield from _layer(f"encoder.layers.0.{ours}.output", f"{layer}.{released}.out_proj")
    yield from _layer("encoder.layers.0.attention_norm", f"{layer}.norm1")
    yield from _layer("encoder.layers.0.output_norm", f"{layer}.norm2")
    yield from _layer("encoder.layers.0.feed_forward.inner", f"{layer}.linear1")
    yield from _layer("encoder.layers.0.feed_forward.outer", f"{layer}.linear2")


def _leap(num_blocks: int) -> Iterator[Link]:
    yield from _layer("decoder.label_projection", "fc_l")
    for modality, letter in (("audio", "a"), ("visual", "v")):
        for block in range(num_blocks):
            yield from _pre_norm_block(f"decoder.{modality}.blocks.{block}", f"AVL.l{letter}_cma_network.{block}")
        yield from _layer(f"decoder.{modality}.presence", f"fc_l{letter}")


def key_map(architecture: Architecture) -> list[Link]:
    """Return which released tensors become which of ours; the dead ones (:func:`dead_shapes`) are not in it."""
    links = [
        *_layer("frontend.audio", "fc_a"),
        *_layer("frontend.video_2d", "fc_v"),
        *_layer("frontend.video_3d", "fc_st"),
        *_layer("frontend.fusion", "fc_fusion"),
        *(_han() if architecture.encoder == "han" else _mm_pyramid()),
    ]
    if architecture.decoder == "leap":
        return [*links, *_leap(architecture.num_blocks)]
    for ours, released in (
        ("probability", "fc_prob"),
        ("time_attention", "fc_frame_att"),
        ("modality_attention", "fc_av_att"),
    ):
        links += _layer(f"decoder.{ours}", released)
    return links


def _dead_layer(name: str, *shape: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def dead_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Return name and shape of the released parameters that no forward pass uses: templates, spare norms, encoders."""
    names: list[tuple[str, tuple[int, ...]]] = []
    if architecture.encoder == "han":
        for encoder in ("audio_encoder", "visual_encoder", "cmt_encoder"):
            layer = f"{encoder}.layers.0"
            names += [(f"{layer}.self_attn.in_proj_weight", (3 * _DIM, _DIM))]
            names += [(f"{layer}.self_attn.in_proj_bias", (3 * _DIM,))]
            for linear in ("self_attn.out_proj", "linear1", "linear2"):
                names += _dead_layer(f"{layer}.{linear}", _DIM, _DIM)
            for norm in ("norm1", "norm2"):
                names += _dead_layer(f"{layer}.{norm}", _DIM)
        for encoder in ("cmt_encoder", "hat_encoder"):
            for norm in ("norm1", "norm2"):
                names += _dead_layer(f"{encoder}.{norm}", _DIM)
        return dict(names)
    templates = ["MMP.capture", "MMP.fusion"] + (["AVL"] if architecture.decoder == "leap" else [])
    for template in templates:
        for index in range(4):
            names += _dead_layer(f"{template}.multiheadattn.linears.{index}", _DIM, _DIM)
        names += _dead_layer(f"{template}.multiheadattn.layer_norm", _DIM)
        for linear in ("w_1", "w_2"):
            names += _dead_layer(f"{template}.feedforward.{linear}", _DIM, _DIM)
    for link in key_map(architecture):
        block = re.fullmatch(r"(.+\.self_attn)\.linears\.0\.weight", link.released[0])
        if block:  # every attention of these programs carries a LayerNorm that it never applies
            names += _dead_layer(f"{block[1]}.layer_norm", _DIM)
    return dict(names)


def recognise(state_dict: Mapping[str, Tensor]) -> Architecture:
    """Tell from its keys which released program a state dict belongs to.

    Raises:
        DataError: when it is none of HAN + MMIL, MM-Pyramid + MMIL and MM-Pyramid + LEAP.
    """
    has_han = any(key.startswith("hat_encoder.") for key in state_dict)
    has_pyramid = any(key.startswith("MMP.") for key in state_dict)
    blocks = {int(found[1]) for key in state_dict if (found := re.match(r"AVL\.l[av]_cma_network\.(\d+)\.", key))}
    has_mmil = any(key.startswith("fc_prob.") for key in state_dict)
    if has_pyramid and not has_han and blocks == set(range(len(blocks))) and bool(blocks) != has_mmil:
        return Architecture("mm_pyramid", "leap", len(blocks)) if blocks else Architecture("mm_pyramid", "mmil")
    if has_han and not has_pyramid and not blocks and has_mmil:
        return Architecture("han", "mmil")
    sample = ", ".join(list(state_dict)[:3]) or "no keys at all"
    raise DataError(
        "weights: expected the state dict of HAN + MMIL, MM-Pyramid + MMIL or MM-Pyramid + LEAP as released, "
        f"found {len(state_dict)} keys ({sample}, ...)"
    )


def _build(architecture: Architecture, label_embedding: Tensor | None, read_block: str, readout: str) -> VideoParser:
    encoder = HAN() if architecture.encoder == "han" else MMPyramid()
    if architecture.decoder == "mmil":
        return VideoParser(encoder, MMILDecoder())
    queries = LabelQueries(label_embedding, kind="released")
    decoder = LEAPDecoder(queries, num_blocks=architecture.num_blocks, read_block=read_block, readout=readout)
    return VideoParser(encoder, decoder)


def load_released(
    state_dict: Mapping[str, Tensor],
    label_embedding: Tensor | None = None,
    *,
    read_block: str = "last",
    readout: str = "updated_query",
) -> VideoParser:
    """Return our parser, in eval mode, with the weights of a released program.

    Dead tensors of the dict are kept beside the parser (``parser.released_extras``) so that :func:`to_released` gives
    the same dict back.

    Args:
        state_dict: as the program saves it; a ``module.`` prefix (DataParallel) is dropped.
        label_embedding: (25, 300), needed for LEAP, ignored for MMIL.
        read_block: see :class:`~leap_avvp.models.LEAPDecoder`.
        readout: likewise.

    Raises:
        DataError: unknown, missing or misshaped keys, by name.
    """
    tensors = {key.removeprefix("module."): value for key, value in state_dict.items()}
    architecture = recognise(tensors)
    links, dead = key_map(architecture), dead_shapes(architecture)
    _check_keys(tensors, links, dead, architecture)
    if architecture.decoder == "leap" and label_embedding is None:
        raise DataError(
            f"label_embedding: {architecture} starts from the class names' embeddings, which its weights do not hold; "
            f"pass a ({NUM_CLASSES}, {EMBEDDING_DIM}) tensor (the released llp_label_glove_embeddings.pt)"
        )
    parser = _build(architecture, label_embedding, read_block, readout)
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
    tensors: Mapping[str, Tensor],
    links: Sequence[Link],
    dead: Mapping[str, tuple[int, ...]],
    architecture: Architecture,
) -> None:
    needed = {name for link in links for name in link.released}
    known = needed | {name for link in links for name in link.aliases} | set(dead)
    for problem, names in (("unknown", set(tensors) - known), ("missing", needed - set(tensors))):
        if names:
            first = ", ".join(sorted(names)[:5])
            raise DataError(f"weights: recognised {architecture}, but {len(names)} keys are {problem}: {first}")
    expected = dict(_released_shapes(links, architecture)) | dict(dead)
    for name, shape in expected.items():
        if name in tensors and tuple(tensors[name].shape) != shape:
            raise DataError(f"weights: {name}: expected shape {shape}, found {tuple(tensors[name].shape)}")


def _released_shapes(links: Sequence[Link], architecture: Architecture) -> Iterator[tuple[str, tuple[int, ...]]]:
    with torch.device("meta"):
        own = _build(architecture, None, "last", "updated_query").state_dict()
    for link in links:
        rows = sum(own[name].shape[0] for name in link.ours) // len(link.released)
        for name in link.released + link.aliases:
            yield name, (rows, *own[link.ours[0]].shape[1:])


def _architecture_of(parser: VideoParser) -> Architecture:
    encoder, decoder = parser.encoder, parser.decoder
    if isinstance(encoder, HAN) and isinstance(decoder, MMILDecoder):
        return Architecture("han", "mmil")
    if isinstance(encoder, MMPyramid) and len(encoder.levels) == _LEVELS:
        if isinstance(decoder, MMILDecoder):
            return Architecture("mm_pyramid", "mmil")
        if isinstance(decoder, LEAPDecoder):
            return Architecture("mm_pyramid", "leap", len(decoder.audio.blocks))
    raise DataError(
        f"no released program has {type(encoder).__name__} + {type(decoder).__name__}: expected HAN + MMIL, "
        "MM-Pyramid + MMIL or MM-Pyramid + LEAP"
    )


def to_released(parser: VideoParser) -> dict[str, Tensor]:
    """Return a state dict that the released program loads strictly.

    Its dead parameters are those that :func:`load_released` found, else zeros (ones for the scales of norms). The label
    embedding is not part of it: the program reads it from its own file.

    Raises:
        DataError: when no released program has this encoder, decoder and width.
    """
    architecture = _architecture_of(parser)
    own = {name: value.detach().clone() for name, value in parser.state_dict().items()}
    released: dict[str, Tensor] = {}
    for link in key_map(architecture):
        joined = torch.cat([own[name] for name in link.ours])
        for name, piece in zip(link.released, joined.chunk(len(link.released)), strict=True):
            released[name] = piece.clone()
        for name, alias in zip(link.released, link.aliases, strict=False):
            released[alias] = released[name]
    for name, shape in dict(_released_shapes(key_map(architecture), architecture)).items():
        if tuple(released[name].shape) != shape:
            raise DataError(f"{architecture} has {name} of shape {shape}, this parser {tuple(released[name].shape)}")
    extras = parser.released_extras or {}
    for name, shape in dead_shapes(architecture).items():
        if name in extras:
            released[name] = extras[name].clone()
        else:
            is_scale = "norm" in name and name.endswith("weight")
            released[name] = torch.ones(shape) if is_scale else torch.zeros(shape)
    return released
