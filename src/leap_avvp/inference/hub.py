"""Models on the Hugging Face hub: fetched by ``huggingface_hub``, which is imported only then."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.inference.exported import MODEL_FILES

__all__ = ["HUB", "fetch"]

HUB = "hub:"
_PLACE = re.compile(r"([A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@([\w./-]{1,200}))?")


def fetch(place: str) -> Path:
    """Return the folder with the files of an exported model on the hub.

    Args:
        place: ``hub:owner/name`` or ``hub:owner/name@revision``.

    Raises:
        ConfigError: another form, or ``huggingface_hub`` is not installed.
        DataError: no such model, or no network.
    """
    found = _PLACE.fullmatch(place.removeprefix(HUB))
    if found is None:
        raise ConfigError(f"{place[:200]}: expected hub:owner/name or hub:owner/name@revision")
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ConfigError(
            f"{place}: needs huggingface_hub, which cannot be imported ({error}); pip install 'leap-avvp[hub]'"
        ) from error
    try:
        return Path(hub.snapshot_download(found[1], revision=found[2], allow_patterns=list(MODEL_FILES)))
    except Exception as error:  # of the hub, of its HTTP library, of the file system
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{place}: cannot be fetched ({type(error).__name__}: {reason})") from error
