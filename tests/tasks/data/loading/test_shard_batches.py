"""The order by shards: every image once, a few shards at a time, the same for any number of processes."""

import numpy as np
import pytest

from tasks.data.loading.samplers import ShardBatches

SHARDS = (5, 3, 7, 4, 6, 1)


def images(sampler: ShardBatches) -> list[int]:
    return [draw.image for batch in sampler for draw in batch]


def test_every_image_once_a_few_shards_at_a_time():
    order = images(ShardBatches(SHARDS, 2, window=2, seed=1))
    assert sorted(order) == list(range(26))
    shard_of = np.repeat(np.arange(len(SHARDS)), SHARDS)[order]
    first = 0
    while first < len(order):  # each window has two whole shards
        some = set(shard_of[first : first + 1])
        last = first
        while last < len(order) and len(some | {shard_of[last]}) <= 2:
            some.add(shard_of[last])
            last += 1
        assert len(some) == 2 and last - first == sum(SHARDS[shard] for shard in some)
        first = last
    assert order != sorted(order) and order != images(ShardBatches(SHARDS, 2, window=2, seed=2))


def test_an_epoch_is_a_function_of_seed_and_number():
    sampler = ShardBatches(SHARDS, 4, window=3, seed=1, repeat=2)
    first = list(sampler)
    assert first == list(sampler), "asked twice"
    sampler.set_epoch(1)
    second = list(sampler)
    assert second != first
    resumed = ShardBatches(SHARDS, 4, window=3, seed=1, repeat=2, epoch=1, skip=5)
    assert list(resumed) == second[5:], "from the middle of an epoch"


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_each_batch_without_overlap(world):
    alone = list(ShardBatches(SHARDS, 6, window=2, seed=3))
    parts = [list(ShardBatches(SHARDS, 6 // world, window=2, seed=3, rank=rank, world=world)) for rank in range(world)]
    assert [[draw for part in step for draw in part] for step in zip(*parts, strict=True)] == alone
