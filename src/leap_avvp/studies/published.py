"""What other systems have published, as ``experiments/published.yaml`` holds it: figures, and what they rest on.

Figures of two systems may be compared where features, protocol and annotations are the same. A printed row may
contradict itself: Type is the mean of A, V and AV under every protocol. What the parts give is computed here.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.studies.keys import check_keys

__all__ = [
    "Contradiction",
    "Published",
    "PublishedTable",
    "load_published",
    "parse_published",
    "published_of",
    "read_published",
]

_FILE = "experiments/published.yaml"
_LEVELS = ("segment", "event")
_ONLY = tuple(f"{level}/{kind}_only" for level in _LEVELS for kind in ("audible", "visible"))
_TRUST = ("read", "note", "abstract")
_VIDEOS = 1_200
_ROUNDED = 0.1 + 1e-6  # by which figures of one decimal may differ from the mean of three such
_NEEDED = (
    "system",
    "year",
    "venue",
    "repository",
    "licence",
    "needs",
    "features",
    "protocol",
    "annotations",
    "sources",
    "numbers",
)
_KEYS = (*_NEEDED, "variant", "aliases", "videos", "only", "other", "note")
_LEGENDS = ("sources", "features", "protocols", "annotations")


@dataclasses.dataclass(frozen=True)
class Contradiction:
    """A printed Type that is not the mean of the A, V and AV beside it."""

    level: str
    """``segment`` or ``event``."""
    printed: float
    parts: float
    """What A, V and AV give."""


@dataclasses.dataclass(frozen=True)
class Published:
    """One row."""

    system: str
    variant: str
    """Which of a paper's rows; empty where there is one."""
    aliases: tuple[str, ...]
    year: int
    venue: str | None
    repository: str | None
    licence: str | None
    needs: str | None
    """Beyond LLP's weak labels; None where that is not known."""
    features: str
    """As ``conf/features`` calls them, where it has them."""
    protocol: str
    """As ``conf/protocol`` calls it, where it has it."""
    annotations: str
    """Version of the file of audio events: ``old``, ``corrected`` or ``unknown``."""
    videos: int | None
    """Of the test split."""
    numbers: Mapping[str, float]
    """Metric key -> percent; what is not known is absent."""
    only: Mapping[str, float]
    """CoLeaF's Ao and Vo, events that are audible or visible only, likewise: ``segment/audible_only``."""
    other: Mapping[str, tuple[float, ...]]
    """What has no place among the ten, by what it is."""
    sources: tuple[str, ...]
    """Tags of the legend, the first of which is followed."""
    trust: str
    """Of the first source: ``read``, ``note`` or ``abstract``."""
    note: str

    @property
    def name(self) -> str:
        """The system and its variant."""
        return f"{self.system} ({self.variant})" if self.variant else self.system

    @property
    def average(self) -> float | None:
        """Mean of the ten numbers, None where one is missing."""
        return sum(self.numbers.values()) / 10 if len(self.numbers) == 10 else None

    def value(self, key: str) -> float | None:
        """Return a metric, or ``average``."""
        return self.average if key == "average" else self.numbers.get(key)

    def contradictions(self) -> list[Contradiction]:
        """Return where Type differs by more than rounding from the mean of its parts."""
        found = []
        for level in _LEVELS:
            parts = [self.numbers.get(f"{level}/{kind}") for kind in ("audio", "visual", "audio_visual")]
            printed, known = self.numbers.get(f"{level}/type_av"), [part for part in parts if part is not None]
            if printed is not None and len(known) == 3 and abs(printed - sum(known) / 3) > _ROUNDED:
                found.append(Contradiction(level, printed, sum(known) / 3))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain content, with the average and the contradictions."""
        content = dataclasses.asdict(self)
        content |= {key: list(content[key]) for key in ("aliases", "sources")}
        content["other"] = {key: list(values) for key, values in self.other.items()}
        average = self.average
        content["average"] = None if average is None else round(average, 2)
        content["contradictions"] = [
            {"level": one.level, "printed": one.printed, "parts_give": round(one.parts, 2)}
            for one in self.contradictions()
        ]
        return content


@dataclasses.dataclass(frozen=True)
class PublishedTable:
    """The file: rows, and what their words mean."""

    columns: Mapping[str, str]
    """Metric key -> heading, ten of them in order."""
    sources: Mapping[str, str]
    """Tag -> where figures were read, and how far that can be trusted."""
    features: Mapping[str, str]
    protocols: Mapping[str, str]
    annotations: Mapping[str, str]
    rows: tuple[Published, ...]


def load_published() -> list[Published]:
    """Return the rows, in the order of the file.

    Raises:
        ConfigError: a mistake in the file.
    """
    return list(read_published().rows)


def published_of(system: str) -> list[Published]:
    """Return a system's rows, of which a paper may have several.

    Args:
        system: its name or another one it goes by, in small or capital letters.

    Raises:
        ConfigError: no such system, with the nearest name.
    """
    rows = read_published().rows
    found = [row for row in rows if system.lower() in {name.lower() for name in (row.system, *row.aliases)}]
    if not found:
        check_choice("published system", system, dict.fromkeys(row.system for row in rows))
    return found


@functools.cache
def read_published() -> PublishedTable:
    """Read the file that the package carries.

    Raises:
        ConfigError: a mistake in it.
    """
    return parse_published(
        resources.files("leap_avvp.experiments").joinpath("published.yaml").read_text(encoding="utf-8")
    )


def parse_published(text: str) -> PublishedTable:
    """Turn the text of such a file into a table.

    Raises:
        ConfigError: naming the row, the key, what was expected and what was found.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{_FILE}: not valid YAML: {' '.join(str(error).split())}") from error
    check_keys(_FILE, content, ("columns", *_LEGENDS, "rows"), ("columns", *_LEGENDS, "rows"))
    columns = _texts("columns", content["columns"])
    if len(columns) != 10:
        raise ConfigError(f"{_FILE}: columns: expected the ten metrics, found {len(columns)}")
    trust = {}
    for tag, node in _map("sources", content["sources"]).items():
        check_keys(f"{_FILE}: sources.{tag}", node, ("what", "trust"), ("what", "trust"))
        trust[str(tag)] = check_choice(f"{_FILE}: sources.{tag}.trust", node["trust"], _TRUST)
    legends = {key: _texts(key, content[key]) for key in _LEGENDS[1:]}
    if not isinstance(content["rows"], list) or not content["rows"]:
        raise ConfigError(f"{_FILE}: rows: expected a list of rows, found {content['rows']!r:.80}")
    rows = tuple(
        _row(f"{_FILE}: rows[{n}]", row, list(columns), trust, legends) for n, row in enumerate(content["rows"])
    )
    seen: set[str] = set()
    for number, row in enumerate(rows):
        if row.name in seen:
            raise ConfigError(
                f"{_FILE}: rows[{number}]: {row.name}: expected one row of this name; tell a second by `variant`"
            )
        seen.add(row.name)
    sources = {tag: f"{content['sources'][tag]['what']} ({level})" for tag, level in trust.items()}
    return PublishedTable(columns, sources, **legends, rows=rows)


