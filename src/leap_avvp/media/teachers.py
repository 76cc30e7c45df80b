"""Teachers of segment labels: what they are asked for each class, and from which score on the answer is yes.

A teacher is a YAML file: ``teacher_valor.yaml`` and ``teacher_embedded.yaml`` here, or one of the same form. C classes.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from leap_avvp.card import DataCard
from leap_avvp.errors import ConfigError, DataError, check_choice, nearest
from leap_avvp.media.names import names_for
from leap_avvp.media.recipes import RECIPES

__all__ = ["KINDS", "MODALITIES", "TEACHERS", "Sense", "Teacher", "logit", "read_teacher"]

TEACHERS = ("embedded", "valor")
MODALITIES = {"audio": "audio", "visual": "video_2d"}
"""What is judged, and by which stream."""
KINDS = ("prompts", "names")
"""``prompts``: a model of texts scores a prompt a class. ``names``: the embedded pair's own outputs stand for one."""
_KEYS = ("name", "kind", "temperature", "quantile", "videos", "names", *MODALITIES)
_SENSE = {"prompts": ("features", "template", "prompts", "thresholds"), "names": ("features", "thresholds")}
_LEAST = 1e-7  # a probability is no nearer to 0 or 1


@dataclasses.dataclass(frozen=True)
class Sense:
    """How a teacher judges what is heard, or what is seen."""

    stream: str
    features: tuple[str, ...]
    """Feature sets whose stream it can judge; videos are turned into that of the first."""
    prompts: tuple[str, ...]
    """(C,) of kind ``prompts``; else empty."""
    outputs: tuple[tuple[int, ...], ...]
    """(C,) of kind ``names``, none where the network has no name for a class; else empty."""
    thresholds: tuple[float, ...]
    """(C,) of scores; NaN where it has none."""

    @property
    def judged(self) -> NDArray[np.bool_]:
        """(C,) whether it can judge a class at all."""
        return np.array([bool(one) for one in (self.prompts or self.outputs)])


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A teacher of C classes."""

    name: str
    kind: str
    """See :data:`KINDS`."""
    temperature: float
    """Of soft labels."""
    quantile: float
    """Of the scores in videos without a class, which is its threshold where it has none."""
    videos: int
    """Without the class, that this takes at least."""
    senses: Mapping[str, Sense]
    """By modality."""

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return what its scores depend on, as plain content."""
        return {
            "name": self.name,
            "kind": self.kind,
            **{
                modality: dict(zip(classes, sense.prompts or map(list, sense.outputs), strict=True))
                for modality, sense in self.senses.items()
            },
        }


def logit(probability: NDArray[Any] | float) -> NDArray[np.float64]:
    """Return ``log(p / (1 - p))``, finite: the score of an output that is a probability."""
    clipped = np.clip(np.asarray(probability, np.float64), _LEAST, 1 - _LEAST)
    return np.asarray(np.log(clipped / (1 - clipped)))


def read_teacher(which: str | Path, card: DataCard) -> Teacher:
    """Return one of :data:`TEACHERS`, or that of a YAML file, for a card's classes.

    Raises:
        ConfigError: naming the key, what was expected and what was found; a class that the teacher knows nothing of.
        DataError: a file that cannot be read; YAMNet's list of names is missing.
    """
    path = Path(which)
    if str(which) in TEACHERS:
        file = importlib.resources.files("leap_avvp.media") / f"teacher_{which}.yaml"
        return _teacher(yaml.safe_load(file.read_text(encoding="utf-8")), f"teacher {which}", None, card)
    if path.suffix not in (".yaml", ".yml"):
        check_choice("--teacher", str(which), (*TEACHERS, "FILE.yaml"))
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path}: expected a teacher in YAML, cannot read it ({_reason(error)})") from error
    return _teacher(content, str(path), path.parent, card)


def _reason(error: Exception) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if problem is not None:
        return f"{problem}{'' if mark is None else f', line {mark.line + 1}'}"
    return (str(getattr(error, "strerror", "") or error).splitlines() or [type(error).__name__])[0]


