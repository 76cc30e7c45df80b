"""Which released tensors become which of ours: the layers that several programs share."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

__all__ = ["Link", "Shape", "dead_layer", "front_end", "han_layer", "layer", "mmil", "pre_norm_block"]

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Link:
    """Our tensors, joined along their first axis, equal theirs, joined likewise; an alias repeats a released one."""

    ours: tuple[str, ...]
    released: tuple[str, ...]
    aliases: tuple[str, ...] = ()


def layer(ours: str, *released: str) -> Iterator[Link]:
    """One of our layers from one released layer, or from several stacked ones."""
    for part in ("weight", "bias"):
        yield Link((f"{ours}.{part}",), tuple(f"{name}.{part}" for name in released))


def front_end() -> Iterator[Link]:
    """:class:`~leap_avvp.models.Frontend` of three streams, as HAN's program names its layers."""
    for ours, released in (("audio", "fc_a"), ("video_2d", "fc_v"), ("video_3d", "fc_st"), ("fusion", "fc_fusion")):
        yield from layer(f"frontend.{ours}", released)


def han_layer(ours: str, released: str) -> Iterator[Link]:
    """A :class:`~leap_avvp.models.encoders.han.HANLayer` from one of torch's attention and feed-forward layers."""
    for own, theirs in (("self_attention", "self_attn"), ("cross_attention", "cm_attn")):
        for part in ("weight", "bias"):
            yield Link(
                (f"{ours}.{own}.query.{part}", f"{ours}.{own}.key_value.{part}"),
                (f"{released}.{theirs}.in_proj_{part}",),
            )
        yield from layer(f"{ours}.{own}.output", f"{released}.{theirs}.out_proj")
    yield from layer(f"{ours}.attention_norm", f"{released}.norm1")
    yield from layer(f"{ours}.output_norm", f"{released}.norm2")
    yield from layer(f"{ours}.feed_forward.inner", f"{released}.linear1")
    yield from layer(f"{ours}.feed_forward.outer", f"{released}.linear2")


def pre_norm_block(ours: str, released: str) -> Iterator[Link]:
    """A :class:`~leap_avvp.models.attention.PreNormBlock` from MM-Pyramid's layers."""
    linears = f"{released}.self_attn.linears"
    yield from layer(f"{ours}.attention.query", f"{linears}.0")
    yield from layer(f"{ours}.attention.key_value", f"{linears}.1", f"{linears}.2")
    yield from layer(f"{ours}.attention.output", f"{linears}.3")
    yield from layer(f"{ours}.attention_norm", f"{released}.sublayer.0.norm")
    yield from layer(f"{ours}.feed_forward_norm", f"{released}.sublayer.1.norm")
    yield from layer(f"{ours}.feed_forward.inner", f"{released}.feed_forward.w_1")
    yield from layer(f"{ours}.feed_forward.outer", f"{released}.feed_forward.w_2")


_MMIL_NAMES = {"probability": "fc_prob", "time_attention": "fc_frame_att", "modality_attention": "fc_av_att"}


def mmil(renamed: Mapping[str, str] | None = None) -> Iterator[Link]:
    """:class:`~leap_avvp.models.MMILDecoder` from the heads of HAN's program, or from those named otherwise."""
    for ours, released in {**_MMIL_NAMES, **(renamed or {})}.items():
        yield from layer(f"decoder.{ours}", released)


def dead_layer(name: str, *shape: int) -> Iterator[tuple[str, Shape]]:
    """Name and shape of weight and bias of a layer that no forward pass uses."""
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]
