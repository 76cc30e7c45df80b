"""The released programs that are known, and which of them something is of."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from leap_avvp.card import FeatureSet
from leap_avvp.errors import DataError
from leap_avvp.models import VideoParser
from leap_avvp.released.han import HANProgram
from leap_avvp.released.leap import LEAPProgram
from leap_avvp.released.mm_pyramid import MMPyramidProgram
from leap_avvp.released.program import Architecture, Program
from leap_avvp.released.uwav import UWAVProgram
from leap_avvp.released.valor import VALORProgram

__all__ = ["PROGRAMS", "architecture_of", "describe", "program_of", "recognise"]

PROGRAMS: tuple[Program, ...] = (HANProgram(), MMPyramidProgram(), LEAPProgram(), VALORProgram(), UWAVProgram())


def _names() -> str:
    *names, last = (program.name for program in PROGRAMS)
    return f"{', '.join(names)} or {last}"


def program_of(architecture: Architecture) -> Program:
    """Return the program that has an architecture.

    Raises:
        DataError: none has.
    """
    for program in PROGRAMS:
        if program.makes(architecture):
            return program
    parts = f"{architecture.frontend} + {architecture.encoder} + {architecture.decoder}"
    raise DataError(f"no released program has {parts}: expected {_names()}")


def describe(architecture: Architecture) -> str:
    """Name the program of an architecture, with its sizes."""
    return program_of(architecture).describe(architecture)


def recognise(state_dict: Mapping[str, Tensor], features: FeatureSet | None = None) -> Architecture:
    """Tell from names and shapes which released program a state dict belongs to, and in which sizes.

    Args:
        state_dict: as the program saves it.
        features: what the program reads; None takes the package's feature set with such widths.

    Raises:
        DataError: when it is none of them, or its widths are those of no feature set.
    """
    shapes = {name: tuple(value.shape) for name, value in state_dict.items()}
    found = [own for program in PROGRAMS if (own := program.recognise(shapes, features)) is not None]
    if len(found) == 1:
        return found[0]
    sample = ", ".join(list(state_dict)[:3]) or "no keys at all"
    raise DataError(
        f"weights: expected the state dict of {_names()} as released, found {len(state_dict)} keys ({sample}, ...)"
    )


def architecture_of(parser: VideoParser) -> Architecture:
    """Tell which released program has a parser's parts, and in which sizes.

    Raises:
        DataError: none has.
    """
    found = next((own for program in PROGRAMS if (own := program.of_parser(parser)) is not None), None)
    if found is None:
        parts = (parser.frontend, parser.encoder, parser.decoder)
        names = " + ".join(type(part).__name__ for part in parts if type(part).__name__ != "Frontend")
        raise DataError(f"no released program has {names}: expected {_names()}")
    return found
