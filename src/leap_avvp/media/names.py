"""What classes are called by the embedded pair: names of AudioSet for what is heard, of ImageNet for what is seen."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from leap_avvp.errors import ConfigError, DataError, nearest
from leap_avvp.media.backbones.yamnet import class_names

__all__ = ["Names", "imagenet_names", "names_for"]

_RANGE = re.compile(r"(\d{1,4})-(\d{1,4})")
_KEYS = ("audio", "image")
_FORM = "`classes:`, and for each class `audio:` and `image:`, a list or null"


@dataclasses.dataclass(frozen=True)
class Names:
    """C classes, and which outputs of the two networks stand for each; none where a network cannot judge it."""

    classes: tuple[str, ...]
    """(C,) as they were asked for."""
    audio: tuple[tuple[int, ...], ...]
    """(C,) indices of YAMNet's 521 scores, of which the highest counts."""
    image: tuple[tuple[int, ...], ...]
    """(C,) indices of EfficientNet-Lite0's 1,000 probabilities, which are added."""


@functools.cache
def imagenet_names() -> tuple[str, ...]:
    """Return the 1,000 names of ImageNet-1k's classes, in order; two differ by a capital alone (Cardigan)."""
    content = _own_file("imagenet.yaml")
    return tuple(name for first in sorted(content) for name in content[first])


def names_for(
    classes: Sequence[str], mapping_file: str | Path | None = None, audioset: Sequence[str] | None = None
) -> Names:
    """Return what stands for each class: as a file of one's own says, as ``names.yaml`` does for LLP's 25, or by name.

    A class that neither file has is looked for among the names of AudioSet (to hear it) and of ImageNet (to see it),
    whatever its capitals, underscores and punctuation; where only one of them knows it, the other does not judge it.

    Args:
        classes: (C,) names.
        mapping_file: YAML of ``names.yaml``'s form; it goes before the package's own.
        audioset: the 521 names of YAMNet's scores, in order; None for those beside its weights.

    Raises:
        ConfigError: a class or a name that is unknown, with the nearest ones, or a file of another form.
        DataError: the file cannot be read, or there are no weights of YAMNet.
    """
    heard = _Vocabulary("AudioSet", class_names() if audioset is None else audioset)
    seen = _Vocabulary("ImageNet", imagenet_names())
    known = {_key(name): (node, "names.yaml", name) for name, node in _own_file("names.yaml")["classes"].items()}
    if mapping_file is not None:
        own = _read_mapping(Path(mapping_file))
        known |= {_key(name): (node, str(mapping_file), name) for name, node in own.items()}
    found = [_found(name, known, heard, seen) for name in classes]
    return Names(tuple(classes), tuple(one[0] for one in found), tuple(one[1] for one in found))


def _key(name: str) -> str:
    """Return a name without what people spell differently."""
    return re.sub(r"[\W_]+", " ", name).strip().casefold() or name


class _Vocabulary:
    """The names that a network's outputs have."""

    def __init__(self, what: str, names: Sequence[str]) -> None:
        self.what, self.names = what, names
        self.by_key: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            self.by_key.setdefault(_key(name), []).append(place)

    def find(self, name: str) -> tuple[int, ...]:
        """Return the outputs of a name: those spelled just so, or else alike; none where it is unknown."""
        alike = self.by_key.get(_key(name), [])
        return tuple([place for place in alike if self.names[place] == name] or alike)

    def near(self, name: str) -> list[str]:
        """Return names that look like one."""
        return [self.names[self.by_key[key][0]] for key in nearest(_key(name), self.by_key, limit=2)]


_Node = tuple[Any, str, str]


def _found(
    name: str, known: Mapping[str, _Node], heard: _Vocabulary, seen: _Vocabulary
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if _key(name) in known:
        node, file, spelled = known[_key(name)]
        audio = _outputs(node.get("audio"), heard, f"{file}: classes.{spelled}.audio")
        image = _outputs(node.get("image"), seen, f"{file}: classes.{spelled}.image")
    else:
        audio, image = heard.find(name), seen.find(name)
    if not audio and not image:
        own = [spelled for key in nearest(_key(name), known, limit=1) for spelled in (known[key][2],)]
        near = list(dict.fromkeys([*own, *heard.near(name), *seen.near(name)]))
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(
            f"class {name[:80]!r}: expected a name of LLP's classes, of AudioSet or of ImageNet, found none{hint}; "
            f"or say in a file of the form of names.yaml what stands for it"
        )
    return audio, image


def _outputs(entries: Any, vocabulary: _Vocabulary, where: str) -> tuple[int, ...]:
    """Return the outputs that a list of names, numbers and ranges of numbers stands for."""
    if entries is None:
        return ()
    if not isinstance(entries, list) or not entries:
        raise ConfigError(
            f"{where}: expected a list of {vocabulary.what}'s names, or null, found {str(entries)[:80]!r}"
        )
    places: list[int] = []
    for entry in entries:
        spelled = _RANGE.fullmatch(str(entry))
        if isinstance(entry, int) and not isinstance(entry, bool):
            some: Sequence[int] = (entry,)
        elif spelled is not None:
            some = range(int(spelled[1]), int(spelled[2]) + 1)
        else:
            some = vocabulary.find(str(entry))
        if not some or min(some) < 0 or max(some) >= len(vocabulary.names):
            near = vocabulary.near(str(entry))
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ConfigError(f"{where}: {vocabulary.what} has no class {str(entry)[:80]!r}{hint}")
        places += some
    return tuple(dict.fromkeys(places))


def _own_file(name: str) -> Any:
    file = importlib.resources.files("leap_avvp.media") / name
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def _read_mapping(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = (str(getattr(error, "strerror", "") or error).splitlines() or ["?"])[0]
        raise DataError(f"{path}: expected names in YAML, cannot read it ({reason})") from error
    classes = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(classes, dict) or not classes:
        raise ConfigError(f"{path}: expected {_FORM}, found {str(content)[:80]!r}")
    for name, node in classes.items():
        if not isinstance(node, dict) or not set(node) <= set(_KEYS):
            raise ConfigError(f"{path}: classes.{name}: expected {_FORM}, found {str(node)[:80]!r}")
    return {str(name): node for name, node in classes.items()}
