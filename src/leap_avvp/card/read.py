"""Reads and checks a data card."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from leap_avvp import llp
from leap_avvp.card.dataset import CARD_FILE, IDS, LLP, DataCard
from leap_avvp.card.features import LLP_FEATURES, FeatureSet, feature_set, named_features
from leap_avvp.errors import ConfigError, DataError, nearest

__all__ = ["MOST_CLASSES", "MOST_SEGMENTS", "card_content", "card_file", "card_from", "card_of", "read_card"]

MOST_CLASSES = 1_000
MOST_SEGMENTS = 600
_KEYS = ("name", "classes", "segments", "seconds", "weak", "dense", "ids", "features")
_MODALITIES = ("audio", "visual")
_MOST_BYTES = 2**22
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
_NO_CLASS = re.compile(r"[,\t\r\n\0]")


def card_file(root: str | Path | None, card: str | Path | None = None) -> Path | None:
    """Return the file of the card that is named, or that lies in the data folder; None where there is neither.

    Args:
        root: the data folder, if there is one.
        card: a card, or the folder that it lies in; it need not be there.
    """
    if card is not None:
        return Path(card) / CARD_FILE if Path(card).is_dir() else Path(card)
    beside = None if root is None else Path(root) / CARD_FILE
    return beside if beside is not None and beside.is_file() else None


def card_of(
    root: str | Path | None, card: str | Path | None = None, features: FeatureSet | str | Path | None = None
) -> DataCard:
    """Return the card of a data folder: the file that is named, ``dataset.yaml`` in it, or LLP's.

    Args:
        root: the data folder, if there is one.
        card: the file of a card that lies elsewhere.
        features: in place of the set that the card names.

    Raises:
        DataError: a card that is damaged, or not there.
        ConfigError: an unknown feature set.
    """
    path = card_file(root, card)
    found = LLP if path is None else read_card(path)
    if features is None:
        return found
    return found.with_features(features if isinstance(features, FeatureSet) else named_features(features))


def read_card(path: str | Path) -> DataCard:
    """Read a card.

    Raises:
        DataError: naming the file, the key, what was expected and what was found.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such data card; `leap-avvp data card --from weak.csv` writes one")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path}: expected a data card, found {path.stat().st_size:,} bytes")
        content = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a data card in YAML, cannot read it ({error})") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path}: expected a data card in YAML, found {_reason(error)}") from error
    try:
        return card_from(content, str(path), path.parent)
    except ConfigError as error:
        raise DataError(str(error)) from error


