"""Which training images a batch has: `data.draw`, `.balance`, `.repeat_factor` and `.order`.

A further rule is a subclass of TrainBatches (samplers.py), its keys in DrawSettings, and a branch of Drawing.order().
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

from tasks.common.errors import UserError
from tasks.data.loading.mixture import MixedSamples
from tasks.data.loading.rarity import Often, often
from tasks.data.loading.samplers import (
    BalancedBatches,
    Draw,
    MixedBatches,
    ShardBatches,
    TrainBatches,
    WeightedBatches,
    shared_out,
)

SHARDS_ALONE = (
    "data.order=shards is for dataset=packed alone, whole: without datasets=[…], data.share, data.holdout and "
    "data.cache"
)


@dataclass(frozen=True)
class DrawSettings:
    """How often training images are drawn, and in which order.

    Attributes:
        draw: how often each data set of a mixture is drawn; 1 for those not named.
        balance: how evenly classes are drawn: for image labels see BalancedBatches, for others class_uniform().
        repeat_factor: share of the images below which a class is rare and drawn more often: see repeat_factors().
        targets: the kinds of labels that are trained.
        order: random, or shards: a few shards of a packed data set at a time.
        window: shards at a time.
    """

    draw: Mapping[str, float] = field(default_factory=dict)
    balance: float = 0.0
    repeat_factor: float = 0.0
    targets: Sequence[str] = ()
    order: str = "random"
    window: int = 16


class Drawing:
    """The rule by which training images are drawn.

    Args:
        train: the samples.
        settings: of the rule.
        seed: of batches that are made on trial.

    Raises:
        UserError: for shards of samples that are not in shards, or are drawn by another rule.
    """

    def __init__(self, train: MixedSamples, settings: DrawSettings, seed: int) -> None:
        self.train, self.seed, self.targets = train, seed, tuple(settings.targets)
        self.balance, self.repeat_factor = settings.balance, settings.repeat_factor
        self.window = settings.window if settings.order == "shards" else None
        self.shares = {name: settings.draw.get(name, 1) for name in train.names}
        self.shards = () if self.window is None else self.shard_sizes()

    def shard_sizes(self) -> Sequence[int]:
        """Number of samples in each shard of a packed data set."""
        samples = None if self.train.names else self.train.parts[0].samples
        sizes: Sequence[int] | None = getattr(samples, "shard_sizes", None)
        if sizes is None:
            raise UserError(SHARDS_ALONE)
        if self.balance or self.repeat_factor:
            raise UserError(
                "data.order=shards draws all images equally often: set data.balance and data.repeat_factor to 0"
            )
        return sizes

    def order(self, batch_size: int, step: int | None) -> Callable[..., TrainBatches]:
        """Factory of the training order, called with TrainBatches' options: mixed, balanced, weighted or none.

        Args:
            batch_size: of one process.
            step: images in each step, over all processes, if an epoch has only whole steps; else None.
        """
        weights = [None if often is None else often.weights for often in self.often]
        if self.train.names:
            dealt = None if step is None else step // batch_size
            return partial(MixedBatches, self.train.sizes, self.counts(batch_size, step), weights, dealt=dealt)
        if self.window is not None:
            return partial(ShardBatches, self.shards, batch_size, self.window)
        if self.balances_labels():
            return partial(BalancedBatches, self.train.class_labels(), batch_size, self.balance)
        if weights[0] is not None:
            return partial(WeightedBatches, weights[0], batch_size)
        return partial(TrainBatches, len(self.train), batch_size)

    def counts(self, batch_size: int, step: int | None) -> tuple[int, ...]:
        """Samples of each data set in a training batch; those of a whole step if an epoch has only whole steps.

        Raises:
            UserError: if a data set has none.
        """
        return shared_out(step or batch_size, self.shares, batch_size) if self.train.names else (batch_size,)

    def shows_each_set(self, batch_size: int, step: int | None) -> bool:
        """Whether each batch of so many images has some of each data set."""
        try:
            return bool(self.counts(batch_size, step))
        except UserError:
            return False

    def balances_labels(self) -> bool:
        """Whether each image has one class, so that classes can be drawn exactly as `balance` says."""
        return bool(self.balance) and self.targets in ((), ("label",))

    @cached_property
    def often(self) -> list[Often | None]:
        """How often the images of each data set are drawn; None where all are drawn equally often."""
        if not (self.balance or self.repeat_factor) or (self.balances_labels() and not self.train.names):
            return [None] * len(self.train.parts)
        return [
            often(part.samples, [kind for kind in part.kinds if kind in self.targets], self.repeat_factor, self.balance)
            for part in self.train.parts
        ]

    def lines(self) -> list[str]:
        """What is reported about images that are drawn more often."""
        parts = zip(self.train.parts, self.often, strict=True)
        return [f"{part.set_name}: {found.line}".removeprefix(": ") for part, found in parts if found is not None]

    def few(self, batch_size: int, step: int | None) -> list[Draw]:
        """The draws of a small batch that has every data set."""
        if self.train.names:
            few = [min(2, count) for count in self.counts(batch_size, step)]
            return next(iter(MixedBatches(self.train.sizes, few, seed=self.seed)))
        return next(iter(TrainBatches(len(self.train), min(4, batch_size), seed=self.seed)))

    def mixed(self, images: int, step: int | None) -> list[Draw]:
        """The draws of a mixture's batch of so many images."""
        counts, dealt = self.counts(images, step), (step or images) // images
        return next(iter(MixedBatches(self.train.sizes, counts, seed=self.seed, dealt=dealt)))
