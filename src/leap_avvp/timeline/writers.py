"""The files of a parsed video, each whole or absent: events, probabilities, subtitles, figure and page."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leap_avvp.files import write_whole
from leap_avvp.timeline.result import MODALITIES, VERBS, Timeline, printable

__all__ = ["FILES", "write_events", "write_figure", "write_outputs", "write_page", "write_timeline", "write_vtt"]

FILES = {
    "page": "timeline.html",
    "events": "events.csv",
    "timeline": "timeline.json",
    "subtitles": "timeline.vtt",
    "figure": "timeline.png",
}
"""What :func:`write_outputs` writes, in the folder that it is given."""
_COLUMNS = ("filename", "onset", "offset", "event_labels", "modality", "probability")
_DPI = 200


def write_events(timelines: Sequence[Timeline], path: str | Path, modality: str | None = None) -> None:
    """Write events as LLP's dense files have them, tab-separated, with two more columns: modality and probability.

    The package's reader of dense files takes the file; it reads the first four columns, so that a file of one modality
    is what a data card can name.

    Args:
        timelines: one a video.
        path: the file.
        modality: ``audio`` or ``visual`` writes what is heard or seen alone; None both.

    Raises:
        DataError: the file cannot be written.
    """
    lines = ["\t".join(_COLUMNS)]
    for timeline in timelines:
        for event in timeline.events():
            if modality in (None, event.modality):
                times = (f"{time:.10g}" for time in (event.onset, event.offset))
                fields = (printable(timeline.name), *times, event.name, event.modality, f"{event.probability:.6f}")
                lines.append("\t".join(fields))
    write_whole(Path(path), "\n".join(lines) + "\n")


def write_timeline(timeline: Timeline, path: str | Path) -> None:
    """Write :meth:`~leap_avvp.timeline.Timeline.to_dict` as JSON, a line a segment.

    Raises:
        DataError: the file cannot be written.
    """
    write_whole(Path(path), f"{_json(timeline.to_dict())}\n")


def write_vtt(timeline: Timeline, path: str | Path) -> None:
    """Write subtitles (WebVTT) of the video file: a cue for each stretch in which the same events go on.

    Raises:
        DataError: the file cannot be written.
    """
    lines = ["WEBVTT", "", f"NOTE {_cue_text(timeline.name)}: {_cue_text(timeline.model)}"]
    lines += [f"NOTE {_cue_text(text)}" for text in (timeline.caution, *timeline.notes) if text]
    for onset, offset, text in _cues(timeline):
        lines += ["", f"{_stamp(onset)} --> {_stamp(offset)}", text]
    write_whole(Path(path), "\n".join(lines) + "\n")


def write_figure(timeline: Timeline, path: str | Path) -> None:
    """Write the figure as PNG; the same timeline always gives the same bytes.

    Raises:
        DataError: the file cannot be written.
    """
    from matplotlib import rc_context

    from leap_avvp.figures.save import HATCH_WIDTH
    from leap_avvp.timeline.figure import timeline_figure

    figure = timeline_figure(timeline)
    with rc_context({"hatch.linewidth": HATCH_WIDTH}):
        write_whole(Path(path), lambda part: figure.savefig(part, format="png", dpi=_DPI))


def write_page(timeline: Timeline, path: str | Path, embed: bool = False) -> None:
    """Write the page, see :func:`~leap_avvp.timeline.page.page`.

    Raises:
        DataError: the file cannot be written, or a video that is to be embedded cannot be read or is too large.
    """
    from leap_avvp.timeline.page import page

    write_whole(Path(path), page(timeline, Path(path).parent, embed=embed))


def write_outputs(timeline: Timeline, folder: str | Path, embed: bool = False) -> dict[str, Path]:
    """Write all of :data:`FILES` and return their paths, by the same keys; the page comes last.

    Args:
        timeline: of one video.
        folder: is made if need be; files of the same names are replaced.
        embed: put the video into the page, in place of a link to it.

    Raises:
        DataError: see :func:`write_page`.
    """
    paths = {name: Path(folder) / file for name, file in FILES.items()}
    write_events([timeline], paths["events"])
    write_timeline(timeline, paths["timeline"])
    write_vtt(timeline, paths["subtitles"])
    write_figure(timeline, paths["figure"])
    write_page(timeline, paths["page"], embed)
    return paths


def _json(content: Any, depth: int = 0) -> str:
    """Return JSON in which lists and objects of plain values stand in one line."""
    inner = [*content.values()] if isinstance(content, dict) else content if isinstance(content, list) else []
    if not any(isinstance(value, dict | list) for value in inner):
        return json.dumps(content, ensure_ascii=False, allow_nan=False)
    outer, pad = " " * depth, " " * (depth + 1)
    if isinstance(content, dict):
        lines = [f"{json.dumps(key, ensure_ascii=False)}: {_json(value, depth + 1)}" for key, value in content.items()]
        return "{\n" + ",\n".join(pad + line for line in lines) + f"\n{outer}}}"
    return "[\n" + ",\n".join(pad + _json(value, depth + 1) for value in content) + f"\n{outer}]"


def _cues(timeline: Timeline) -> Iterator[tuple[float, float, str]]:
    """Yield begin and end in seconds of the file, and the text, of each stretch with events."""
    on = np.concatenate([timeline.on(modality) for modality in MODALITIES], axis=1)  # (T, 2C)
    changes = np.flatnonzero((on[1:] != on[:-1]).any(axis=1)) + 1
    edges = [0, *changes.tolist(), timeline.segments]
    for start, end in itertools.pairwise(edges):
        said = []
        for modality in MODALITIES:
            names = [timeline.label(index) for index in np.flatnonzero(timeline.on(modality)[start]).tolist()]
            if names:
                said.append(f"{VERBS[modality]}: {', '.join(map(_cue_text, names))}")
        if said:
            yield timeline.start + timeline.time(start), timeline.start + timeline.time(end), " | ".join(said)


def _cue_text(text: str) -> str:
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _stamp(seconds: float) -> str:
    total, part = divmod(round(seconds * 1000), 1000)
    return f"{total // 3600:02d}:{total // 60 % 60:02d}:{total % 60:02d}.{part:03d}"
