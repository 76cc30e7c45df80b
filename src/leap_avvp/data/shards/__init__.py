"""A set of any size in shards: packed piece by piece, added to, and trained on without being held in memory."""

from leap_avvp.data.shards.module import ShardsDataModule, shards_data
from leap_avvp.data.shards.source import ShardedLLP

__all__ = ["ShardedLLP", "ShardsDataModule", "shards_data"]
