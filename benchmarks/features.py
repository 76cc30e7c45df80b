"""What each feature set costs a video: on disk, to read, to pack, to load, and in the front end."""

from __future__ import annotations

import io
import statistics
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.report import Report
from benchmarks.timing import seconds
from leap_avvp.card import LLP, named_features
from leap_avvp.card.features import known_features
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.packed import PackedLLP
from leap_avvp.data.packed.pack import pack_folder
from leap_avvp.data.simulate import SimulatedLLP, write_llp_folder
from leap_avvp.models.frontend import Frontend

__all__ = ["feature_sets"]


def feature_sets(report: Report, folder: Path, videos: int) -> None:
    """Write a folder of each set, and time what is done with it, a video."""
    section = report.section(
        *("Feature sets", "features", "numbers a segment", "kB of files", "reading, ms", "ms a MB of files"),
        *("packed kB", "loading packed, ms", "front end, ms"),
    )
    for name in ("llp", *(other for other in known_features() if other != "llp")):
        card = LLP.with_features(named_features(name))
        root = folder / f"features-{name}"
        write_llp_folder(SimulatedLLP(num_train=videos, num_val=1, num_test=1, card=card), root)
        files = [root / one / file.name for one in card.features.folders.values() for file in (root / one).iterdir()]
        size = sum(file.stat().st_size for file in files) / (videos + 2)
        reading = statistics.median(_seconds(root, card.features.name, videos) for _ in range(3))
        packed = pack_folder(root, card=card, console=Console(file=io.StringIO()))
        stored = sum((packed / f"train.{stream}.npy").stat().st_size for stream in card.features.streams) / videos
        loading = statistics.median(seconds(lambda: PackedLLP(packed).load("train")) for _ in range(3)) / videos  # noqa: B023
        frontend = Frontend(features=card.features)
        batch = {stream: torch.randn(32, 10, width) for stream, width in card.features.widths.items()}
        with torch.no_grad():
            step = statistics.median(seconds(lambda: frontend(**batch)) for _ in range(7)) / 32  # noqa: B023
        section.add(
            *(name, f"{sum(card.features.widths.values()):,}", f"{size / 1e3:.0f}", f"{1e3 * reading:.2f}"),
            *(f"{1e3 * reading / (size / 1e6):.2f}", f"{stored / 1e3:.0f}", f"{1e3 * loading:.3f}"),
            f"{1e3 * step:.3f}",
        )
    section.notes.append(
        f"{videos} simulated training videos of ten segments, files warm in the system's cache, labels read with them; "
        "float32 throughout. Memory of a loaded video is what is packed. The front end at batch 32, forward alone."
    )


def _seconds(root: Path, features: str, videos: int) -> float:
    source = LLPFolder(root, card=LLP.with_features(named_features(features)))
    source.split("train")
    return seconds(lambda: source.load("train")) / videos
