"""Sharded sets: their rates beside a packed set, and what a training holds as the set grows."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.report import Report
from benchmarks.system import write_random_set
from benchmarks.timing import seconds
from leap_avvp import __version__
from leap_avvp.card import LLP, DataCard
from leap_avvp.card.read import card_content, card_from
from leap_avvp.config import compose_job
from leap_avvp.data.datamodule import LLPDataModule, folder_data
from leap_avvp.data.shards import shards_data
from leap_avvp.data.shards.format import Shard, ShardIndex, record_type
from leap_avvp.data.shards.writer import ShardWriter, block_videos
from leap_avvp.training.module import build_module

__all__ = ["shards", "write_random_shards"]

NARROW = card_from(
    {
        **LLP.to_dict(),
        "name": "narrow",
        "features": {
            "name": "narrow",
            "streams": {
                "audio": {"folder": "audio", "shape": ["T", 16], "reduce": "segment"},
                "video_2d": {"folder": "video", "shape": ["T", 32], "reduce": "segment"},
            },
        },
    }
)
"""LLP's classes and segments with features so narrow that a million videos fit a small disk: 2.6 kB each."""
_BATCH = 32


def write_random_shards(folder: Path, videos: int, card: DataCard = LLP, shard_mb: int = 100) -> Path:
    """Write a sharded set of random training features, and 200 videos at most to validate and test on."""
    folder.mkdir(parents=True)
    rng, truth = np.random.default_rng(0), ("target_audio", "target_visual")
    names = {"train": ("segment_audio", "segment_visual"), "val": truth, "test": truth}
    labels = {split: dict.fromkeys(("video_label", *own), "|u1") for split, own in names.items()}
    records = {split: record_type(card, "float32", own) for split, own in labels.items()}
    block = block_videos(records["train"])
    listed: dict[str, list[Shard]] = {}
    for split, record in records.items():
        number, size = videos if split == "train" else min(videos, 200), shard_mb * 1_000_000 // record.itemsize
        listed[split] = []
        for turn, start in enumerate(range(0, number, size)):
            with ShardWriter(folder, f"{split}-{turn:06d}.npy", record, block) as writer:
                for first in range(start, min(start + size, number), block):
                    stop = min(first + block, start + size, number)
                    writer.add(_random_records(rng, record, [f"{split}{row:011d}"[-11:] for row in range(first, stop)]))
                listed[split].append(writer.finish())
    none = dict.fromkeys(listed, 0)
    ShardIndex("float32", True, "valor", block, labels, listed, none, card_content(card), __version__).write(folder)
    return folder


def _random_records(rng: np.random.Generator, record: np.dtype[Any], ids: list[str]) -> Any:
    records = np.zeros(len(ids), record)
    records["filename"] = [f"{name}_0_10".encode() for name in ids]
    for name in record.names or ():
        if records[name].dtype.kind == "f":
            records[name] = rng.standard_normal(records[name].shape, dtype=np.float32)
        elif name != "filename":
            records[name] = rng.random(records[name].shape, dtype=np.float32) < 0.08
    return records


def shards(report: Report, folder: Path, videos: int, sizes: tuple[int, ...], steps: int) -> None:
    """Take epochs of batches from a packed set and from a sharded one, and train on sets of more and more videos."""
    _beside_packed(report, folder, videos)
    section = report.section(
        "Growth of a sharded set",
        *("videos", "GB", "shards", "open, s", "first batch, s", "MB at 50 steps", f"MB at {steps} steps"),
        *("videos a second, read and checked", "again", "steps a second"),
    )
    for number in sizes:
        root = write_random_shards(folder / f"shards-{number}", number, NARROW)
        forget(root)
        code = f"from benchmarks.shards import _train_on; _train_on({str(root)!r}, {steps})"
        out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        found = json.loads(out.splitlines()[-1])
        size = sum(path.stat().st_size for path in root.iterdir()) / 1e9
        number_of = len(list(root.glob("train-*.npy")))
        cells = [f"{found[key]:.2f}" for key in ("open", "first")] + [f"{found[key]:.0f}" for key in ("early", "late")]
        cells += [f"{found[key]:,.0f}" for key in ("checked", "again")] + [f"{found['steps']:.1f}"]
        section.add(f"{number:,}", f"{size:.3f}", str(number_of), *cells)
        shutil.rmtree(root)
    section.notes.append(
        "Each in a process of its own, the set not in the system's memory before; shards of 100 MB, features of "
        f"{sum(NARROW.features.widths.values())} numbers a segment, batches of {_BATCH}, HAN of width 64 with MMIL. "
        "MB: what the process holds beyond what it held with the network built and nothing opened, so gradients, "
        "optimizer and torch's own buffers are in it. Opening: index, shards looked for, validation (200 videos) read. "
        "Rates: up to 65,536 videos of an epoch without a network, first from disk with every checksum, then again."
    )


