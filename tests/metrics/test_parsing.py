"""The metric: means over videos, whatever the batches, the processes and the precision."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from leap_avvp.errors import DataError
from leap_avvp.metrics import EXCLUSIVE_NAMES, SCORE_NAMES, ParsingMetrics, exclusive_scores, per_video_scores
from leap_avvp.metrics.sums import exact_digits, exact_totals

KEYS = (*SCORE_NAMES, "average", *EXCLUSIVE_NAMES)


def random_grids(videos: int, seed: int = 0, density: float = 0.4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(videos, 10, 25, generator=generator) < density for _ in range(4)]


def part(grids: list[Tensor], start: int, stop: int | None = None) -> list[Tensor]:
    return [grid[start:stop] for grid in grids]


def scored(*batches: list[Tensor]) -> ParsingMetrics:
    metrics = ParsingMetrics()
    for batch in batches:
        metrics.update(*batch)
    return metrics


def result(metrics: ParsingMetrics) -> dict[str, float]:
    return {name: value.item() for name, value in metrics.compute().items()}


def test_the_released_programs_means(golden: SimpleNamespace) -> None:
    scores = result(scored(golden.grids))
    assert {name: scores[name] for name in golden.means} == pytest.approx(golden.means, rel=0, abs=1e-9)
    assert len(golden.means) == 10
    assert scores["average"] == pytest.approx(sum(golden.means.values()) / 10, rel=0, abs=1e-9)


def test_the_order_and_the_batches_of_videos_change_no_bit() -> None:
    grids = random_grids(31)
    whole = result(scored(grids))
    order = torch.randperm(31, generator=torch.Generator().manual_seed(1))
    shuffled = [grid[order] for grid in grids]
    # Sums of float64 would differ in their last bits here.
    for batches in ([part(shuffled, 0, 7), part(shuffled, 7, 8), part(shuffled, 8)], [shuffled]):
        assert result(scored(*batches)) == whole
    one, other = scored(part(shuffled, 0, 16)), scored(part(shuffled, 16))
    one.sums, one.videos = one.sums + other.sums, one.videos + other.videos  # as two processes add theirs
    assert result(one) == whole


def test_an_exact_sum_is_that_of_fractions() -> None:
    values = torch.tensor([1.0, 1 / 3, 0.0, 2 / 7, 1e-9, 0.1], dtype=torch.float64)
    (total,) = exact_totals(exact_digits(values).sum(dim=0)[None])
    assert total == sum(map(Fraction, values.tolist()))


def test_percent_of_the_per_video_means() -> None:
    grids = random_grids(7)
    expected = {name: 100 * value.mean().item() for name, value in per_video_scores(*grids).items()}
    others = {name: 100 * value.mean().item() for name, value in exclusive_scores(*grids).items()}
    computed = scored(grids).compute()
    assert tuple(computed) == KEYS
    assert {(value.dtype, value.shape) for value in computed.values()} == {(torch.float64, torch.Size([]))}
    average = sum(expected.values()) / 10
    assert {k: v.item() for k, v in computed.items()} == pytest.approx(
        expected | {"average": average} | others, abs=1e-12
    )


def test_one_video_by_hand() -> None:
    # Heard as said, seen by nobody though it was said: audio 100, visual 0, nothing in both, event 2 / (2 + 1).
    said, nothing = torch.ones(1, 10, 1, dtype=torch.bool), torch.zeros(1, 10, 1, dtype=torch.bool)
    scores = result(scored([said, said, said, nothing]))
    for level in ("segment", "event"):
        values = [scores[f"{level}/{name}"] for name in ("audio", "visual", "audio_visual", "type_av", "event_av")]
        assert values == pytest.approx([100, 0, 0, 100 / 3, 200 / 3])
    assert scores["average"] == pytest.approx(40)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_batches_of_any_size_give_the_same(size: int) -> None:
    grids = random_grids(11)
    batches = [part(grids, start, start + size) for start in range(0, 11, size)]
    assert result(scored(*batches)) == pytest.approx(result(scored(grids)), abs=1e-10)


def test_order_does_not_matter_and_an_empty_batch_adds_nothing() -> None:
    grids = random_grids(5)
    order = torch.tensor([3, 0, 4, 1, 2])
    shuffled = scored(part(grids, 0, 0), [grid[order] for grid in grids], part(grids, 0, 0))
    assert result(shuffled) == pytest.approx(result(scored(grids)), abs=1e-10)


def test_calling_scores_the_batch_and_adds_it() -> None:
    grids = random_grids(5)
    metrics = ParsingMetrics()
    assert not metrics.full_state_update
    for batch in (part(grids, 0, 2), part(grids, 2)):
        assert {name: value.item() for name, value in metrics(*batch).items()} == pytest.approx(result(scored(batch)))
    assert result(metrics) == pytest.approx(result(scored(grids)), abs=1e-10)


def test_reset_forgets() -> None:
    metrics = scored(random_grids(5, seed=1))
    metrics.compute()
    metrics.reset()
    assert int(metrics.videos) == 0
    metrics.update(*random_grids(3, seed=2))
    assert result(metrics) == result(scored(random_grids(3, seed=2)))


def test_a_reset_in_inference_mode_leaves_a_usable_metric() -> None:
    metrics = ParsingMetrics()
    with torch.inference_mode():
        metrics.update(*random_grids(2))
        metrics.compute()
        metrics.reset()
    metrics.update(*random_grids(3))
    assert result(metrics) == result(scored(random_grids(3)))


# Several processes


def test_states_merge_by_their_sums() -> None:
    grids = random_grids(9)
    one, other = scored(part(grids, 0, 2)), scored(part(grids, 2))
    one.merge_state(other)
    assert result(one) == pytest.approx(result(scored(grids)), abs=1e-10)
    assert int(other.videos) == 7


def test_a_process_without_videos_takes_part() -> None:
    grids = random_grids(4)
    full = scored(grids)
    others = iter((full.sums, full.videos))  # in the order of the states
    idle = ParsingMetrics(
        dist_sync_fn=lambda state, group: [state, next(others)], distributed_available_fn=lambda: True
    )
    with pytest.warns(UserWarning, match="before the ``update`` method"):
        scores = result(idle)
    assert scores == result(full)
    assert int(idle.videos) == 0  # its own again, after the sum


PROCESS = """
import json, sys, torch, torch.distributed as dist
from leap_avvp.metrics import ParsingMetrics
rank, rendezvous, file = int(sys.argv[1]), sys.argv[2], sys.argv[3]
dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
grids = torch.load(file, weights_only=True)
metrics = ParsingMetrics()
for batch in ((slice(0, 3), slice(3, 5)), (slice(5, 6),))[rank]:
    metrics.update(*(grid[batch] for grid in grids))
