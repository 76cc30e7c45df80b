"""``leap-avvp export``: a trained model as a folder that others can read, with a model card."""

from __future__ import annotations

import re
from pathlib import Path

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.inference.exported import MODEL_FILES, README, write_model
from leap_avvp.inference.loading import load, record_beside
from leap_avvp.inference.model_card import model_card
from leap_avvp.scoring.record import RunRecord
from leap_avvp.training.saving import BEST_FILE

__all__ = ["export_model"]

_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")


def export_model(
    checkpoint: str | Path, folder: str | Path, licence: str | None = None, overwrite: bool = False
) -> Path:
    """Write ``model.safetensors``, ``config.json`` and ``README.md``; return the folder.

    Args:
        checkpoint: what :func:`~leap_avvp.inference.load` takes.
        folder: is made if need be; other files in it stay.
        licence: of the weights, by the hub's identifier (``mit``, ``cc-by-4.0``); None leaves it open.
        overwrite: replace a model that is there.

    Raises:
        ConfigError: ``folder`` holds such files, or a licence that is no identifier.
        DataError: a checkpoint that cannot be read, or a folder that cannot be written.
    """
    if licence is not None and not _LICENCE.fullmatch(licence):
        raise ConfigError(f"licence: expected an identifier as mit or cc-by-4.0, found {licence[:80]!r}")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: expected a folder, found a file")
    there = [name for name in (*MODEL_FILES, README) if (folder / name).exists()]
    if there and not overwrite:
        raise ConfigError(f"{folder}: holds {there[0]}; choose another folder, or replace it with --overwrite")
    parser = load(checkpoint)
    file = Path(parser.source)
    # The scores are those of the best epoch.
    record: RunRecord | None = record_beside(file, parser.config) if file.name == BEST_FILE else None
    write_model(parser, folder, model_card(parser, record, licence))
    return folder
