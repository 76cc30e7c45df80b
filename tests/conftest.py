"""What tests of several rooms need: a small folder in LLP's real layout, and a reader of W&B's offline files."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from leap_avvp.data.annotations import SplitAnnotations, write_annotations
from leap_avvp.llp import FEATURE_FOLDERS, FEATURE_SHAPES, NUM_CLASSES, PSEUDO_LABEL_FOLDERS, video_id


@pytest.fixture(autouse=True)
def _ctrl_c() -> Iterator[None]:
    """Let Ctrl-C mean what it does at a terminal: a script's background jobs, pytest too, start with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def write_llp(root: Path, train: int = 4, val: int = 2, test: int = 2, pseudo_labels: bool = True) -> Path:
    """Write random features and labels for ``train + val + test`` videos, and return ``root``."""
    rng = np.random.default_rng(0)
    splits = {}
    for split, number in (("train", train), ("val", val), ("test", test)):
        # Ids may begin with a dash or an underscore, and starts and ends may be decimal.
        filenames = [f"{'-_a'[index % 3]}{split:_<5}{index:05d}_{index}.5_{index + 10}.5" for index in range(number)]
        weak = rng.random((number, NUM_CLASSES)) < 0.1
        weak[np.arange(number), rng.integers(NUM_CLASSES, size=number)] = True  # at least one
        dense = [(rng.random((number, 10, NUM_CLASSES)) < 0.5) & weak[:, None] for _ in range(2)]
        audio, visual = (None, None) if split == "train" else dense
        splits[split] = SplitAnnotations(split, filenames, weak, audio, visual)
        for index, name in enumerate(filenames):
            arrays = {
                folder: rng.standard_normal(FEATURE_SHAPES[key], dtype=np.float32)
                for key, folder in FEATURE_FOLDERS.items()
            }
            if split == "train" and pseudo_labels:
                for folder, grid in zip(PSEUDO_LABEL_FOLDERS.values(), dense, strict=True):
                    arrays[folder] = grid[index].astype(np.int64)
            for folder, array in arrays.items():
                (root / folder).mkdir(parents=True, exist_ok=True)
                np.save(root / folder / f"{video_id(name)}.npy", array)
    write_annotations(root / "annotations", splits)
    return root


@pytest.fixture
def make_llp_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return ``make(root=tmp_path / "llp", train=4, val=2, test=2, pseudo_labels=True)``, which returns the root."""

    def make(root: Path | None = None, **options: int) -> Path:
        return write_llp(tmp_path / "llp" if root is None else root, **options)

    return make


def wandb_records(path: Path) -> Iterator[Any]:
    """Yield the records of an offline run: W&B's protobuf messages in LevelDB's log format (32 KiB blocks)."""
    from wandb.proto import wandb_internal_pb2

    content, place, message = path.read_bytes(), 7, b""
    assert content[:4] == b":W&B"
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        message += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole message, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(message)
            yield record
            message = b""


def read_wandb(folder: Path) -> SimpleNamespace:
    """Return what the only W&B run file of ``folder`` (``offline-run-...``) holds, as plain values."""
    (path,) = folder.glob("run-*.wandb")
    run = SimpleNamespace(folder=folder, id="", name="", group="", tags=[], config={}, summary={}, history=[])
    run.exit_code = None
    for record in wandb_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run.id, run.name, run.group = record.run.run_id, record.run.display_name, record.run.run_group
            run.project, run.tags = record.run.project, list(record.run.tags)
            run.entity, run.sweep = record.run.entity, record.run.sweep_id
            run.resume = getattr(record.run, "resume", True)  # W&B 0.28 keeps it elsewhere
        if kind in ("run", "config"):
            config = record.run.config if kind == "run" else record.config
            run.config |= {item.key: json.loads(item.value_json) for item in config.update if item.key}
        if kind == "summary":
            for item in record.summary.update:
                _put(run.summary, list(item.nested_key) or [item.key], json.loads(item.value_json))
        if kind == "history":
            run.history.append(
                {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
            )
        if kind == "exit":
            run.exit_code = record.exit.exit_code
    return run


def _put(node: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        node = node.setdefault(key, {})
    node[keys[-1]] = value


def _whole(folder: Path) -> SimpleNamespace | None:
    """Return a run that has ended, None while its file is still written."""
    from google.protobuf.message import DecodeError

    try:
        run = read_wandb(folder)
    except (AssertionError, DecodeError, ValueError):
        return None
    return None if run.exit_code is None else run


@pytest.fixture
def offline_runs() -> Callable[[Path], list[SimpleNamespace]]:
    """Return ``read(root)``: the offline W&B runs of a folder and of all below it, the oldest first."""

    def read(root: Path) -> list[SimpleNamespace]:
        runs = []
        for path in sorted(root.rglob("offline-run-*"), key=lambda path: path.name):
            deadline = time.monotonic() + 120  # W&B's own process may write the last records after `finish` returns
            while (run := _whole(path)) is None and time.monotonic() < deadline:
                time.sleep(0.1)
            runs.append(run or read_wandb(path))
        return runs

    return read


@pytest.fixture
def no_wandb_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder as a user who has never used W&B; return the folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WANDB_") and name != "WANDB_SERVICE"]:
        monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path