scores = {name: value.item() for name, value in metrics.compute().items()}
print(json.dumps([scores, int(metrics.videos)]))
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    grids = random_grids(6)
    torch.save(grids, tmp_path / "grids.pt")
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"  # a host name may lead nowhere in a container
    arguments = [(tmp_path / "rendezvous").as_uri(), str(tmp_path / "grids.pt")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(rank), *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=1200) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for process, (_, stderr) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, stderr
    expected = result(scored(grids))
    for rank, own in enumerate((5, 1)):
        scores, videos = json.loads(outputs[rank][0].splitlines()[-1])
        assert scores == pytest.approx(expected, abs=1e-10)
        assert videos == own


# States


def test_states_are_saved_only_on_demand_and_restored() -> None:
    grids = random_grids(5)
    metrics = scored(part(grids, 0, 3))
    assert metrics.state_dict() == {}
    metrics.persistent(True)
    restored = ParsingMetrics()
    restored.load_state_dict(metrics.state_dict())
    restored.update(*part(grids, 3))
    assert result(restored) == pytest.approx(result(scored(grids)), abs=1e-10)


def test_a_copy_goes_its_own_way() -> None:
    metrics = scored(random_grids(3))
    before = result(metrics)
    twin = copy.deepcopy(metrics)
    twin.update(*random_grids(3, seed=1))
    assert result(metrics) == before != result(twin)


@pytest.mark.parametrize(
    "cast",
    [
        lambda module: module.to(torch.bfloat16),
        lambda module: module.to("cpu", torch.float16),
        lambda module: module.half(),
        lambda module: module.float(),
    ],
    ids=["to bfloat16", "to cpu float16", "half", "float"],
)
def test_a_module_in_low_precision_leaves_the_sums_exact(cast: object) -> None:
    grids = random_grids(5)
    module = nn.ModuleDict({"layer": nn.Linear(2, 2), "metrics": ParsingMetrics()})
    metrics = module["metrics"]
    metrics.update(*part(grids, 0, 3))
    cast(module)  # type: ignore[operator]
    metrics.update(*part(grids, 3))
    assert metrics.sums.dtype == torch.int64
    assert result(metrics) == result(scored(part(grids, 0, 3), part(grids, 3)))
    metrics.reset()
    assert metrics.sums.dtype == torch.int64
    cast(module)  # type: ignore[operator]
    assert metrics.videos.dtype == torch.int64


def test_moving_never_hands_float64_to_a_device_that_may_lack_it() -> None:
    seen = []

    def move(tensor: Tensor) -> Tensor:
        seen.append(tensor.dtype)
        return tensor.clone()

    metrics = scored(random_grids(3))
    metrics.compute()  # its cached scores move along
    before = result(metrics)
    metrics._apply(move)
    assert seen
    assert torch.float64 not in seen
    assert result(metrics) == before


def test_states_live_where_the_metric_was_moved() -> None:
    metrics = ParsingMetrics()
    assert metrics.device.type == metrics.sums.device.type == metrics.videos.device.type == "cpu"
    metrics.to("meta")
    assert metrics.device.type == metrics.sums.device.type == metrics.videos.device.type == "meta"
    metrics.reset()
    assert metrics.sums.device.type == "meta"


# Errors


def test_no_video_yet_is_an_error() -> None:
    # torchmetrics warns before it asks for the scores.
    with (
        pytest.warns(UserWarning, match="before the ``update`` method"),
        pytest.raises(DataError, match="no video yet"),
    ):
        ParsingMetrics().compute()


def test_only_empty_batches_are_an_error_too() -> None:
    with pytest.raises(DataError, match="ParsingMetrics: no video yet, call update first"):
        scored(part(random_grids(2), 0, 0)).compute()


def test_a_refused_batch_leaves_the_sums_as_they_were() -> None:
    metrics = scored(random_grids(2))
    before = result(metrics)
    grids = random_grids(2, seed=1)
    with pytest.raises(DataError, match=r"target_visual: expected a boolean tensor .* found torch\.float32"):
        metrics.update(*grids[:3], grids[3].float())
    assert result(metrics) == before
