"""``leap-avvp export``: a trained model as a folder that others can read, with a model card."""

from __future__ import annotations

import re
from pathlib import Path

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.files import write_whole
from leap_avvp.inference.exported import MODEL_FILES, README, write_model
from leap_avvp.inference.loading import load, record_beside
from leap_avvp.inference.model_card import model_card
from leap_avvp.inference.onnx_writing import ONNX_FILES, check_onnx, onnx_files, onnx_page
from leap_avvp.models import VideoParser
from leap_avvp.scoring.record import RunRecord
from leap_avvp.training.saving import BEST_FILE

__all__ = ["export_model"]

_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")


def export_model(
    checkpoint: str | Path,
    folder: str | Path,
    licence: str | None = None,
    overwrite: bool = False,
    *,
    onnx: bool = False,
    int8: bool = False,
) -> Path:
    """Write ``model.safetensors``, ``config.json`` and ``README.md``, and ONNX files if asked; return the folder.

    Args:
        checkpoint: what :func:`~leap_avvp.inference.load` takes.
        folder: is made if need be; other files in it stay.
        licence: of the weights, by the hub's identifier (``mit``, ``cc-by-4.0``); None leaves it open.
        overwrite: replace a model that is there.
        onnx: also write ``model.onnx``, which needs neither torch nor this package to run.
        int8: with ``onnx``, also write ``model-int8.onnx``: weights of 8 bits, for CPUs.

    Raises:
        ConfigError: ``folder`` holds such files, a licence that is no identifier, a package that is not installed, or a
            model that cannot be exported.
        DataError: a checkpoint that cannot be read, or a folder that cannot be written.
    """
    if licence is not None and not _LICENCE.fullmatch(licence):
        raise ConfigError(f"licence: expected an identifier as mit or cc-by-4.0, found {licence[:80]!r}")
    if int8 and not onnx:
        raise ConfigError("--int8: belongs to --onnx: the integers are those of an ONNX file; add --onnx")
    if onnx:
        check_onnx()
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: expected a folder, found a file")
    there = [name for name in (*MODEL_FILES, README, *ONNX_FILES) if (folder / name).exists()]
    if there and not overwrite:
        raise ConfigError(f"{folder}: holds {there[0]}; choose another folder, or replace it with --overwrite")
    parser = load(checkpoint)
    if not isinstance(parser.model, VideoParser):
        raise ConfigError(f"{checkpoint}: expected a checkpoint or a run's folder, found an ONNX file")
    written = onnx_files(parser, parser.model, int8) if onnx else {}
    file = Path(parser.source)
    # The scores are those of the best epoch.
    record: RunRecord | None = record_beside(file, parser.config) if file.name == BEST_FILE else None
    for name in ONNX_FILES:  # nothing of another model stays beside this one
        (folder / name).unlink(missing_ok=True)
    write_model(parser, folder, model_card(parser, record, licence) + onnx_page(parser.card, list(written)))
    for name, content in written.items():
        write_whole(folder / name, content)
    return folder
