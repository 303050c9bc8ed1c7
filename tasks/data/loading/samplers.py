"""Order of images in batches: the same for any number of processes, workers and restarts."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from tasks.common.errors import UserError
from tasks.data.loading.rarity import drawn_by_weight
from tasks.data.loading.scales import Size, drawn_size


class Draw(NamedTuple):
    """One training sample: which image, the seed of its augmentation, and its batch's size if that is drawn."""

    image: int
    seed: tuple[int, ...]
    size: Size | None = None


class TrainBatches(Sampler[list[Draw]]):
    """Shuffled full batches, each a function of (seed, epoch, position) only.

    Every image occurs `repeat` times in an epoch; the last batch is filled up from the epoch's beginning. With several
    processes each global batch is split among them.

    Args:
        size: images in the data set.
        batch_size: per process.
        repeat: passes over the data set in one epoch; small sets take several, so that epochs are worth their overhead.
        epoch, skip: where a resumed run starts: the epoch, and its batches already done.
        image_sizes: one of which is drawn for each step; none leaves the size to the transforms.
        group: batches of a process that make a step. An epoch has whole steps only; each has the same images, sizes and
            seeds however processes and batches share it.
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
        image_sizes: Sequence[Size] = (),
        group: int = 1,
    ) -> None:
        self.group = group
        self.size, self.batch_size, self.seed, self.repeat = size, batch_size, seed, repeat
        self.rank, self.world, self.epoch, self.image_sizes = rank, world, epoch, tuple(image_sizes)
        self.begun = (epoch, skip)

    def __len__(self) -> int:
        return -(-self.size * self.repeat // (self.batch_size * self.world * self.group)) * self.group

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch, order = self.epoch, np.resize(self.drawn(), len(self) * self.batch_size * self.world)
        return (  # batch by batch: an ImageNet epoch as Python objects takes seconds and 260 MB
            [Draw(int(order[position]), (self.seed, epoch, position), size) for position in range(start, stop)]
            for (start, stop), size in ((self.bounds(number), self.size_of(epoch, number)) for number in self.left())
        )

    def size_of(self, epoch: int, number: int) -> Size | None:
        """The size of a global batch's images, which is that of its step."""
        return drawn_size(self.image_sizes, self.seed, epoch, number // self.group)

    def drawn(self) -> NDArray[np.int64]:
        """The epoch's images in order, without those that fill up its last batch."""
        generator = np.random.default_rng((self.seed, self.epoch))
        return np.concatenate([generator.permutation(self.size) for _ in range(self.repeat)])

    def left(self) -> range:
        """The epoch's remaining batches; a pure function, because a loader with workers calls it twice."""
        return range(self.begun[1] if self.epoch == self.begun[0] else 0, len(self))

    def bounds(self, number: int) -> tuple[int, int]:
        """First and last position of this process's share of a global batch."""
        start = (number * self.world + self.rank) * self.batch_size
        return start, start + self.batch_size


class BalancedBatches(TrainBatches):
    """Batches in which rare classes occur more often: the share of draws is proportional to share ** (1 - balance).

    The epoch length does not change. Images of a class are drawn equally often, give or take one. Class counts follow
    the largest remainder method, and every order is a function of (seed, epoch).

    Args:
        labels: (N,) the images' class numbers.
        batch_size: per process.
        balance: 0 for none, 1 for equal shares of the classes.
        options: see TrainBatches.
    """

    def __init__(self, labels: NDArray[np.int64], batch_size: int, balance: float, **options: Any) -> None:
        super().__init__(len(labels), batch_size, **options)
        self.labels, self.balance = labels, balance

    def drawn(self) -> NDArray[np.int64]:
        generator = np.random.default_rng((self.seed, self.epoch))
        _, labels, images = np.unique(self.labels, return_inverse=True, return_counts=True)
        shares = images ** (1 - self.balance)
        exact = shares / shares.sum() * self.size * self.repeat
        counts = exact.astype(np.int64)
        counts[np.argsort(counts - exact, kind="stable")[: self.size * self.repeat - counts.sum()]] += 1
        order = []
        for label, count in enumerate(counts.tolist()):
            of_class = np.flatnonzero(labels == label)
            passes = [generator.permutation(of_class) for _ in range(-(-count // len(of_class)))]
            order += [np.concatenate(passes)[:count]] if passes else []
        return generator.permutation(np.concatenate(order))


class WeightedBatches(TrainBatches):
    """Batches in which each image occurs as often as its weight says; the epoch length does not change.

    Args:
        weights: (N,) relative to each other, above 0.
        batch_size: per process.
        options: see TrainBatches.
    """

    def __init__(self, weights: NDArray[np.float64], batch_size: int, **options: Any) -> None:
        super().__init__(len(weights), batch_size, **options)
        self.weights = weights

    def drawn(self) -> NDArray[np.int64]:
        generator = np.random.default_rng((self.seed, self.epoch))
        return drawn_by_weight(self.weights, self.size * self.repeat, generator)


class MixedBatches(TrainBatches):
    """Batches of a mixture: a fixed number of samples of each data set, grouped by data set.

    Each set has its own order, a function of (seed, epoch) only: permutations of its samples, concatenated until the
    epoch ends, or draws by weight. An epoch draws `repeat` times the number of samples of all sets together, rounded up
    to whole batches.
    With several processes each global batch is split among them.

    Args:
        sizes: samples in each data set, in the order of concatenation.
        counts: samples of each in a batch, per process; of all processes and passes if these are dealt.
        dealt: number of batches, over processes and passes, among which the samples of a step are dealt out like cards:
            of each set a batch has as many as any other, give or take one. None: each batch has `counts`.
        weights: (N,) of each set's samples, as in WeightedBatches; None where all are drawn equally often.
        options: see TrainBatches.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        counts: Sequence[int],
        weights: Sequence[NDArray[np.float64] | None] | None = None,
        *,
        dealt: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(sum(sizes), sum(counts) // (dealt or 1), **options)
        self.sizes, self.counts, self.dealt = tuple(sizes), tuple(counts), dealt
        self.weights = tuple(weights or [None] * len(sizes))

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch, orders = self.epoch, [self.order(number) for number in range(len(self.sizes))]
        return (
            [
                Draw(int(order[position]), (self.seed, epoch, position, number), size)
                for number, order in enumerate(orders)
                for position in range(*self.share(batch, number))
            ]
            for batch, size in ((batch, self.size_of(epoch, batch)) for batch in self.left())
        )

    def order(self, number: int) -> NDArray[np.int64]:
        """The samples that the epoch draws from one data set, as indices in the mixture."""
        batches = len(self) * self.world if self.dealt is None else len(self) // self.group
        size, drawn = self.sizes[number], batches * self.counts[number]
        generator = np.random.default_rng((self.seed, self.epoch, number))
        if (weights := self.weights[number]) is not None:
            return sum(self.sizes[:number]) + drawn_by_weight(weights, drawn, generator)
        passes = [generator.permutation(size) for _ in range(-(-drawn // size))]
        return sum(self.sizes[:number]) + np.concatenate(passes)

    def share(self, batch: int, number: int) -> tuple[int, int]:
        """Start and end, in one set's order, of this process's share of a global batch."""
        count = self.counts[number]
        if self.dealt is None:
            start = (batch * self.world + self.rank) * count
            return start, start + count
        step, player = divmod(batch * self.world + self.rank, self.dealt)
        first = sum(self.counts[:number])  # the step's samples of all sets lie side by side, and are dealt in order
        *others, own = (
            cards(first + count, each, self.dealt) - cards(first, each, self.dealt) for each in range(player + 1)
        )
        start = step * count + sum(others)
        return start, start + own


def cards(dealt: int, player: int, players: int) -> int:
    """How many of the first `dealt` cards a player has got, from one card each round."""
    return (dealt - player + players - 1) // players


def shared_out(images: int, draw: Mapping[str, float], batch_size: int | None = None) -> tuple[int, ...]:
    """Number of samples of each data set in a batch or a step, by the largest remainder method.

    Args:
        images: in it.
        draw: how often each data set is drawn, in any unit.
        batch_size: of the batches that the images are dealt among; None if they are one.

    Raises:
        UserError: for a data set without a sample in the batch, or a draw that is not a number above 0.
    """
    for name, often in draw.items():
        if isinstance(often, bool) or not isinstance(often, int | float) or not 0 < often < math.inf:
            raise UserError(f"data.draw.{name}={often} must be a number above 0")
    whole = sum(draw.values())
    shares = {name: images * often / whole for name, often in draw.items()}
    counts = {name: math.floor(share) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: counts[name] - shares[name])  # ties keep their order
    for name in by_remainder[: images - sum(counts.values())]:
        counts[name] += 1
    batches = images // (batch_size or images)
    for name, count in counts.items():
        if count < batches:
            said = ", ".join(f"{other}: {often:g}" for other, often in draw.items())
            each = f"data.batch_size={batch_size or images} with data.draw={{{said}}}"
            raise UserError(
                f"{each} has {shares[name] / batches:.2f} samples of {name} in a "
                "batch: at least one of each data set is needed; raise data.batch_size, or draw it more often"
            )
    return tuple(counts.values())


class EvalBatches(Sampler[list[int]]):
    """Every image exactly once over all processes, in batches of images with equal keys.

    The batches are made first and then distributed among the processes, so that an image has the same neighbours, and
    the network the same input shapes, for any number of processes. A process left without batches gets one empty batch:
    otherwise Lightning would skip its whole evaluation, and the others would wait for it.

    Args:
        alike: for each image, what it must share with the others of its batch, such as its size.
    """

    def __init__(self, alike: Sequence[Hashable], batch_size: int, *, rank: int = 0, world: int = 1) -> None:
        groups: dict[Hashable, list[int]] = {}
        for index, key in enumerate(alike):
            groups.setdefault(key, []).append(index)
        batches = [
            indices[start : start + batch_size]
            for indices in groups.values()
            for start in range(0, len(indices), batch_size)
        ]
        self.batches = batches[rank::world] or [[]]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)
