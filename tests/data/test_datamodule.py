"""Batches: the same from disk, memory and packed sets; shared out among processes; nothing of the truth in training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from leap_avvp.data import datamodule as datamodule_module
from leap_avvp.data.datamodule import LLPDataModule, SeededBatches, SplitDataset, folder_data, simulated_data
from leap_avvp.data.packed.pack import pack_folder
from leap_avvp.errors import ConfigError
from leap_avvp.files.machine import available_memory


@pytest.fixture
def root(make_llp_folder: Callable[..., Path]) -> Path:
    root = make_llp_folder(train=7, val=3, test=3)
    pack_folder(root)
    return root


def batches(data: LLPDataModule, split: str = "train") -> list[dict[str, object]]:
    return list(getattr(data, f"{split}_dataloader")())


def test_placement_and_packing_change_no_number(root: Path) -> None:
    expected = batches(folder_data(root, packed="off", batch_size=3))
    for placement in ("disk", "ram", None):
        found = batches(folder_data(root, packed="float32", placement=placement, batch_size=3))
        assert len(found) == len(expected) == 3
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.keys() == theirs.keys()
            for name, value in theirs.items():
                if isinstance(value, torch.Tensor):
                    assert torch.equal(ours[name], value), name  # type: ignore[arg-type]
                    assert value.dtype == torch.float32
                else:
                    assert ours[name] == value


def test_disk_needs_a_packed_set(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.placement=disk needs a packed set"):
        folder_data(root, packed="off", placement="disk").train_dataloader()
    with pytest.raises(ConfigError, match=r"data\.placement"):
        simulated_data(placement="floppy")


def test_a_large_set_stays_on_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, stays in ((10**12, False), (10**5, True)):
        monkeypatch.setattr(datamodule_module, "available_memory", lambda free=free: free)
        data = folder_data(root)
        data.train_dataloader()
        assert data.dataset("train").on_disk == stays


def test_the_truth_of_training_videos_is_hidden(root: Path) -> None:
    data = simulated_data(num_train=3, num_val=2, num_test=2)
    assert data.source.load("train").target_audio is not None
    assert not any("target" in name for name in batches(data)[0])
    assert batches(data, "val")[0]["target_audio"].dtype == torch.bool  # type: ignore[attr-defined]


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
@pytest.mark.parametrize("length", [1, 7, 16])
def test_processes_share_the_batches_out(world_size: int, length: int) -> None:
    shuffled = [SeededBatches(length, 2, 5, rank, world_size) for rank in range(world_size)]
    ordered = [SeededBatches(length, 2, None, rank, world_size) for rank in range(world_size)]
    assert len({len(list(part)) for part in shuffled}) == 1, "each trains equally many steps"
    for part in (*shuffled, *ordered):
        assert len(list(part)) == len(part)
    seen = [video for part in ordered for batch in part for video in batch]
    assert sorted(seen) == list(range(length)), "each is scored once"
    assert {video for part in shuffled for batch in part for video in batch} == set(range(length))
    alone = list(SeededBatches(length, 2, 5))
    assert [next(iter(part)) for part in shuffled] == (alone * world_size)[:world_size]


def test_the_order_depends_on_the_epoch() -> None:
    sampler = SeededBatches(50, 50, 0)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_float16_comes_out_as_float32(root: Path) -> None:
    pack_folder(root, dtype="float16")
    data = folder_data(root, packed="float16")
    assert data.dataset("val").tensors["audio"].dtype == torch.float16
    assert batches(data, "val")[0]["audio"].dtype == torch.float32  # type: ignore[attr-defined]


def test_a_dataset_goes_to_a_device(root: Path) -> None:
    dataset = SplitDataset(folder_data(root).source.load("val"))
    dataset.place("device", torch.device("meta"))
    assert not dataset.on_disk
    assert dataset[[0, 1]]["audio"].device.type == "meta"


def test_available_memory(tmp_path: Path) -> None:
    info = tmp_path / "meminfo"
    info.write_text("MemTotal: 100 kB\nMemAvailable: 50 kB\n")
    assert available_memory(info, tmp_path) == 51_200
    (tmp_path / "memory.max").write_text("20000\n")
    (tmp_path / "memory.current").write_text("5000\n")
    assert available_memory(info, tmp_path) == 15_000
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory(info, tmp_path) == 51_200
    assert available_memory(tmp_path / "none", tmp_path) > 0
