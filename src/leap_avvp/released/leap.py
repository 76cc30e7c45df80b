"""LEAP's released program (jasongief/LEAP): MM-Pyramid with label queries in place of MMIL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from leap_avvp.card import FeatureSet
from leap_avvp.models import LabelQueries, LEAPDecoder, MMPyramid, VideoParser
from leap_avvp.released.links import Link, Shape, layer, pre_norm_block
from leap_avvp.released.mm_pyramid import MMPyramidProgram
from leap_avvp.released.program import Architecture, Reading

__all__ = ["LEAPProgram"]


class LEAPProgram(MMPyramidProgram):
    """MM-Pyramid and LEAP; the label embedding lies in a file of its own."""

    name = "MM-Pyramid + LEAP"
    decoder = "leap"
    needs_label_embedding = True
    templates = ("MMP.capture", "MMP.fusion", "AVL")

    def describe(self, architecture: Architecture) -> str:
        """Name the program and its blocks."""
        return f"{self.name} ({architecture.num_blocks} blocks)"

    def words(self, architecture: Architecture) -> list[str]:
        """See :meth:`Program.words`."""
        return [*super().words(architecture), f"decoder.num_blocks={architecture.num_blocks}"]

    def recognise(self, shapes: Mapping[str, Shape], features: FeatureSet | None) -> Architecture | None:
        """See :meth:`Program.recognise`: blocks are numbered from 0 on."""
        blocks = {int(found[1]) for name in shapes if (found := re.match(r"AVL\.l[av]_cma_network\.(\d+)\.", name))}
        own = any(name.startswith("MMP.") for name in shapes) and blocks and blocks == set(range(len(blocks)))
        others = ("hat_encoder.", "fc_prob.")
        if not own or any(name.startswith(others) for name in shapes):
            return None
        return Architecture("mm_pyramid", "leap", len(blocks))

    def of_parser(self, parser: VideoParser) -> Architecture | None:
        """See :meth:`Program.of_parser`."""
        if not self.has_pyramid(parser) or not isinstance(parser.decoder, LEAPDecoder):
            return None
        return Architecture("mm_pyramid", "leap", len(parser.decoder.audio.blocks))

    def decoder_links(self, architecture: Architecture) -> Iterator[Link]:
        """Yield the links of the decoder."""
        yield from layer("decoder.label_projection", "fc_l")
        for modality, letter in (("audio", "a"), ("visual", "v")):
            for block in range(architecture.num_blocks):
                ours, released = f"decoder.{modality}.blocks.{block}", f"AVL.l{letter}_cma_network.{block}"
                yield from pre_norm_block(ours, released)
            yield from layer(f"decoder.{modality}.presence", f"fc_l{letter}")

    def build(self, architecture: Architecture, reading: Reading) -> VideoParser:
        """See :meth:`Program.build`."""
        queries = LabelQueries(reading.label_embedding, kind="released")
        blocks = architecture.num_blocks
        decoder = LEAPDecoder(queries, num_blocks=blocks, read_block=reading.read_block, readout=reading.readout)
        return VideoParser(MMPyramid(num_heads=self.heads(architecture)), decoder)
