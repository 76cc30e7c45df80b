"""Parses the videos of a folder and writes what is said of them: arrays, tables of events, JSON."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from leap_avvp import __version__
from leap_avvp.card import DataCard
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.files import folder_lock, write_whole
from leap_avvp.inference.events import MODALITIES, Event, events_of
from leap_avvp.inference.parser import Parser
from leap_avvp.inference.videos import Videos

__all__ = ["EVENTS_FILE", "EVENTS_FORMAT", "PREDICTIONS_FILE", "Predicted", "check_free", "predict"]

EVENTS_FORMAT = "leap-avvp/events/1"
EVENTS_FILE = "events.json"
"""Written last: where it stands, the other files do."""
PREDICTIONS_FILE = "predictions.npz"
_TABLES = {modality: f"events_{modality}.csv" for modality in MODALITIES}
_FILES = (EVENTS_FILE, PREDICTIONS_FILE, *_TABLES.values())
_COLUMNS = ("filename", "onset", "offset", "event_labels", "probability")
_SIMULATED = "simulated videos: what is said of them says nothing about real ones"
_KNOWS_NOTHING = "the model was trained on simulated data: what it says of real videos means nothing"
_IDENTITY = ("checkpoint", "config_hash", "data_source", "data", "split", "protocol")


@dataclasses.dataclass(frozen=True)
class Predicted:
    """What was written."""

    folder: Path
    videos: int
    events: Mapping[str, int]
    """By modality."""
    left_out: Sequence[str]
    """Names of videos without files."""


def predict(
    parser: Parser, videos: Videos, out: str | Path, *, batch_size: int = 128, overwrite: bool = False
) -> Predicted:
    """Parse videos, and write what is said of them; each file is whole or absent. N videos.

    ``predictions.npz`` holds ``video_id`` (N,), boolean ``audio`` and ``visual`` (N, T, C) and ``video`` (N, C), which
    ``leap-avvp score`` reads, and the float32 probabilities behind them, see :meth:`Parser.parse_segments`.
    ``events_audio.csv`` and ``events_visual.csv`` are in the form of dense annotation files, with the events'
    probabilities in a fifth column. ``events.json`` has the same events by video.

    Args:
        parser: the model.
        videos: what to parse.
        out: a folder, made if need be.
        batch_size: videos a step.
        overwrite: replace predictions of something else that ``out`` holds.

    Raises:
        ConfigError: ``out`` holds predictions of something else.
        DataError: missing or damaged files, probabilities that are not finite, or a folder that cannot be written.
    """
    out = Path(out)
    identity = _identity(parser, videos)
    check_free(out, identity, overwrite)
    names, arrays = _parse(parser, videos, batch_size)
    if not names:
        raise DataError(f"{videos.card.name}: not one of {len(videos):,} videos has all its files")
    events = [_events(arrays, row, videos.card) for row in range(len(names))]
    left_out = list(videos.left_out)
    head = {
        "format": EVENTS_FORMAT,
        "version": __version__,
        **identity,
        **_note(parser, videos),
        "trained_on": parser.trained_on,
        "card": {"name": videos.card.name, "segments": videos.card.segments, "seconds": videos.card.seconds},
        "left_out": left_out,
    }
    with folder_lock(out):
        check_free(out, identity, overwrite)
        _remove(out)
        _write_arrays(out / PREDICTIONS_FILE, {"video_id": np.array(names, dtype=np.str_), **arrays})
        for modality, file in _TABLES.items():
            write_whole(out / file, _table(names, events, modality))
        write_whole(out / EVENTS_FILE, _json(head, names, events))
    counts = {key: sum(event.modality == key for own in events for event in own) for key in MODALITIES}
    return Predicted(out, len(names), counts, left_out)


def check_free(out: Path, identity: Mapping[str, Any], overwrite: bool) -> None:
    """Check that a folder holds no predictions, or those of the same model for the same videos.

    Raises:
        ConfigError: naming what differs.
        DataError: it is no folder.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: expected a folder, found a file; choose another one with --out")
    present = [name for name in _FILES if (out / name).exists()]
    if overwrite or not present:
        return
    elsewhere = "choose another folder with --out, or replace them with --overwrite"
    try:
        found = json.loads((out / EVENTS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("format") != EVENTS_FORMAT:
        raise ConfigError(f"{out}: holds {present[0]} of something else or unfinished predictions; {elsewhere}")
    for key in _IDENTITY:
        if found.get(key) != identity[key]:
            theirs, ours = (str(each)[:120] for each in (found.get(key), identity[key]))
            raise ConfigError(
                f"{out}: holds predictions of something else: {key} is {theirs} there and {ours} here; {elsewhere}"
            )


def _identity(parser: Parser, videos: Videos) -> dict[str, Any]:
    identity = {
        "checkpoint": parser.source,
        "config_hash": parser.config_hash,
        "data_source": videos.data_source,
        "data": videos.facts,
        "split": videos.split,
        "protocol": {"name": parser.protocol.name},
    }
    plain: dict[str, Any] = json.loads(json.dumps(identity))
    return plain


def _note(parser: Parser, videos: Videos) -> dict[str, str]:
    if videos.data_source == "simulated":
        return {"note": _SIMULATED}
    return {"note": _KNOWS_NOTHING} if parser.trained_on == "simulated" else {}


def _parse(parser: Parser, videos: Videos, batch_size: int) -> tuple[list[str], dict[str, NDArray[Any]]]:
    """Return names (N,) and arrays (N, ...); of the features no more than a batch is held."""
    names: list[str] = []
    arrays: dict[str, NDArray[Any]] = {}
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("parsing videos", total=len(videos))
        for batch, features in videos.batches(batch_size):
            said = parser.parse_segments(features, batch)
            if not arrays:
                arrays = {key: np.zeros((len(videos), *one.shape[1:]), one.dtype) for key, one in said.items()}
            for key, one in said.items():
                arrays[key][len(names) : len(names) + len(batch)] = one
            names += batch
            progress.advance(task, len(batch))
    return names, {key: array[: len(names)] for key, array in arrays.items()}


def _events(arrays: Mapping[str, NDArray[Any]], row: int, card: DataCard) -> list[Event]:
    grids = {modality: arrays[modality][row] for modality in MODALITIES}
    return events_of(grids, {modality: arrays[f"segment_{modality}_prob"][row] for modality in MODALITIES}, card)


def _table(names: Sequence[str], events: Sequence[Sequence[Event]], modality: str) -> str:
    lines = ["\t".join(_COLUMNS)]
    for name, own in zip(names, events, strict=True):
        for event in own:
            if event.modality == modality:
                times = f"{event.onset:.10g}\t{event.offset:.10g}"
                lines.append(f"{name}\t{times}\t{event.name}\t{event.probability:.6g}")
    return "\n".join(lines) + "\n"


def _json(head: Mapping[str, Any], names: Sequence[str], events: Sequence[Sequence[Event]]) -> str:
    """Return the head and the videos, a line each."""
    lines = (
        json.dumps({"video_id": name, "events": [event.to_dict() for event in own]}, allow_nan=False)
        for name, own in zip(names, events, strict=True)
    )
    start = json.dumps(head, indent=1, allow_nan=False).removesuffix("\n}")
    return start + ',\n "videos": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"


def _write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    def write(part: Path) -> None:
        with part.open("wb") as file:
            # Not packed: most of it are probabilities, which do not get smaller.
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())

    write_whole(path, write)


def _remove(out: Path) -> None:
    for name in _FILES:
        (out / name).unlink(missing_ok=True)
