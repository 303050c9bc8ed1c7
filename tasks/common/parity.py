"""How far a task's results of an exported file agree with its checkpoint's: what the parity check asks each task.

What the checkpoint itself leaves open is no disagreement. After a short training many classes and boxes are nearly as
likely as others. Then a difference in a tensor's seventh digit, as every runtime has it, decides which label wins, and
which of two overlapping boxes suppresses the other.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from numpy.typing import NDArray

from tasks.common.task_info import infos, named

Result = Mapping[str, NDArray[Any]]
Counts = tuple[int, int]  # how many agree, of how many


class Parity(ABC):
    """A task's rule.

    Attributes:
        least: the least share that must agree, by the file's precision: "fp32", "fp16", "bf16", "int8".
    """

    least: ClassVar[Mapping[str, float]]

    @abstractmethod
    def counts(self, ours: Result, theirs: Result, made_of: Any, ties: float, /) -> Counts:
        """Of one image: how many results agree, of how many.

        Args:
            ours, theirs: the checkpoint's and the file's, as Task.found() gives them.
            made_of: what the checkpoint's were chosen from, see Task.made_of(); None where that is not known.
            ties: values that differ by no more than this share of the largest are equally good.
        """

    @abstractmethod
    def title(self, counts: Sequence[Counts], /) -> str:
        """What is compared, in a few words."""

    def share(self, counts: Sequence[Counts], /) -> float:
        """The share that agrees, over all images; 1 where there is nothing to compare."""
        found, count = (sum(numbers) for numbers in zip(*counts, strict=True))
        return found / count if count else 1.0


def parity_of(task: str) -> Parity:
    """The rule of the task of this name."""
    parity: Parity = named(infos()[task].parity)()
    return parity
