"""Packing, reading and the input pipeline, from a simulated folder in LLP's layout."""

from __future__ import annotations

import io
import itertools
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from rich.console import Console
from torch.utils.data import DataLoader

from benchmarks.baseline import PlainDataset
from benchmarks.report import Report
from benchmarks.timing import seconds
from leap_avvp.data import LLPFolder, SimulatedLLP
from leap_avvp.data.datamodule import folder_data
from leap_avvp.data.packed.pack import pack_folder
from leap_avvp.data.simulate import write_llp_folder

__all__ = ["input_pipeline"]


def _rate(loader: DataLoader[object], videos: int, batches: int) -> float:
    """Return samples a second of the first ``batches``, the start of workers left out."""
    iterator = iter(loader)
    next(iterator)
    taken = seconds(lambda: [None for _ in itertools.islice(iterator, batches)])
    return min(batches * 32, videos - 32) / taken


def input_pipeline(report: Report, folder: Path, videos: int) -> None:
    """Write a folder, pack it, and take epochs of batches from it in every way."""
    root = folder / "llp"
    write_llp_folder(SimulatedLLP(num_train=videos, num_val=20, num_test=20), root)
    section = report.section("Packing", "what", "videos a second", "MB/s")
    files = [path for path in root.rglob("*.npy")]
    size = sum(path.stat().st_size for path in files)

    def read() -> None:
        for path in files:
            path.read_bytes()

    def read_in_threads() -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(Path.read_bytes, files))

    for work, what in ((read, "in turn"), (read_in_threads, "in 4 threads")):
        work()
        taken = statistics.median(seconds(work) for _ in range(3))
        section.add(
            f"reading the files, nothing else, {what}", f"{(videos + 40) / taken:.0f}", f"{size / taken / 1e6:.0f}"
        )
    quiet = Console(file=io.StringIO())
    taken = seconds(lambda: pack_folder(root, console=quiet))
    section.add(
        "data pack (read, check, pool, hash, write)", f"{(videos + 40) / taken:.0f}", f"{size / taken / 1e6:.0f}"
    )
    taken = seconds(lambda: LLPFolder(root).load("train"))
    section.add("loading the unpacked training split", f"{videos / taken:.0f}", "")
    taken = seconds(lambda: folder_data(root).source.load("train"))
    section.add("loading the packed one, checksums and freshness checked", f"{videos / taken:.0f}", "")

    section = report.section("Input pipeline", "source", "workers", "samples a second", "against 0 workers of files")
    ids = LLPFolder(root).split("train").video_ids
    plain = PlainDataset(root, ids, root / "label_embedding.npz")
    rates: dict[int, float] = {}
    threads = torch.get_num_threads()
    for workers in (0, 2, 4):
        loader = DataLoader(plain, batch_size=32, shuffle=True, num_workers=workers)
        rates[workers] = _rate(loader, videos, videos // 32 - 1)
        section.add(
            "a file an array and sample (baseline)",
            str(workers),
            f"{rates[workers]:,.0f}",
            f"{rates[workers] / rates[0]:.1f}",
        )
    torch.set_num_threads(threads)
    best = max(rates.values())
    for placement in ("disk", "ram"):
        loader = folder_data(root, placement=placement).train_dataloader()
        for _ in loader:  # the pages of the file are in memory from here on, as the baseline's files are
            pass
        rate = statistics.median(_rate(loader, videos, len(loader) - 1) for _ in range(9))
        section.add(
            f"packed set, placement {placement}",
            "0",
            f"{rate:,.0f}",
            f"{rate / rates[0]:.0f} ({rate / best:.0f} x the best)",
        )
    section.notes.append("Files warm in the system's cache for both. Aims: 50 times 0 workers, 10 times the best.")