def _teacher(content: Any, where: str, folder: Path | None, card: DataCard) -> Teacher:
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}: expected {', '.join(_KEYS)}, found {str(content)[:80]!r}")
    _only(content, _KEYS, where)
    kind = check_choice(f"{where}: kind", content.get("kind"), KINDS)
    name = content.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"{where}: name: expected a name, found {str(name)[:80]!r}")
    temperature = _number(content.get("temperature", 1), f"{where}: temperature", 1e-6, 1e6)
    quantile = _number(content.get("quantile", 0.95), f"{where}: quantile", 0, 1)
    videos = _number(content.get("videos", 10), f"{where}: videos", 1, 1e9)
    outputs: Mapping[str, tuple[tuple[int, ...], ...]] = dict.fromkeys(MODALITIES, ())
    if kind == "names":
        own = content.get("names")
        if own is not None and not isinstance(own, str):
            raise ConfigError(f"{where}: names: expected a file of the form of names.yaml, found {str(own)[:80]!r}")
        found = names_for(card.classes, None if own is None else (folder or Path()) / own)
        outputs = {"audio": found.audio, "visual": found.image}
    elif content.get("names") is not None:
        raise ConfigError(f"{where}: names: expected none of kind: prompts, found {str(content['names'])[:80]!r}")
    senses = {
        modality: _sense(content.get(modality), f"{where}: {modality}", modality, kind, outputs[modality], card)
        for modality in MODALITIES
    }
    return Teacher(name, kind, temperature, quantile, int(videos), senses)


def _sense(
    node: Any, where: str, modality: str, kind: str, outputs: tuple[tuple[int, ...], ...], card: DataCard
) -> Sense:
    if not isinstance(node, Mapping):
        raise ConfigError(f"{where}: expected {', '.join(_SENSE[kind])}, found {str(node)[:80]!r}")
    _only(node, _SENSE[kind], where)
    stream = MODALITIES[modality]
    listed = node.get("features")
    sets = [listed] if isinstance(listed, str) else listed
    known = ["embedded"] if kind == "names" else [name for name in RECIPES if name != "embedded"]
    if not isinstance(sets, list) or not sets:
        raise ConfigError(f"{where}.features: expected one or more of {', '.join(known)}, found {str(listed)[:80]!r}")
    for name in sets:
        check_choice(f"{where}.features", name, known)
    prompts = _prompts(node, where, card) if kind == "prompts" else ()
    thresholds = _thresholds(node.get("thresholds"), f"{where}.thresholds", card)
    if kind == "names":
        if any(not math.isnan(one) and not 0 < one < 1 for one in thresholds):
            raise ConfigError(f"{where}.thresholds: expected probabilities, above 0 and below 1, found another number")
        thresholds = tuple(math.nan if math.isnan(one) else float(logit(one)) for one in thresholds)
    return Sense(stream, tuple(sets), prompts, outputs, thresholds)


def _prompts(node: Mapping[str, Any], where: str, card: DataCard) -> tuple[str, ...]:
    """Return (C,): a class' own prompt, or the template with its name as it is shown, in small letters."""
    template, own = node.get("template"), node.get("prompts") or {}
    if template is not None and (not isinstance(template, str) or template.count("{}") != 1):
        raise ConfigError(f"{where}.template: expected a text with one {{}}, found {str(template)[:80]!r}")
    if not isinstance(own, Mapping) or not all(isinstance(text, str) and text.strip() for text in own.values()):
        raise ConfigError(f"{where}.prompts: expected a text for each class, found {str(own)[:80]!r}")
    found = []
    for name, display in zip(card.classes, card.display, strict=True):
        if name in own:
            found.append(own[name])
        elif template is not None:
            found.append(template.replace("{}", display.lower()))
        else:
            near = nearest(name, map(str, own), limit=1)
            hint = f"; is {near[0]!r} meant?" if near else ""
            raise ConfigError(f"{where}.prompts: expected one for class {name!r}, or a template, found none{hint}")
    return tuple(found)


def _thresholds(node: Any, where: str, card: DataCard) -> tuple[float, ...]:
    """Return (C,), NaN where there is none."""
    if node is None:
        return (math.nan,) * card.num_classes
    if not isinstance(node, Mapping):
        return (_number(node, where, -1e6, 1e6),) * card.num_classes
    return tuple(
        _number(node[name], f"{where}.{name}", -1e6, 1e6) if node.get(name) is not None else math.nan
        for name in card.classes
    )


def _number(value: Any, where: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ConfigError(f"{where}: expected a number from {least:g} to {most:g}, found {value!r:.80}")
    return float(value)


def _only(node: Mapping[Any, Any], known: Sequence[str], where: str) -> None:
    for key in node:
        if key not in known:
            near = nearest(str(key), known, limit=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{where}: {str(key)[:80]}: no such key; expected {', '.join(known)}{hint}")
