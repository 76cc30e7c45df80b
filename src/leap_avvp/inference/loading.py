"""``leap_avvp.load``: a parser from a checkpoint, a run's folder, an exported folder or the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leap_avvp.config.build import Parts
from leap_avvp.config.elsewhere import from_here
from leap_avvp.config.hashing import config_hash
from leap_avvp.config.older import renamed
from leap_avvp.data.packed.format import HEADER, read_header
from leap_avvp.data.simulate.export import MARKER
from leap_avvp.errors import DataError
from leap_avvp.inference.exported import CONFIG_FILE, WEIGHTS_FILE, read_model
from leap_avvp.inference.hub import HUB, fetch
from leap_avvp.inference.onnx_reading import is_onnx, read_onnx
from leap_avvp.inference.parser import Parser
from leap_avvp.scoring.record import METRICS_FILE, RunRecord, read_record
from leap_avvp.training.checkpoint import checkpoint_file, load_trained

__all__ = ["load", "record_beside"]


def load(path: str | Path) -> Parser:
    """Return a trained model, ready to parse videos, on the CPU; nothing in its files is executed.

    Args:
        path: a checkpoint, the folder of a run (its best epoch), the folder that ``leap-avvp export`` wrote, an ONNX
            file of it, which onnxruntime computes, or ``hub:owner/name`` or ``hub:owner/name@revision`` for such a
            folder on the Hugging Face hub.

    Raises:
        ConfigError: a place on the hub of another form, or a package that is not installed.
        DataError: missing, damaged or foreign files.
    """
    if isinstance(path, str) and path.startswith(HUB):
        return read_model(fetch(path), path)
    place = Path(path).expanduser()
    if place.name == WEIGHTS_FILE:
        place = place.parent
    if is_onnx(place):
        return read_onnx(place)
    if place.is_dir() and ((place / CONFIG_FILE).exists() or (place / WEIGHTS_FILE).exists()):
        return read_model(place, str(place.absolute()))
    if place.is_dir() and not checkpoint_file(place).exists():
        raise DataError(
            f"{place}: expected the folder of a run ({checkpoint_file(place).relative_to(place)}) or of an exported "
            f"model ({CONFIG_FILE}, {WEIGHTS_FILE}), found neither"
        )
    file = checkpoint_file(place)
    trained = load_trained(file)
    parts = Parts(trained.config)
    return Parser(
        trained.parser,
        parts.card,
        parts.protocol(),
        source=str(file.absolute()),
        trained_on=trained.data_source or _trained_on(trained.config, trained.directory, file),
        config=trained.config,
        config_hash=config_hash(trained.config),
    )


def record_beside(file: Path, trained: Mapping[str, Any]) -> RunRecord | None:
    """Return what the ``metrics.json`` of a checkpoint's run says; None where there is none, or of another run."""
    path = file.absolute().parent.parent / METRICS_FILE
    if not path.is_file():
        return None
    try:
        record = read_record(path)
    except DataError:
        return None
    return record if config_hash(renamed(record.config)) == config_hash(trained) else None


def _trained_on(config: Mapping[str, Any], directory: Path | None, file: Path) -> str | None:
    """Return the name of the data that an older checkpoint was trained on, as far as it can be known here."""
    record = record_beside(file, config)
    if record is not None:
        return record.data_source
    data = from_here(config, directory).get("data")
    if not isinstance(data, Mapping):
        return None
    if str(data.get("_target_")).endswith(".simulated_data"):
        return "simulated"
    root = data.get("root")
    if not isinstance(root, str) or not Path(root).is_dir():
        return None
    if (Path(root) / HEADER).is_file():
        try:
            simulated = read_header(Path(root)).simulated
        except DataError:
            return None
    else:
        simulated = (Path(root) / MARKER).exists()
    return "simulated" if simulated else Parts(config).card.name
