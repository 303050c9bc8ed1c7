"""Which images make which batch: the same for any number of processes, workers and restarts."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler


class Draw(NamedTuple):
    """One training sample: which image, and the seed of its augmentation."""

    image: int
    seed: tuple[int, int, int]


class TrainBatches(Sampler[list[Draw]]):
    """Shuffled full batches, each a function of (seed, epoch, position) alone.

    Every image comes `repeat` times in an epoch; the last batch is filled up from the epoch's beginning. With several
    processes each global batch is dealt out among them.

    Args:
        size: images in the data set.
        batch_size: per process.
        repeat: passes over the data set in one epoch; small sets take several, so that epochs are worth their overhead.
        epoch, skip: where to begin, for a resumed run: batches of that epoch already done.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        seed: int,
        repeat: int = 1,
        rank: int = 0,
        world: int = 1,
        epoch: int = 0,
        skip: int = 0,
    ) -> None:
        self.size, self.batch_size, self.seed, self.repeat = size, batch_size, seed, repeat
        self.rank, self.world, self.epoch = rank, world, epoch
        self.begun = (epoch, skip)

    def __len__(self) -> int:
        return -(-self.size * self.repeat // (self.batch_size * self.world))

    def set_epoch(self, epoch: int) -> None:
        """Lightning tells the epoch before each one begins."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[Draw]]:
        generator = np.random.default_rng((self.seed, self.epoch))
        order = np.concatenate([generator.permutation(self.size) for _ in range(self.repeat)])
        order = np.resize(order, len(self) * self.batch_size * self.world)
        skip = self.begun[1] if self.epoch == self.begun[0] else 0  # a loader with workers asks twice: nothing changes
        batches = [
            [Draw(int(order[position]), (self.seed, self.epoch, position)) for position in range(start, stop)]
            for start, stop in (self.bounds(number) for number in range(skip, len(self)))
        ]
        return iter(batches)

    def bounds(self, number: int) -> tuple[int, int]:
        """First and last position of this process's share of a global batch."""
        start = (number * self.world + self.rank) * self.batch_size
        return start, start + self.batch_size


class EvalBatches(Sampler[list[int]]):
    """Every image exactly once over all processes, in batches of equal image size.

    The batches are made first and dealt out to the processes then, so that an image meets the same neighbours, and the
    network the same shapes, however many processes there are.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]], batch_size: int, *, rank: int = 0, world: int = 1) -> None:
        by_size: dict[tuple[int, int], list[int]] = {}
        for index, size in enumerate(sizes):
            by_size.setdefault(size, []).append(index)
        batches = [
            indices[start : start + batch_size]
            for indices in by_size.values()
            for start in range(0, len(indices), batch_size)
        ]
        self.of_all = len(batches)  # processes together
        self.batches = batches[rank::world]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)
