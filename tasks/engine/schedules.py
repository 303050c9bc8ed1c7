"""Learning-rate schedules over a known number of steps, each with a linear warm-up.

A new schedule `x` is a function here that returns a LambdaLR (pace.py recomputes its rate if a resumed run has another
number of steps per epoch). It also needs
- conf/scheduler/x.yaml: `_target_`, `_partial_: true` and the values of its arguments,
- its name in ALLOWED["scheduler"] of tasks/config/targets.py; otherwise its checkpoints cannot be opened,
- a rule for each new key in tasks/config/rules/learning.py.
"""

import math
from collections.abc import Callable, Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from tasks.common.errors import UserError

ANY_LENGTH = 2**40  # steps; to build a schedule whose length is not known yet


def poly(
    optimizer: Optimizer, total_steps: int, *, power: float, warmup: float, warmup_from: float | None = None
) -> LambdaLR:
    """(1 - progress)^power, as in DeepLab; see with_warmup for `warmup` and `warmup_from`."""
    return with_warmup(optimizer, total_steps, warmup, warmup_from, lambda progress, _: (1 - progress) ** power)


def cosine(
    optimizer: Optimizer,
    total_steps: int,
    *,
    warmup: float,
    warmup_from: float | None = None,
    staircase: bool = False,
    epochs: int = 1,
) -> LambdaLR:
    """Half a cosine from the full rate to 0 (Loshchilov and Hutter, SGDR).

    Args:
        staircase: lower the rate only after each epoch, as torchvision's references do: in epoch e = 0, 1, … it is the
            cosine at e / epochs, whatever the warm-up, which is meant to lie in the first epoch.
        epochs: number of epochs in `total_steps`; only for the staircase.

    Raises:
        ValueError: if the number of epochs is not positive.
    """
    if epochs <= 0:
        raise ValueError(f"scheduler.epochs={epochs} must be above 0")

    def shape(progress: float, step: int) -> float:
        if staircase:
            progress = min(1.0, epochs * step // max(1, total_steps) / epochs)
        return 0.5 * (1 + math.cos(math.pi * progress))

    return with_warmup(optimizer, total_steps, warmup, warmup_from, shape)


def constant(optimizer: Optimizer, total_steps: int, *, warmup: float, warmup_from: float | None = None) -> LambdaLR:
    """The full rate after the warm-up."""
    return with_warmup(optimizer, total_steps, warmup, warmup_from, lambda *_: 1.0)


def step(
    optimizer: Optimizer,
    total_steps: int,
    *,
    milestones: Sequence[float],
    factor: float,
    warmup: float,
    warmup_from: float | None = None,
) -> LambdaLR:
    """Multiplies the rate by `factor` after each milestone, as ResNet and SENet divide it by 10 every 30 epochs.

    Args:
        milestones: as fractions of all steps.

    Raises:
        ValueError: for a milestone outside 0-1.
    """
    if not all(0 < milestone < 1 for milestone in milestones):
        raise ValueError(f"scheduler.milestones={list(milestones)} are shares of all steps, between 0 and 1")

    def shape(_progress: float, step: int) -> float:
        return factor ** sum(step >= milestone * total_steps for milestone in milestones)

    return with_warmup(optimizer, total_steps, warmup, warmup_from, shape)


def exponential(
    optimizer: Optimizer,
    total_steps: int,
    *,
    decay: float,
    every: float,
    epochs: int,
    staircase: bool,
    warmup: float,
    warmup_from: float | None = None,
) -> LambdaLR:
    """Multiplies the rate by `decay` every `every` epochs: MobileNetV2 by 0.98 every epoch, V3 by 0.99 every three.

    Args:
        epochs: number of epochs in `total_steps`.
        staircase: decay at the end of each interval instead of continuously.

    Raises:
        ValueError: if the interval or the number of epochs is not positive.
    """
    if every <= 0 or epochs <= 0:
        raise ValueError(f"scheduler.every={every} and scheduler.epochs={epochs} must be above 0")

    def shape(_progress: float, step: int) -> float:
        intervals = epochs * step / max(1, total_steps) / every
        return decay ** (math.floor(intervals) if staircase else intervals)

    return with_warmup(optimizer, total_steps, warmup, warmup_from, shape)


def with_warmup(
    optimizer: Optimizer,
    total_steps: int,
    warmup: float,
    warmup_from: float | None,
    shape: Callable[[float, int], float],
) -> LambdaLR:
    """Linear warm-up, then `shape(progress, step)`, with progress from 0 to 1 after the warm-up.

    With r warm-up steps, step k = 0, 1, … of the warm-up has (k + 1) / (r + 1) of the full rate: it never starts at 0.
    With `warmup_from` it has warmup_from + (1 - warmup_from) k / r of it, as torch.optim.lr_scheduler.LinearLR gives.

    Args:
        warmup: below 1 a share of all steps; from 1 a number of steps, the same in a shorter or longer training.
        warmup_from: rate of the first step, as a share of the full rate; None: 1 / (r + 1).

    Raises:
        ValueError: for a warm-up that is neither, or `warmup_from` out of range or without a warm-up.
        UserError: for one that the training is too short for: it would never have its full rate.
    """
    if not (0 <= warmup < 1 or (warmup >= 1 and warmup == int(warmup))):
        raise ValueError(f"scheduler.warmup={warmup} is neither a share of all steps, below 1, nor a number of steps")
    if warmup_from is not None and not (0 < warmup_from <= 1 and warmup > 0):
        raise ValueError(f"scheduler.warmup_from={warmup_from} is a share above 0, and needs scheduler.warmup above 0")
    rise = round(warmup * total_steps) if warmup < 1 else int(warmup)
    if warmup >= 1 and rise >= total_steps:
        raise UserError(
            f"scheduler.warmup={rise} steps: the training has {total_steps}; a share of them: scheduler.warmup=0.05"
        )

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1) if warmup_from is None else warmup_from + (1 - warmup_from) * step / rise
        return shape(min(1.0, (step - rise) / max(1, total_steps - rise)), step)

    return LambdaLR(optimizer, factor)
