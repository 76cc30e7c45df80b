"""What ``leap-avvp data`` and ``leap-avvp score`` do."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from leap_avvp.data.annotations import find_annotations, read_annotations
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.packed.pack import pack_folder
from leap_avvp.data.simulate import SimulatedLLP, write_llp_folder
from leap_avvp.errors import ConfigError
from leap_avvp.scoring.predictions import score_predictions
from leap_avvp.training.checkpoint import write_json

__all__ = ["check", "pack", "score", "simulate"]


def check(root: Path, annotations: Path | None, pseudo_labels: str) -> int:
    """Print the report of a data folder; return 0 when a training can start from it, else 1."""
    report = LLPFolder(root, annotations, pseudo_labels, allow_missing=True).check()
    Console().print(report.table())
    return 0 if report.ok else 1


def pack(root: Path, annotations: Path | None, dtype: str, out: Path | None, allow_missing: bool) -> int:
    """Pack a data folder, and say where the set lies and how large it is."""
    started = time.perf_counter()
    folder = pack_folder(root, annotations, dtype=dtype, out=out, allow_missing=allow_missing)
    size = sum(file.stat().st_size for file in folder.iterdir())
    option = "" if dtype == "float32" and out is None else f" data.packed={dtype if out is None else folder}"
    print(
        f"{folder}: {size / 1e9:.2f} GB, {time.perf_counter() - started:.1f} s; "
        f"`leap-avvp train data=llp data.root={root}{option}` reads it"
    )
    return 0


def simulate(
    out: Path,
    annotations: Path | None,
    limit: int | None,
    sizes: dict[str, int],
    seed: int,
    overwrite: bool,
) -> int:
    """Write a simulated data folder in LLP's layout."""
    if annotations is not None and sizes:
        raise ConfigError("--annotations brings its own videos: leave --train, --val and --test out, or use --limit N")
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit: expected a whole number of at least 1, found {limit}")
    if annotations is not None:
        source = SimulatedLLP(seed=seed, annotations=read_annotations(find_annotations(annotations, annotations))[0])
    else:
        source = SimulatedLLP(seed=seed, **sizes)  # type: ignore[arg-type]
    write_llp_folder(source, out, annotations=annotations, limit=limit, overwrite=overwrite)
    print(f"{out}: SIMULATED videos in LLP's layout; train on them with `leap-avvp train data=llp data.root={out}`")
    return 0


def score(
    predictions: Path, annotations: Path, split: str, filter_name: str, allow_missing: bool, json_file: Path | None
) -> int:
    """Print (and write) the ten numbers of a prediction file."""
    result = score_predictions(predictions, annotations, split, filter=filter_name, allow_missing=allow_missing)
    if json_file is not None:
        write_json(result.to_dict(), json_file)
    Console().print(result.table())
    return 0
