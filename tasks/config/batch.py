"""How many images a step of the optimiser takes, how processes and passes share them, and the learning rate that
follows. Without torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from tasks.common.errors import UserError
from tasks.common.labels import is_number
from tasks.common.ranks import launched
from tasks.config.tree import Tree, select

OF_BATCH = ("batch", "scaling")  # keys of `optimizer` that are not arguments of the optimiser
AUTO = "auto"
USUAL = 16  # images in a step, as in conf/base.yaml, for an optimiser of the user's that replaces its section
SCALINGS = ("linear", "sqrt", "none")


class BatchPlan(NamedTuple):
    """The images of a step, shared out.

    Attributes:
        size: images that a process passes through the network at once.
        accumulated: passes of each process whose gradients make a step.
        whole: whether an epoch has only whole steps, each with the same images whatever the processes and passes.
    """

    size: int
    processes: int
    accumulated: int
    whole: bool

    @property
    def images(self) -> int:
        """Images in a step, over all processes and passes."""
        return self.size * self.processes * self.accumulated

    def text(self) -> str:
        """1,024 = 128 images × 2 processes × 4 accumulated steps."""
        parts = [counted(self.size, "image"), counted(self.processes, "process", "processes")]
        parts += [counted(self.accumulated, "accumulated step")] if self.accumulated > 1 else []
        return f"{self.images:,} = {' × '.join(parts)}"


@dataclass(frozen=True)
class BatchSettings:
    """What a configuration says about the batch.

    Attributes:
        total: data.global_batch; None for the recipe's.
        size: data.batch_size; None to follow from the others.
        auto: whether `size` is as large as memory allows.
        largest: data.largest_batch.
        accumulated: trainer.accumulate_grad_batches; 1 lets it follow, if `size` leaves images.
        lr: optimizer.lr; None for an optimiser without, or one of the user's with something else by this name.
        recipe: optimizer.batch; None in configurations of before, which have `size`.
        scaling: optimizer.scaling.
    """

    total: int | None
    size: int | None
    auto: bool
    largest: int | None
    accumulated: int
    lr: float | None
    recipe: int | None
    scaling: str

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved configuration whose values hold to their rules; older ones lack keys.

        Raises:
            UserError: for images per process that cannot make up the batch, with any number of processes.
        """
        size, recipe, lr = (select(tree, key) for key in ("data.batch_size", "optimizer.batch", "optimizer.lr"))
        own = cls(
            total=select(tree, "data.global_batch"),
            size=size if isinstance(size, int) else None,
            auto=size == AUTO,
            largest=select(tree, "data.largest_batch"),
            accumulated=int(select(tree, "trainer.accumulate_grad_batches") or 1),
            lr=lr if is_number(lr) else None,
            recipe=USUAL if recipe is None and not isinstance(size, int) else recipe,
            scaling=str(select(tree, "optimizer.scaling") or "none"),
        )
        own.plan(1)
        return own

    @property
    def images(self) -> int | None:
        """Images in a step, whatever the processes; None if a typed data.batch_size alone decides."""
        return self.total if self.total is not None or self.size is not None else self.recipe

    @property
    def name(self) -> str:
        """The key that decides over `images`, with its value."""
        return f"optimizer.batch={self.images}" if self.total is None else f"data.global_batch={self.total}"

    def plan(self, processes: int, size: int | None = None) -> BatchPlan:
        """Share the images of a step out to this many processes.

        Args:
            size: images at once, found for data.batch_size=auto; None before.

        Raises:
            UserError: if they cannot be shared out evenly, with what can.
        """
        if self.images is None:
            return BatchPlan(self.size or 1, processes, self.accumulated, whole=False)
        if self.images % processes:
            raise UserError(self.indivisible(processes))
        share = self.images // processes
        size = size if self.auto else self.size
        if size is None and self.accumulated > 1:
            size = self.of_accumulated(share, processes)
        elif size is None:
            size = largest_divisor(share, share if self.auto else min(share, self.largest or share))
        if share % size:
            raise UserError(self.unfit(size, share, processes))
        if self.accumulated not in (1, share // size):
            raise UserError(
                f"trainer.accumulate_grad_batches={self.accumulated} × {counted(size, 'image')} × "
                f"{counted(processes, 'process', 'processes')} do not make {self.name}: leave it out, it follows"
            )
        return BatchPlan(size, processes, share // size, whole=True)

    def choices(self, processes: int) -> list[int]:
        """What a process may take at once, ascending: the divisors of its share of a step."""
        return divisors(self.plan(processes).size * self.plan(processes).accumulated)

    def of_accumulated(self, share: int, processes: int) -> int:
        """Images at once with a typed number of accumulated passes."""
        if share % self.accumulated:
            raise UserError(
                f"trainer.accumulate_grad_batches={self.accumulated} does not divide the {counted(share, 'image')} of "
                f"{self.name} for each of {counted(processes, 'process', 'processes')}: take "
                f"{listed(near(share, self.accumulated))}"
            )
        return share // self.accumulated

    def indivisible(self, processes: int) -> str:
        """The message for a batch that processes cannot share evenly."""
        assert self.images is not None
        below = self.images // processes * processes
        others = [f"data.global_batch={number}" for number in (below, below + processes) if number]
        few = f"has fewer images than there are processes, {processes}" if not below else ""
        return (
            f"{self.name} {few or f'is not divisible by {processes} processes'}: take {' or '.join(others)}"
            f"{self.follows()}, or another number of processes (trainer.devices, trainer.num_nodes)"
        )

    def unfit(self, size: int, share: int, processes: int) -> str:
        """The message for images at once that do not divide a process's share."""
        assert self.images is not None
        whole = size * processes
        totals = [number for number in (self.images // whole * whole, (self.images // whole + 1) * whole) if number]
        each = f" for each of {processes} processes" if processes > 1 else ""
        return (
            f"data.batch_size={size} does not divide the {counted(share, 'image')} of {self.name}{each}: take "
            f"{listed(near(share, size))}, or data.global_batch={' or '.join(map(str, totals))}{self.follows()}"
        )

    def follows(self) -> str:
        """That the learning rate follows another batch; '' if it does not."""
        return "" if self.scaling == "none" or self.lr is None else f" (optimizer.lr follows, {self.scaling})"

    @property
    def factor(self) -> float:
        """Of optimizer.lr: that of data.global_batch to the batch which lr is for, by optimizer.scaling."""
        return 1.0 if self.total is None else self.scaled(self.total)

    def scaled(self, images: int) -> float:
        """Factor of optimizer.lr that its scaling gives for another batch."""
        ratio = images / (self.recipe or images)
        return {"linear": ratio, "sqrt": math.sqrt(ratio), "none": 1.0}[self.scaling]

    def rate_text(self, images: int) -> str:
        """What is said of the learning rate for a step of so many images; '' for an optimiser without."""
        if self.lr is None:
            return ""
        rate = f"learning rate {self.lr * self.factor:.4g}"
        if self.recipe is None or images == self.recipe:
            return rate
        if self.total is not None:
            return f"{rate} ({self.lr:.4g} is for {counted(self.recipe, 'image')}; rule: {self.scaling})"
        other = f"data.global_batch={images} would make it {self.lr * self.scaled(images):.2g}, rule: {self.scaling}"
        followed = "" if self.scaling == "none" else f"; {other}"
        return f"{rate} (as for {counted(self.recipe, 'image')}{followed})"


def known_processes(tree: Tree) -> int | None:
    """Processes of a training as far as they are known without asking for devices; None if not.

    Args:
        tree: complete and resolved.
    """
    if (found := launched()) is not None:
        return found
    trainer: Mapping[str, Any] = tree["trainer"]
    devices, nodes = trainer.get("devices", "auto"), trainer.get("num_nodes", 1)
    if isinstance(devices, list | tuple):
        return len(devices) * int(nodes)
    if isinstance(devices, str) and "," in devices:
        return len([number for number in devices.split(",") if number]) * int(nodes)
    if str(devices) in ("auto", "-1"):
        return int(nodes) if trainer.get("accelerator") == "cpu" and str(devices) == "auto" else None
    return int(devices) * int(nodes)


def counted(number: int, one: str, several: str = "") -> str:
    """A number with its noun: 1 process, 1,024 images."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def listed(numbers: list[int]) -> str:
    return " or ".join(map(str, numbers))


def divisors(number: int) -> list[int]:
    """All divisors, ascending."""
    small = [each for each in range(1, math.isqrt(number) + 1) if number % each == 0]
    return sorted({*small, *(number // each for each in small)})


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor that is not above `most`."""
    return max(each for each in divisors(number) if each <= max(1, most))


def near(number: int, wished: int) -> list[int]:
    """The divisors next to a wish, below and above."""
    all_of = divisors(number)
    return [*[each for each in all_of if each < wished][-1:], *[each for each in all_of if each > wished][:1]]
