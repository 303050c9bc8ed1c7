"""Learning-rate schedules over a known number of steps, each with a linear warm-up."""

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def poly(optimizer: Optimizer, total_steps: int, *, power: float, warmup: float) -> LambdaLR:
    """(1 - progress)^power, as DeepLab trains; warmup is the share of steps spent rising from 0."""
    return annealed(optimizer, total_steps, warmup, lambda progress: (1 - progress) ** power)


def cosine(optimizer: Optimizer, total_steps: int, *, warmup: float) -> LambdaLR:
    """Half a cosine from the full rate to 0 (Loshchilov and Hutter, SGDR)."""
    return annealed(optimizer, total_steps, warmup, lambda progress: 0.5 * (1 + math.cos(math.pi * progress)))


def constant(optimizer: Optimizer, total_steps: int, *, warmup: float) -> LambdaLR:
    """The full rate after the warm-up."""
    return annealed(optimizer, total_steps, warmup, lambda _: 1.0)


def annealed(optimizer: Optimizer, total_steps: int, warmup: float, shape: Callable[[float], float]) -> LambdaLR:
    """Warm-up, then `shape` of the progress from 0 to 1.

    Raises:
        ValueError: for a warm-up outside 0-1.
    """
    if not 0 <= warmup < 1:
        raise ValueError(f"scheduler.warmup={warmup} is a share of all steps, in [0, 1)")
    rise = round(warmup * total_steps)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        return shape(min(1.0, (step - rise) / max(1, total_steps - rise)))

    return LambdaLR(optimizer, factor)
