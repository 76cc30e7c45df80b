"""What a released program is, to the key map: how it is recognised, named, linked and built."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator, Mapping
from typing import ClassVar

from torch import Tensor

from leap_avvp.card import FeatureSet
from leap_avvp.card.features import LLP_FEATURES, known_features, named_features
from leap_avvp.models import VideoParser
from leap_avvp.released.links import Link, Shape

__all__ = ["Architecture", "Program", "Reading", "known_sets", "size"]


@dataclasses.dataclass(frozen=True)
class Architecture:
    """Which released program a state dict belongs to, and in which sizes. Parts are named as the config's options."""

    encoder: str
    """``han``, ``mm_pyramid`` or ``han_sequential``."""
    decoder: str
    """``mmil`` or ``leap``."""
    num_blocks: int = 0
    """LEAP blocks a modality; 0 for MMIL."""
    frontend: str = "linear"
    """``linear`` or ``joint``."""
    dim: int = 512
    """D."""
    num_layers: int = 1
    """Of a HAN."""
    feed_forward_dim: int = 512
    num_heads: int | None = None
    """Of the encoder's attention, which weights do not tell; None takes the program's own."""
    features: FeatureSet = dataclasses.field(default=LLP_FEATURES, hash=False)
    """What the program reads."""
    unread_width: int = 0
    """Inputs of UWAV's joint map where no forward pass reads it; 0 where it is read."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """What weights do not hold, and a parser needs: of LEAP its label embedding, and how its blocks are read."""

    label_embedding: Tensor | None = None
    read_block: str = "last"
    readout: str = "updated_query"


class Program(abc.ABC):
    """One released program. Another is another module with an object of this kind, and a line in the registry."""

    name: ClassVar[str]
    """As messages call it."""
    encoder: ClassVar[str]
    """Its parts, as the config's options."""
    decoder: ClassVar[str] = "mmil"
    frontend: ClassVar[str] = "linear"
    num_heads: ClassVar[int]
    """Of its encoder, where nobody says otherwise."""
    needs_label_embedding: ClassVar[bool] = False

    def makes(self, architecture: Architecture) -> bool:
        """Say whether an architecture is this program's."""
        parts = (architecture.encoder, architecture.decoder, architecture.frontend)
        return parts == (self.encoder, self.decoder, self.frontend)

    def heads(self, architecture: Architecture) -> int:
        """Return the encoder's heads."""
        return self.num_heads if architecture.num_heads is None else architecture.num_heads

    def describe(self, architecture: Architecture) -> str:
        """Name the program, with the sizes in which it comes."""
        return self.name if architecture.num_layers < 2 else f"{self.name} ({architecture.num_layers} layers)"

    def words(self, architecture: Architecture) -> list[str]:
        """Return the words of the command line that compose a config of this model, without its features."""
        heads = [] if architecture.num_heads is None else [f"encoder.num_heads={architecture.num_heads}"]
        return [f"encoder={self.encoder}", f"decoder={self.decoder}", f"frontend={self.frontend}", *heads]

    @abc.abstractmethod
    def recognise(self, shapes: Mapping[str, Shape], features: FeatureSet | None) -> Architecture | None:
        """Tell from names and shapes of a state dict in which sizes this program it is of; None if it is of another.

        Args:
            shapes: maybe with names missing or unknown, which are complained of later.
            features: what the program reads, where the caller knows.

        Raises:
            DataError: shapes that do not tell what the program reads.
        """

    @abc.abstractmethod
    def of_parser(self, parser: VideoParser) -> Architecture | None:
        """Tell in which sizes this program has a parser's parts; None if it has not. Shapes are compared later."""

    @abc.abstractmethod
    def links(self, architecture: Architecture) -> Iterator[Link]:
        """Yield which released tensors become which of ours."""

    @abc.abstractmethod
    def dead(self, architecture: Architecture) -> Iterator[tuple[str, Shape]]:
        """Yield name and shape of the tensors that no forward pass uses."""

    @abc.abstractmethod
    def build(self, architecture: Architecture, reading: Reading) -> VideoParser:
        """Return our parser of these sizes."""


def size(shapes: Mapping[str, Shape], name: str, axis: int, default: int) -> int:
    """Return one axis of a tensor, ``default`` where there is no such tensor or axis: complained of later."""
    shape = shapes.get(name, ())
    return shape[axis] if axis < len(shape) else default


def known_sets() -> list[FeatureSet]:
    """Return the package's own feature sets, LLP's first."""
    return [LLP_FEATURES, *(named_features(name) for name in known_features() if name != LLP_FEATURES.name)]
