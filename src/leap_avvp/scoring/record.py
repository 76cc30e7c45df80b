"""What a finished run leaves: ``metrics.json``, and how it is read."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leap_avvp.errors import DataError

__all__ = ["METRICS_FILE", "METRICS_FORMAT", "RunRecord", "read_record"]

METRICS_FILE = "metrics.json"
"""In the folder of a finished run; where it stands, everything does."""
METRICS_FORMAT = "leap-avvp/metrics/1"


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """One finished run, as its ``metrics.json`` tells it. Metrics are in percent, not rounded; times in seconds."""

    path: Path
    """The file that was read."""
    data_source: str
    """``simulated``, or the name of the data card: ``llp``."""
    data: Mapping[str, Any]
    seed: int
    config_hash: str
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    device: str
    protocol: Mapping[str, Any]
    wall_time_s: Mapping[str, float]
    epochs: int
    best_epoch: int
    validation: Mapping[str, float]
    test: Mapping[str, float]
    untrained: Mapping[str, float] | None
    """The same numbers before the first step, where they were measured."""
    parameters: Mapping[str, Any]


# The type that each field of the file must have; `untrained` may be null besides.
_TYPES: dict[str, type] = {
    "data_source": str,
    "data": dict,
    "seed": int,
    "config_hash": str,
    "config": dict,
    "versions": dict,
    "device": str,
    "protocol": dict,
    "wall_time_s": dict,
    "epochs": int,
    "best_epoch": int,
    "validation": dict,
    "test": dict,
    "untrained": dict,
    "parameters": dict,
}


def read_record(path: str | Path) -> RunRecord:
    """Read one ``metrics.json``.

    Raises:
        DataError: naming the file and what is wrong with it: unreadable, damaged, of another format, a field missing
            or of the wrong type, a metric that is not a finite number.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: damaged, not JSON ({error}); delete the file to run its cell again") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != METRICS_FORMAT:
        raise DataError(f"{path}: expected the format {METRICS_FORMAT!r}, found {found!r}")
    for field, kind in _TYPES.items():
        value = content.get(field)
        if value is None and field == "untrained":
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            raise DataError(f"{path}: {field}: expected {kind.__name__}, found {value!r}")
    for field in ("test", "untrained"):
        for key, value in (content.get(field) or {}).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise DataError(f"{path}: {field}: {key}: expected a number, found {value!r}")
    return RunRecord(path=path, **{field: content.get(field) for field in _TYPES})
