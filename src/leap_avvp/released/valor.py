"""VALOR's released program (Franklin905/VALOR): VALOR, VALOR+ and VALOR++, and what UWAV's program has of it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

from leap_avvp.card import FeatureSet
from leap_avvp.card.features import Stream
from leap_avvp.models import HAN, Frontend, MMILDecoder, VideoParser
from leap_avvp.models.encoders.han import HANLayer
from leap_avvp.models.frontend import StreamFrontend
from leap_avvp.released.links import Link, Shape, dead_layer, front_end, han_layer, mmil
from leap_avvp.released.program import Architecture, Program, Reading, known_sets, size

__all__ = ["SequentialProgram", "VALORProgram"]

_STREAMS = {"audio": "fc_a", "video_2d": "fc_v", "video_3d": "fc_st"}


class SequentialProgram(Program):
    """Layers of HAN, one after the other, and MMIL, in sizes that the shapes tell; two final norms are never used."""

    encoder = "han_sequential"
    marks: tuple[str, ...]
    """How a name of its own front end begins, and that of none other."""
    feed_forward_dim: int

    def describe(self, architecture: Architecture) -> str:
        """Name the program and its sizes."""
        layers = f"{architecture.num_layers} layer{'s' if architecture.num_layers != 1 else ''}"
        return f"{self.name} ({layers} of width {architecture.dim}, {self.heads(architecture)} heads)"

    def words(self, architecture: Architecture) -> list[str]:
        """See :meth:`Program.words`."""
        return [
            *super().words(dataclasses.replace(architecture, num_heads=self.heads(architecture))),
            f"encoder.dim={architecture.dim}",
            f"decoder.dim={architecture.dim}",
            f"encoder.num_layers={architecture.num_layers}",
            f"encoder.feed_forward_dim={architecture.feed_forward_dim}",
        ]

    def of_shapes(self, shapes: Mapping[str, Shape]) -> Architecture | None:
        """Return the encoder's sizes, and no features yet, from a state dict of the program; None of another."""
        final = any(name.startswith("hat_encoder.final_norm_") for name in shapes)
        if not final or not any(name.startswith(self.marks) for name in shapes):
            return None
        layers = {int(found[1]) for name in shapes if (found := re.match(r"hat_encoder\.layers\.(\d+)\.", name))}
        inner = "hat_encoder.layers.0.linear1.weight"
        return Architecture(
            self.encoder,
            self.decoder,
            frontend=self.frontend,
            dim=size(shapes, inner, 1, 512),
            feed_forward_dim=size(shapes, inner, 0, self.feed_forward_dim),
            num_layers=max(1, len(layers)),
        )

    def of_encoder(self, parser: VideoParser) -> Architecture | None:
        """Return the sizes of a parser's encoder, if that and the decoder are such as the program has; else None."""
        encoder = parser.encoder
        if not isinstance(encoder, HAN) or not isinstance(parser.decoder, MMILDecoder):
            return None
        if encoder.update != "sequential" or not encoder.cross:
            return None
        first = encoder.layers[0]
        assert isinstance(first, HANLayer)
        return Architecture(
            self.encoder,
            self.decoder,
            frontend=self.frontend,
            dim=encoder.dim,
            feed_forward_dim=first.feed_forward.inner.out_features,
            num_layers=len(encoder.layers),
            num_heads=first.self_attention.num_heads,
            features=parser.frontend.features,
        )

    def encoder_links(self, architecture: Architecture) -> Iterator[Link]:
        """Yield the links of the encoder."""
        for number in range(architecture.num_layers):
            yield from han_layer(f"encoder.layers.{number}", f"hat_encoder.layers.{number}")

    def dead(self, architecture: Architecture) -> Iterator[tuple[str, Shape]]:
        """See :meth:`Program.dead`: the final norms act in a pre-norm mode that nobody runs."""
        for letter in ("a", "v"):
            yield from dead_layer(f"hat_encoder.final_norm_{letter}", architecture.dim)

    def build(self, architecture: Architecture, reading: Reading) -> VideoParser:
        """See :meth:`Program.build`."""
        encoder = HAN(
            architecture.dim,
            num_layers=architecture.num_layers,
            num_heads=self.heads(architecture),
            feed_forward_dim=architecture.feed_forward_dim,
            update="sequential",
        )
        return VideoParser(encoder, MMILDecoder(architecture.dim), self.front_end(architecture))

    def front_end(self, architecture: Architecture) -> StreamFrontend:
        """Return the front end."""
        raise NotImplementedError


class VALORProgram(SequentialProgram):
    """VALOR: any width, layers and features; 8 heads unless told otherwise."""

    name = "VALOR"
    num_heads = 8
    feed_forward_dim = 1024
    marks = ("fc_a.weight", "fc_a.bias")

    def recognise(self, shapes: Mapping[str, Shape], features: FeatureSet | None) -> Architecture | None:
        """See :meth:`Program.recognise`: features are the package's of these widths, else one row a segment."""
        own = self.of_shapes(shapes)
        if own is None:
            return None
        if features is None:
            widths = {stream: size(shapes, f"{name}.weight", 1, 1) for stream, name in _STREAMS.items()}
            rows = {name: Stream(name, name, "T", width, "segment") for name, width in widths.items()}
            sets = (*known_sets(), FeatureSet("released", rows))
            features = next(known for known in sets if known.widths == widths)
        return dataclasses.replace(own, features=features)

    def of_parser(self, parser: VideoParser) -> Architecture | None:
        """See :meth:`Program.of_parser`."""
        return self.of_encoder(parser) if isinstance(parser.frontend, Frontend) and parser.frontend.has_3d else None

    def links(self, architecture: Architecture) -> Iterator[Link]:
        """See :meth:`Program.links`."""
        yield from front_end()
        yield from self.encoder_links(architecture)
        yield from mmil()

    def front_end(self, architecture: Architecture) -> StreamFrontend:
        """Return the front end: linear throughout, so that rows become segments before its maps."""
        return Frontend(architecture.dim, architecture.features)
