"""The weights that a training starts from: of anybody's checkpoint, whole or part by part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leap_avvp.errors import DataError
from leap_avvp.models import VideoParser
from leap_avvp.training.checkpoint import checkpoint_file, load_weights, parser_state, read_checkpoint, stamp_of

__all__ = ["load_initial"]


def load_initial(parser: VideoParser, path: Path, parts: Sequence[str] = ()) -> None:
    """Load weights into a fresh parser.

    Args:
        parser: whose weights are replaced.
        path: a checkpoint of ``leap-avvp train`` or ``convert``, or the folder of a run, whose best epoch is taken.
        parts: ``frontend``, ``encoder``, ``decoder``: these alone, each whole. None of them stands for all.

    Raises:
        DataError: no such file, or weights that do not fit.
    """
    path = checkpoint_file(path)
    checkpoint = read_checkpoint(path)
    stamp_of(checkpoint, path)
    state = parser_state(checkpoint)
    try:
        for part in parts:
            own = {name.removeprefix(f"{part}."): value for name, value in state.items() if name.startswith(f"{part}.")}
            load_weights(getattr(parser, part), own, path)
        if not parts:
            load_weights(parser, state, path)
    except DataError as error:
        raise DataError(f"init_from: {error}; init_parts=[frontend,encoder] takes these parts alone") from error