def _row(
    where: str, row: Any, columns: list[str], trust: Mapping[str, str], legends: Mapping[str, Mapping[str, str]]
) -> Published:
    check_keys(where, row, _KEYS, _NEEDED)
    where = f"{where} ({row['system']})"
    if isinstance(row["year"], bool) or not isinstance(row["year"], int) or not 1990 <= row["year"] <= 2100:
        raise ConfigError(f"{where}.year: expected a year, found {row['year']!r}")
    sources = [check_choice(f"{where}.sources", tag, trust) for tag in _list(f"{where}.sources", row["sources"])]
    if not sources:
        raise ConfigError(f"{where}.sources: expected where the figures were read, found nothing")
    numbers = _numbers(f"{where}.numbers", row["numbers"], columns)
    note = str(row.get("note") or "")
    if len(numbers) < 10 and not note:
        raise ConfigError(f"{where}.note: expected why figures are missing, found none")
    videos = row.get("videos", _VIDEOS)
    if videos is not None and (isinstance(videos, bool) or not isinstance(videos, int) or not 1 <= videos <= _VIDEOS):
        raise ConfigError(f"{where}.videos: expected a number from 1 to {_VIDEOS:,}, or null, found {videos!r}")
    other = {
        str(key): tuple(_percent(f"{where}.other.{key}", value) for value in _list(f"{where}.other.{key}", values))
        for key, values in _map(f"{where}.other", row.get("other") or {}).items()
    }
    texts = {key: None if row[key] is None else str(row[key]) for key in ("venue", "repository", "licence", "needs")}
    return Published(
        system=str(row["system"]),
        variant=str(row.get("variant") or ""),
        aliases=tuple(map(str, _list(f"{where}.aliases", row.get("aliases") or []))),
        year=row["year"],
        **texts,
        features=check_choice(f"{where}.features", row["features"], legends["features"]),
        protocol=check_choice(f"{where}.protocol", row["protocol"], legends["protocols"]),
        annotations=check_choice(f"{where}.annotations", row["annotations"], legends["annotations"]),
        videos=videos,
        numbers=numbers,
        only=_numbers(f"{where}.only", row.get("only"), list(_ONLY)),
        other=other,
        sources=tuple(sources),
        trust=trust[sources[0]],
        note=note,
    )


def _numbers(where: str, values: Any, keys: list[str]) -> dict[str, float]:
    values = [None] * len(keys) if values is None else values
    if not isinstance(values, list) or len(values) != len(keys):
        raise ConfigError(f"{where}: expected {len(keys)} numbers in the order of the columns, found {values!r:.120}")
    pairs = zip(keys, values, strict=True)
    return {key: _percent(where, value) for key, value in pairs if value is not None}


def _percent(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ConfigError(f"{where}: expected numbers from 0 to 100 (null where not known), found {value!r:.80}")
    return float(value)


def _list(where: str, node: Any) -> list[Any]:
    if not isinstance(node, list):
        raise ConfigError(f"{where}: expected a list, found {node!r:.80}")
    return node


def _map(where: str, node: Any) -> Mapping[Any, Any]:
    if not isinstance(node, dict):
        raise ConfigError(f"{where if ':' in where else f'{_FILE}: {where}'}: expected a map, found {node!r:.80}")
    return node


def _texts(key: str, node: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in _map(key, node).items()}
