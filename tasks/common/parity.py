"""How closely the results of an exported file agree with those of its checkpoint: each task's part of the parity check.

Ties in the checkpoint's own results are not disagreements. After a short training many classes and boxes are almost
equally likely. Then a difference in a tensor's seventh digit, which every runtime produces, decides which label wins,
and which of two overlapping boxes suppresses the other.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from numpy.typing import NDArray

from tasks.common.task_info import infos, named

Result = Mapping[str, NDArray[Any]]
Counts = tuple[int, int]  # number that agree, total number


class Parity(ABC):
    """A task's rule.

    Attributes:
        least: the minimum share that must agree, by the file's precision: "fp32", "fp16", "bf16", "int8".
    """

    least: ClassVar[Mapping[str, float]]

    @abstractmethod
    def counts(self, ours: Result, theirs: Result, made_of: Any, ties: float, /) -> Counts:
        """For one image: how many results agree, and how many there are.

        Args:
            ours, theirs: results of the checkpoint and of the file, as returned by Task.found().
            made_of: what the checkpoint's results were chosen from, see Task.made_of(); None if unknown.
            ties: values that differ by at most this share of the largest count as equal.
        """

    @abstractmethod
    def title(self, counts: Sequence[Counts], /) -> str:
        """A short description of what is compared."""

    def share(self, counts: Sequence[Counts], /) -> float:
        """The share that agrees, over all images; 1 if there is nothing to compare."""
        found, count = (sum(numbers) for numbers in zip(*counts, strict=True))
        return found / count if count else 1.0


def parity_of(task: str) -> Parity:
    """The rule of the task with this name."""
    parity: Parity = named(infos()[task].parity)()
    return parity
