"""The order of shards: every video once an epoch, the same after a stop and for any number of processes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leap_avvp.card import DataCard
from leap_avvp.data.shards import shards_data
from leap_avvp.data.shards.order import LANES, ShardOrder


def flat(batches: object) -> list[int]:
    return [row for batch in batches for row in batch]  # type: ignore[attr-defined]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    block=st.integers(1, 9),
    window=st.integers(8, 60),
    batch=st.integers(1, 7),
    world=st.integers(1, 5),
    epoch=st.integers(0, 2),
)
def test_every_video_comes_once_and_ranks_share_them_out(
    sizes: list[int], block: int, window: int, batch: int, world: int, epoch: int
) -> None:
    alone = ShardOrder(sizes, block, window, batch, seed=3)
    alone.set_epoch(epoch)
    whole = list(alone)
    assert sorted(flat(whole)) == list(range(sum(sizes)))
    assert len(whole) == len(alone)
    ranks = []
    for rank in range(world):
        order = ShardOrder(sizes, block, window, batch, 3, rank, world)
        order.set_epoch(epoch)
        ranks.append(list(order))
    assert len({len(each) for each in ranks}) == 1, "all processes step equally often"
    together = [each[turn] for turn in range(len(ranks[0])) for each in ranks]
    full = len(whole) // world * world - (world if len(whole[-1]) < batch and len(whole) % world == 0 else 0)
    assert together[:full] == whole[:full], "the batches of one process, in its order"
    # Of the last turn each has its share; where there are fewer videos than processes, some only stand in.
    left = flat(whole[full:])
    assert flat(together[full:])[: len(left)] == left
    assert set(flat(together[full:])) == set(left)


def test_epochs_differ_and_repeat() -> None:
    order = ShardOrder([300] * 7, 20, 160, 8, seed=1)
    first = list(order)
    order.set_epoch(1)
    assert list(order) != first
    order.set_epoch(0)
    assert list(order) == first
    assert list(ShardOrder([300] * 7, 20, 160, 8, seed=2)) != first
    order.same = True
    order.set_epoch(5)
    assert list(order) == first


def test_a_window_stays_in_few_blocks_and_neighbours_come_from_many_shards() -> None:
    order = ShardOrder([300] * 40, 20, 1280, 8, seed=1)
    batches = list(order)
    lane = np.array(flat(batches[::LANES][: order.window // 8]))
    assert len(np.unique(lane // 20)) <= order.window // 20 + 2
    assert not np.array_equal(lane, np.sort(lane))
    assert len(np.unique(np.array(flat(batches[:LANES])) // 300)) >= LANES // 2
    # With as many processes as lanes nobody reads a block of another, but for one at each end of a lane.
    blocks = [{row // 20 for row in flat(batches[rank::LANES])} for rank in range(LANES)]
    assert max(len(one & other) for one in blocks for other in blocks if one is not other) <= 2


@pytest.mark.parametrize("world", [1, 2])
def test_an_epoch_goes_on_in_its_middle(
    folder: Callable[..., Path], pack: Callable[..., Path], card: DataCard, world: int
) -> None:
    target = pack(folder(train=20))

    def loader(rank: int):  # type: ignore[no-untyped-def]
        data = shards_data(target, batch_size=2, seed=5, window=16, card=card)
        made = data.train_dataloader()
        made.sampler.rank, made.sampler.world_size = rank, world
        made.sampler.set_epoch(3)
        return made

    for rank in range(world):
        whole = [batch["video_id"] for batch in loader(rank)]
        stopped = loader(rank)
        begun = [batch["video_id"] for batch in islice(iter(stopped), 3)]
        gone_on = loader(rank)
        gone_on.load_state_dict(stopped.state_dict())
        assert begun + [batch["video_id"] for batch in gone_on] == whole
        assert len(whole) == 10 // world