class _Loader(yaml.SafeLoader):
    """YAML without repeated keys, of which the last would win silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}" if mark is not None else ""
    return f"{getattr(error, 'problem', None) or type(error).__name__}{where}"


def card_content(card: DataCard) -> dict[str, Any]:
    """Return the plain content that :func:`card_from` reads back, features included."""
    return {**card.to_dict(), "features": card.features.to_dict()}


def card_from(content: Any, where: str = "card", folder: Path | None = None) -> DataCard:
    """Return the card that plain content describes.

    Args:
        content: see ``docs/own-data.md``.
        where: names it in messages.
        folder: in which a feature set of a file of its own lies.

    Raises:
        ConfigError: naming the key, what was expected and what was found.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}: expected {', '.join(_KEYS)}, found {str(content)[:80]!r}")
    for key in content:
        if key not in _KEYS:
            near = nearest(str(key), _KEYS, limit=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{where}: {str(key)[:80]}: no such key; expected {', '.join(_KEYS)}{hint}")
    name = content.get("name", "own")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == "simulated":
        raise ConfigError(f"{where}: name: expected a short name of letters, digits and _.+-, found {str(name)[:80]!r}")
    classes, display = _classes(content.get("classes"), where)
    segments, seconds = content.get("segments", LLP.segments), content.get("seconds", 1.0)
    if isinstance(segments, bool) or not isinstance(segments, int) or not 1 <= segments <= MOST_SEGMENTS:
        raise ConfigError(f"{where}: segments: expected a whole number from 1 to {MOST_SEGMENTS}, found {segments!r}")
    real = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not real or not math.isfinite(seconds) or not 1e-3 <= seconds <= 3600:
        raise ConfigError(f"{where}: seconds: expected a number from 0.001 to 3600, found {seconds!r}")
    ids = content.get("ids", "filename")
    if ids not in IDS:
        raise ConfigError(f"{where}: ids: expected one of {', '.join(IDS)}, found {ids!r}")
    card = DataCard(
        name=name,
        classes=classes,
        display=display,
        segments=segments,
        seconds=float(seconds),
        weak=_files(content.get("weak", {}), llp.SPLITS, f"{where}: weak"),
        dense=_files(content.get("dense", {}), _MODALITIES, f"{where}: dense"),
        features=_features(content.get("features"), where, folder),
        ids=ids,
    )
    if len(card.dense) == 1:
        raise ConfigError(
            f"{where}: dense: expected the files of audio and visual, found {next(iter(card.dense))} alone"
        )
    if name == "llp" and not card.is_llp:
        raise ConfigError(
            f"{where}: name: llp is the name of LLP, whose classes or segments are others; choose another"
        )
    return card


def _classes(node: Any, where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names and display names of a list of names, or of a mapping of names to display names."""
    if isinstance(node, Mapping):
        names, shown = list(node), [name if show is None else show for name, show in node.items()]
    elif isinstance(node, list):
        names, shown = list(node), [_shown(name) for name in node]
        if len(set(map(str, shown))) < len(shown):  # "a b" and "a_b"
            shown = list(names)
    else:
        names, shown = [], []
    if not names:
        raise ConfigError(f"{where}: classes: expected a list of at least one name, found {str(node)[:80]!r}")
    if len(names) > MOST_CLASSES:
        raise ConfigError(f"{where}: classes: expected at most {MOST_CLASSES:,}, found {len(names):,}")
    for name in (*names, *shown):
        if not isinstance(name, str) or not name.strip() or name != name.strip() or _NO_CLASS.search(name):
            hint = "; put it into quotes" if not isinstance(name, str) else ""
            raise ConfigError(
                f"{where}: classes: expected names without commas, tabs and outer blanks, found "
                f"{str(name)[:80]!r}{hint}"
            )
    for kind, listed in (("classes", names), ("display names", shown)):
        twice = sorted({name for name in listed if listed.count(name) > 1})
        if twice:
            raise ConfigError(f"{where}: {kind}: expected each once, found {twice[0][:80]!r} twice")
    return tuple(names), tuple(shown)


def _shown(name: Any) -> Any:
    return (name.replace("_", " ").strip() or name) if isinstance(name, str) else name


def _files(node: Any, known: tuple[str, ...], where: str) -> dict[str, str]:
    if not isinstance(node, Mapping):
        raise ConfigError(f"{where}: expected a file for {', '.join(known)}, found {str(node)[:80]!r}")
    for key, file in node.items():
        if key not in known:
            raise ConfigError(f"{where}: expected a file for {', '.join(known)}, found {str(key)[:80]!r}")
        if not isinstance(file, str) or not file or "/" in file or "\\" in file or file.startswith("."):
            raise ConfigError(
                f"{where}.{key}: expected the name of a file beside the other annotations, found {str(file)[:80]!r}; "
                "data.annotations=DIR says in which folder they lie"
            )
    repeated = [file for file in node.values() if list(node.values()).count(file) > 1]
    if repeated and known == llp.SPLITS:  # one file may say what is heard and seen, but no video is in two splits
        raise ConfigError(f"{where}: expected a file each, found {repeated[0]!r} twice")
    return {key: node[key] for key in known if key in node}


def _features(node: Any, where: str, folder: Path | None) -> FeatureSet:
    if node is None:
        return LLP_FEATURES
    if isinstance(node, Mapping):
        return feature_set(node, f"{where}: features")
    if isinstance(node, str) and folder is not None and node.endswith((".yaml", ".yml")):
        node = folder / node
    try:
        return named_features(node if isinstance(node, Path) else str(node))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
