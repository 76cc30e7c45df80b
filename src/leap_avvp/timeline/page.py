"""A parsed video as one HTML page that fetches nothing: the video above a timeline that leads through it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import DataError
from leap_avvp.figures.parsing import runs_of
from leap_avvp.timeline.result import MODALITIES, VERBS, Timeline, clock, printable

__all__ = ["MOST_BYTES", "page"]

MOST_BYTES = 2**28
"""Of a video that is put into a page: browsers give up on much larger ones."""
_MOST_ROWS = 400
_MOST_EVENTS = 1000
_WHOLE, _UNJUDGED = 200, 255  # as page.js reads them
# What browsers play, by the ending: nothing here depends on the machine's own list.
_KINDS = {
    **dict.fromkeys((".mp4", ".m4v"), "video/mp4"),
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".ogv": "video/ogg",
    ".mkv": "video/x-matroska",
    **dict.fromkeys((".ogg", ".oga", ".opus"), "audio/ogg"),
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
}


@dataclasses.dataclass(frozen=True)
class _Video:
    name: str
    source: str
    """A relative URL, or the file itself as a data URI."""
    note: str


def page(timeline: Timeline, folder: str | Path, embed: bool = False) -> str:
    """Return the whole page.

    Its Content-Security-Policy lets the browser load nothing but the video and what stands in the page itself.

    Args:
        timeline: of one video.
        folder: in which the page will lie: the video is linked from there.
        embed: put the video into the page instead.

    Raises:
        DataError: a video that is to be embedded cannot be read or has more than :data:`MOST_BYTES`.
    """
    import jinja2

    style, script = _part("page.css"), _part("draw.js") + _part("page.js")
    pages = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    rows = _rows(timeline)
    events = timeline.events()
    content = {
        "seconds": timeline.seconds,
        "segments": timeline.segments,
        "digits": _digits(timeline.seconds),
        "start": timeline.start,
        "end": timeline.start + timeline.duration,
        "rows": [
            {"v": _values(timeline.probability(how)[:, index]), "on": _events(timeline.on(how)[:, index])}
            for index, how in rows
        ],
    }
    shown = set(timeline.shown())
    return pages.from_string(_part("page.html")).render(
        name=printable(timeline.name),
        length=clock(timeline.duration),
        model=printable(timeline.model),
        caution=timeline.caution,
        notes=[printable(note) for note in timeline.notes],
        occurs=bool(events),
        rows=[
            {
                "label": timeline.label(index),
                "verb": VERBS[how],
                "modality": how,
                "judged": timeline.judged(index, how),
                "shown": (index, how) in shown,
            }
            for index, how in rows
        ],
        left_out=len(MODALITIES) * len(timeline.classes) - len(rows),
        segments=timeline.segments,
        seconds=timeline.seconds,
        events=list(_table(timeline)),
        count=len(events),
        facts=[(printable(key), printable(value)) for key, value in _facts(timeline.facts)],
        video=_video(timeline, Path(folder), embed),
        policy=_policy(style, script),
        style=_verbatim(style),
        script=_verbatim(script),
        data=_verbatim(_safe_json(content)),
    )


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _verbatim(text: str) -> Any:
    """Mark what stands between tags as it is; nothing of a video's or a class's name gets here unescaped."""
    from markupsafe import Markup

    return Markup(text)


def _policy(style: str, script: str) -> str:
    """Return what the page may load: its own style and script by their hashes, pictures and media as files or data."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; img-src data:; "
        "media-src 'self' file: data: blob:; base-uri 'none'; form-action 'none'"
    )


def _safe_json(content: Any) -> str:
    """Return JSON that can stand in a script element: no character of it can end the element or begin a comment."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))  # ASCII alone
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _rows(timeline: Timeline) -> list[tuple[int, str]]:
    """Return the rows: those that are shown at once in their order, then the others by class."""
    first = timeline.shown()
    kept = set(timeline.rows(_MOST_ROWS)) | set(first)
    rest = [(index, how) for index in range(len(timeline.classes)) for how in MODALITIES]
    return [*first, *(pair for pair in rest if pair in kept and pair not in set(first))]


def _values(values: NDArray[np.float32]) -> str | None:
    """Return probabilities as base64, a byte each; None where nothing was judged."""
    if np.isnan(values).all():
        return None
    steps = np.round(np.clip(np.nan_to_num(values.astype(np.float64)), 0, 1) * _WHOLE)
    steps[np.isnan(values)] = _UNJUDGED
    return base64.b64encode(steps.astype(np.uint8).tobytes()).decode("ascii")


def _events(on: NDArray[np.bool_]) -> list[list[int]]:
    return [[start, start + length] for start, length in runs_of(on)]


def _table(timeline: Timeline) -> Iterator[dict[str, Any]]:
    digits = _digits(timeline.seconds)
    for event in timeline.events()[:_MOST_EVENTS]:
        yield {
            "label": printable(event.display),
            "verb": VERBS[event.modality],
            "segment": round(event.onset / timeline.seconds),
            "onset": clock(event.onset, digits),
            "offset": clock(event.offset, digits),
            "probability": f"{100 * event.probability:.0f} %",
        }


def _digits(seconds: float) -> int:
    """Return how many decimals the edges of segments have, three at most."""
    return next((digits for digits in range(3) if abs(seconds * 10**digits - round(seconds * 10**digits)) < 1e-6), 3)


def _facts(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in facts.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _facts(value, f"{name}, ")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value))
        else:
            yield name, str(value)


def _video(timeline: Timeline, folder: Path, embed: bool) -> _Video | None:
    path = timeline.video
    if path is None:
        return None
    name = printable(path.name)
    if not embed:
        return _Video(name, _link(path, folder), f"{name}, linked: this page plays it while it lies where it does now")
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise DataError(
                f"{path}: expected at most {MOST_BYTES / 1e6:.0f} MB to put into a page, found {size / 1e6:.0f} MB; "
                "leave the video out of the page, which then links it"
            )
        content = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise DataError(f"{path}: cannot be read to put it into the page ({error.strerror})") from error
    kind = _KINDS.get(path.suffix.lower(), "video/mp4")
    return _Video(name, f"data:{kind};base64,{content}", f"{name}, inside this page ({size / 1e6:.1f} MB)")


def _link(path: Path, folder: Path) -> str:
    """Return a URL from the page's folder to a file, as bytes so that any name of the system's will do."""
    try:
        relative = os.path.relpath(path.resolve(), folder.resolve())
    except ValueError:  # another drive
        return path.resolve().as_uri()
    return quote(os.fsencode(relative.replace(os.sep, "/")))
