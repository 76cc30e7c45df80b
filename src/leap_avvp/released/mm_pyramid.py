"""MM-Pyramid's released program (JustinYuu/MM_Pyramid), and what LEAP's program has of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from leap_avvp.card import FeatureSet
from leap_avvp.models import Frontend, MMILDecoder, MMPyramid, VideoParser
from leap_avvp.released.links import Link, Shape, dead_layer, front_end, layer, mmil, pre_norm_block
from leap_avvp.released.program import Architecture, Program, Reading

__all__ = ["MMPyramidProgram"]

_LEVELS = 4


def _convolution(ours: str, released: str) -> Iterator[Link]:
    # The released module registers each convolution twice: by name and inside a Sequential.
    for own, name, alias in (("wide", "conv1", "net.0"), ("point", "conv2", "net.2")):
        for part in ("weight", "bias"):
            yield Link((f"{ours}.{own}.{part}",), (f"{released}.{name}.{part}",), (f"{released}.{alias}.{part}",))


class MMPyramidProgram(Program):
    """MM-Pyramid and MMIL. Its layers are copies of templates, which it keeps, and its attentions have unused norms."""

    name = "MM-Pyramid + MMIL"
    encoder = "mm_pyramid"
    num_heads = 8
    templates: tuple[str, ...] = ("MMP.capture", "MMP.fusion")

    def recognise(self, shapes: Mapping[str, Shape], features: FeatureSet | None) -> Architecture | None:
        """See :meth:`Program.recognise`."""
        pyramid = any(name.startswith("MMP.") for name in shapes)
        own = pyramid and "fc_prob.weight" in shapes
        others = ("hat_encoder.", "AVL.")
        return Architecture("mm_pyramid", "mmil") if own and not any(n.startswith(others) for n in shapes) else None

    def of_parser(self, parser: VideoParser) -> Architecture | None:
        """See :meth:`Program.of_parser`."""
        own = self.has_pyramid(parser) and isinstance(parser.decoder, MMILDecoder)
        return Architecture("mm_pyramid", "mmil") if own else None

    @staticmethod
    def has_pyramid(parser: VideoParser) -> bool:
        """Say whether a parser has the program's front end and a pyramid of its levels."""
        encoder = parser.encoder
        pyramid = isinstance(encoder, MMPyramid) and len(encoder.levels) == _LEVELS
        return pyramid and isinstance(parser.frontend, Frontend)

    def links(self, architecture: Architecture) -> Iterator[Link]:
        """See :meth:`Program.links`."""
        yield from front_end()
        for level in range(_LEVELS):
            ours, released = f"encoder.levels.{level}", f"MMP.capture.msa.{level}"
            yield from pre_norm_block(f"{ours}.audio_self", f"{released}.asablock.layer")
            yield from pre_norm_block(f"{ours}.visual_self", f"{released}.vsablock.layer")
            yield from pre_norm_block(f"{ours}.cross", f"{released}.cmablock.layer")
            for modality, letter in (("audio", "a"), ("visual", "v")):
                yield from layer(f"{ours}.{modality}_gate.weigh", f"{released}.l{letter}1", f"{released}.l{letter}2")
                yield from _convolution(f"{ours}.{modality}_convolution", f"MMP.capture.{letter}network.{level}")
        for modality, letter in (("audio", "a"), ("visual", "v")):
            yield from pre_norm_block(f"encoder.{modality}_fusion.block", f"MMP.fusion.{letter}adaptiveinteraction")
            yield from layer(f"encoder.{modality}_fusion.select", f"MMP.fusion.{letter}selectfusion")
        yield from self.decoder_links(architecture)

    def decoder_links(self, architecture: Architecture) -> Iterator[Link]:
        """Yield the links of the decoder."""
        yield from mmil()

    def dead(self, architecture: Architecture) -> Iterator[tuple[str, Shape]]:
        """See :meth:`Program.dead`."""
        dim = architecture.dim
        for template in self.templates:
            for index in range(4):
                yield from dead_layer(f"{template}.multiheadattn.linears.{index}", dim, dim)
            yield from dead_layer(f"{template}.multiheadattn.layer_norm", dim)
            for linear in ("w_1", "w_2"):
                yield from dead_layer(f"{template}.feedforward.{linear}", dim, dim)
        for link in self.links(architecture):
            block = re.fullmatch(r"(.+\.self_attn)\.linears\.0\.weight", link.released[0])
            if block:  # every attention of these programs carries a LayerNorm that it never applies
                yield from dead_layer(f"{block[1]}.layer_norm", dim)

    def build(self, architecture: Architecture, reading: Reading) -> VideoParser:
        """See :meth:`Program.build`."""
        return VideoParser(MMPyramid(num_heads=self.heads(architecture)), MMILDecoder())