def _beside_packed(report: Report, folder: Path, videos: int) -> None:
    """Take epochs of LLP's width from both kinds of sets."""
    section = report.section(
        "Shards beside a packed set", "set", "first epoch, cold", "later epoch, cold", "later epoch, warm"
    )
    packed, sharded = write_random_set(folder / "packed", videos), write_random_shards(folder / "sharded", videos)

    def first(name: str) -> LLPDataModule:
        return folder_data(packed, placement="disk") if name == "packed, disk" else shards_data(sharded)

    for name, root in (("packed, disk", packed), ("shards of 100 MB", sharded)):
        forget(root)
        started = time.perf_counter()
        loader = first(name).train_dataloader()
        _exhaust(loader)
        opening = videos / (time.perf_counter() - started)
        forget(root)
        cold = videos / seconds(lambda loader=loader: _exhaust(loader))  # type: ignore[misc]
        warm = videos / min(seconds(lambda loader=loader: _exhaust(loader)) for _ in range(3))  # type: ignore[misc]
        section.add(name, f"{opening:,.0f}", f"{cold:,.0f}" if root == sharded else "mapped", f"{warm:,.0f}")
    section.notes.append(
        f"Videos a second, {videos:,} videos of LLP's features in float32, batches of {_BATCH}, no network. The first "
        "epoch includes opening the set and every checksum; cold: the files were dropped from the system's memory, "
        "which keeps pages that a process has mapped."
    )
    shutil.rmtree(packed)
    shutil.rmtree(sharded)


def forget(folder: Path) -> None:
    """Have the system drop a folder's files from its memory, where it can be asked to."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _exhaust(batches: Any) -> int:
    return sum(len(batch["video_id"]) for batch in batches)


def _held() -> float:
    """Return MB that the process holds; where the system does not say, the most it has held."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _train_on(root: str, steps: int) -> None:
    """Open a set, train on it and read it; print what it took."""
    words = ["data=shards", f"data.root={root}", "encoder=han", "encoder.dim=64", "encoder.feed_forward_dim=64"]
    words += ["decoder=mmil", "decoder.dim=64", "label_embedding=simulated", f"data.batch_size={_BATCH}"]
    parts = compose_job(words, "unused").parts
    module = build_module(parts, 0)
    parser, loss = module.parser.train(), parts.loss()
    optimizer = torch.optim.Adam(parser.parameters(), lr=1e-4, fused=True)
    before, started = _held(), time.perf_counter()
    data = parts.data()
    data.setup("fit")
    data.fingerprint()
    opened = time.perf_counter() - started
    loader = data.train_dataloader()

    def endless() -> Iterator[Any]:
        for epoch in itertools.count():
            loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
            yield from loader

    held, first, trained = {}, 0.0, 0.0
    for step, batch in enumerate(itertools.islice(endless(), steps), start=1):
        first = first or time.perf_counter() - started
        begun = time.perf_counter()
        out = parser(audio=batch["audio"], video_2d=batch["video_2d"])
        optimizer.zero_grad()
        loss(out, batch)["total"].backward()
        optimizer.step()
        trained += time.perf_counter() - begun
        held[step] = _held() - before
    fresh = shards_data(root, card=data.source.card)
    some = min(len(fresh.dataset("train")), 65_536) // _BATCH
    forget(Path(root))
    reader = fresh.train_dataloader()
    checked = seconds(lambda: _exhaust(itertools.islice(reader, some)))
    again = seconds(lambda: _exhaust(itertools.islice(reader, some)))
    facts = {"open": opened, "first": first, "early": held[min(50, steps)], "late": max(held.values())}
    facts |= {"checked": some * _BATCH / checked, "again": some * _BATCH / again, "steps": steps / trained}
    print(json.dumps(facts))
