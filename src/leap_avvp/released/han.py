"""HAN's released program (YapengTian/AVVP-ECCV20)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from leap_avvp.card import FeatureSet
from leap_avvp.models import HAN, Frontend, MMILDecoder, VideoParser
from leap_avvp.released.links import Link, Shape, dead_layer, front_end, han_layer, mmil
from leap_avvp.released.program import Architecture, Program, Reading

__all__ = ["HANProgram"]


class HANProgram(Program):
    """One parallel layer and MMIL; the program also carries three encoders and four norms that it never uses."""

    name = "HAN + MMIL"
    encoder = "han"
    num_heads = 1

    def recognise(self, shapes: Mapping[str, Shape], features: FeatureSet | None) -> Architecture | None:
        """See :meth:`Program.recognise`: it alone has HAN's layers without VALOR's final norms."""
        others = ("MMP.", "AVL.", "hat_encoder.final_norm_", "fc_a.layers.")
        own = any(name.startswith("hat_encoder.") for name in shapes) and "fc_prob.weight" in shapes
        return Architecture("han", "mmil") if own and not any(name.startswith(others) for name in shapes) else None

    def of_parser(self, parser: VideoParser) -> Architecture | None:
        """See :meth:`Program.of_parser`."""
        encoder = parser.encoder
        own = isinstance(encoder, HAN) and encoder.update == "parallel" and encoder.cross
        own = own and isinstance(parser.frontend, Frontend) and isinstance(parser.decoder, MMILDecoder)
        return Architecture("han", "mmil") if own else None

    def links(self, architecture: Architecture) -> Iterator[Link]:
        """See :meth:`Program.links`."""
        yield from front_end()
        yield from han_layer("encoder.layers.0", "hat_encoder.layers.0")
        yield from mmil()

    def dead(self, architecture: Architecture) -> Iterator[tuple[str, Shape]]:
        """See :meth:`Program.dead`."""
        dim = architecture.dim
        for encoder in ("audio_encoder", "visual_encoder", "cmt_encoder"):
            layer = f"{encoder}.layers.0"
            yield f"{layer}.self_attn.in_proj_weight", (3 * dim, dim)
            yield f"{layer}.self_attn.in_proj_bias", (3 * dim,)
            for linear in ("self_attn.out_proj", "linear1", "linear2"):
                yield from dead_layer(f"{layer}.{linear}", dim, dim)
            for norm in ("norm1", "norm2"):
                yield from dead_layer(f"{layer}.{norm}", dim)
        for encoder in ("cmt_encoder", "hat_encoder"):
            for norm in ("norm1", "norm2"):
                yield from dead_layer(f"{encoder}.{norm}", dim)

    def build(self, architecture: Architecture, reading: Reading) -> VideoParser:
        """See :meth:`Program.build`."""
        return VideoParser(HAN(num_heads=self.heads(architecture)), MMILDecoder())
