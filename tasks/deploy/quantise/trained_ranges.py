"""Ranges of quantisation-aware training for an int8 file, in the place of those of calibration.

A file's tensors have other names than the network's calls, and another order. So they are matched by what they hold for
the same images in float: the smallest, the largest and the mean value, which a layout does not change.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from tasks.deploy.quantise.quantiser import Images, Limit, Quantiser, Seen
from tasks.engine.learner import Learner
from tasks.engine.rounding.attach import run_parts
from tasks.engine.rounding.calls import NamedCalls
from tasks.engine.rounding.rounding import Rounding

ALIKE = 1e-3  # of the width of a tensor's values; two runtimes differ by 1e-5


class TrainedRange(NamedTuple):
    """A range, and what the tensor holds that it belongs to."""

    low: Limit
    high: Limit
    seen: Seen


class Watched(NamedCalls):
    """What the results that a training rounds hold in float."""

    def __init__(self, part: str, found: dict[str, Seen], names: Mapping[str, Any]) -> None:
        super().__init__(part)
        self.found, self.names = found, names

    def call(self, name: str, kind: str, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        del kind
        result = func(*args, **kwargs)
        if name in self.names:
            self.found[name] = Seen(float(result.min()), float(result.max()), float(result.mean()))
        return result


@torch.no_grad()
def trained_ranges(learner: Learner, rounding: Rounding, images: Images) -> list[TrainedRange]:
    """The ranges of a trained rounding, with what the tensors hold for these images (N, 3, H, W).

    Args:
        learner: in evaluation mode.
    """
    found: dict[str, Seen] = {}
    run_parts(learner, torch.from_numpy(images), lambda part: Watched(part, found, rounding.ranges()))
    ranges = []
    for name, (low, high) in rounding.ranges().items():
        factor = rounding.factors.get(name, 1.0)
        if isinstance(low, float) and isinstance(high, float):
            low, high = factor * low, factor * high
        ranges.append(TrainedRange(low, high, Seen(*(factor * value for value in found[name]))))
    return ranges


def adopt(quantiser: Quantiser, trained: Callable[[Images], Sequence[TrainedRange]]) -> tuple[int, int]:
    """Give a file's tensors the ranges of the results that hold the same.

    Args:
        trained: the ranges, with what their tensors hold for images (N, 3, H, W).

    Returns:
        How many tensors have one now, and of how many.
    """
    ranges, seen, count = trained(quantiser.first), quantiser.seen(), 0
    for name, held in seen.items():
        nearest = min(ranges, key=lambda each: difference(each.seen, held))
        if difference(nearest.seen, held) <= ALIKE:
            quantiser.set_range(name, nearest.low, nearest.high)
            count += 1
    return count, len(seen)


def difference(one: Seen, other: Seen) -> float:
    """The largest difference, as a share of the width of the values."""
    width = max(one.high - one.low, other.high - other.low, 1e-12)
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) / width
