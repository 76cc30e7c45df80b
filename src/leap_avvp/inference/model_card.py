"""The README of an exported model, in the form that the Hugging Face hub reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from leap_avvp import __version__
from leap_avvp.data.targets import KINDS
from leap_avvp.inference.parser import Parser
from leap_avvp.scoring.record import RunRecord

__all__ = ["model_card"]

_COLUMNS = {"audio": "A", "visual": "V", "audio_visual": "AV", "type_av": "Type@AV", "event_av": "Event@AV"}
_WARNING = """\
> **Trained on SIMULATED data.** The features and labels were made up. This model knows nothing of real videos, and no
> number below may be compared with a published one."""
_HOW = """\
```python
import leap_avvp

parser = leap_avvp.load("this/folder")  # or "hub:owner/name"
result = parser.parse({{{features}}})
print(result)  # a timeline; result.events, result.to_dataframe()
```

or, for a folder of feature files, `leap-avvp predict --checkpoint this/folder --data DIR`."""


def model_card(parser: Parser, record: RunRecord | None, licence: str | None = None) -> str:
    """Return the page.

    Args:
        parser: the model.
        record: what its run has measured, if that is known.
        licence: identifier of the hub; None for a licence that is not stated.
    """
    card, simulated = parser.card, parser.trained_on == "simulated"
    shown = ", ".join(
        f"`{name}`" if name == display else f"`{name}` ({display})"
        for name, display in zip(card.classes, card.display, strict=True)
    )
    parts = [
        f"---\n{yaml.safe_dump(_front_matter(simulated, licence), sort_keys=False).rstrip()}\n---",
        f"# {_model(parser)}, {card.name}{' (SIMULATED data)' if simulated else ''}",
        *([_WARNING] if simulated else []),
        f"Audio-visual video parsing: which of {card.num_classes} classes is heard, seen or both in each of "
        f"{card.segments} segments of {card.seconds:g} s. Weights and config of leap-avvp {__version__}.",
        f"## Trained on\n\n{_trained_on(parser, record)}",
        f"## Scores\n\n{_scores(record)}",
        f"## Features\n\n{_features(parser)}",
        "## How to load it\n\n"
        + _HOW.format(features=", ".join(f'"{name}": {name}' for name in card.features.streams)),
        f"Events are made of probabilities by the protocol `{parser.protocol.name}`.",
        f"## Classes\n\n{shown}",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(simulated: bool, licence: str | None) -> dict[str, Any]:
    named = {"license": licence} if licence else {"license": "other", "license_name": "unknown"}
    tags = ["audio-visual-video-parsing", "event-detection", "audio", "video", *(["simulated"] if simulated else [])]
    return {**named, "library_name": "leap-avvp", "pipeline_tag": "video-classification", "tags": tags}


def _model(parser: Parser) -> str:
    names = [type(part).__name__.removesuffix("Decoder") for part in (parser.model.encoder, parser.model.decoder)]
    return " + ".join(names)


def _trained_on(parser: Parser, record: RunRecord | None) -> str:
    card = parser.card
    facts = f"{card.num_classes} classes, {card.segments} segments of {card.seconds:g} s"
    source = f"`{parser.trained_on}`" if parser.trained_on else "not known"
    lines = [f"- data: {source} ({facts}; card `{card.name}`)"]
    if record is not None:
        lines.append(f"- seed {record.seed}, best of {record.epochs} epochs: {record.best_epoch}")
        lines.append(f"- versions: {', '.join(f'{name} {version}' for name, version in record.versions.items())}")
    data = parser.config.get("data")
    targets = data.get("pseudo_labels") if isinstance(data, Mapping) else None
    if targets in KINDS:  # not a folder of somebody's machine
        lines.append(f"- labels of segments: `{targets}`")
    if parser.config_hash:
        lines.append(f"- configuration `{parser.config_hash}` (see `config.json`)")
    return "\n".join(lines)


def _scores(record: RunRecord | None) -> str:
    if record is None:
        return "None were measured, or none lay beside the checkpoint."
    simulated = record.data_source == "simulated"
    lines = [f"| test | {' | '.join(_COLUMNS.values())} |", f"| --- |{' ---: |' * len(_COLUMNS)}"]
    for level in ("segment", "event"):
        cells = (record.test.get(f"{level}/{key}") for key in _COLUMNS)
        lines.append(f"| {level} | {' | '.join('' if cell is None else f'{cell:.1f}' for cell in cells)} |")
    average = record.test.get("average")
    protocol = record.protocol.get("name", "not stated")
    mean = "" if average is None else f"Average {average:.1f}. "
    warning = " SIMULATED data: not comparable with any published number." if simulated else ""
    lines.append(f"\n{mean}F-scores in percent, seed {record.seed}, protocol `{protocol}`.{warning}")
    return "\n".join(lines)


def _features(parser: Parser) -> str:
    features = parser.card.features
    lines = [f"Set `{features.name}`, a `.npy` file a video and stream:\n"]
    lines += ["| stream | folder | shape | rows become segments by |", "| --- | --- | --- | --- |"]
    for name, stream in features.streams.items():
        lines.append(f"| `{name}` | `{stream.folder}` | ({stream.rows}, {stream.width}) | {stream.reduce} |")
    return "\n".join(lines)
