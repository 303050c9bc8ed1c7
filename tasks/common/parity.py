"""How closely the results of an exported file agree with those of its checkpoint: each task's part of the parity check.

Ties in the checkpoint's own results are not disagreements. After a short training many classes and boxes are almost
equally likely. Then a difference in a tensor's seventh digit, which every runtime produces, decides which label wins,
and which of two overlapping boxes suppresses the other.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from numpy.typing import NDArray

from tasks.common.task_info import infos, named

Result = Mapping[str, NDArray[Any]]
TIES = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 5e-2, "int8": 0.0}  # of the largest value: values so near are equally good


class Agreement(NamedTuple):
    """Of one image's results.

    Attributes:
        same: number of results that agree; ties are among them.
        total: their number.
        ties: number of those that differ, where the checkpoint's own values are equally good.
        numbers: the largest differences, by the names in Parity.limits.
    """

    same: int
    total: int
    ties: int = 0
    numbers: Mapping[str, float] = {}


class Parity(ABC):
    """A task's rule.

    Attributes:
        least: the minimum share that must agree, by the file's precision: "fp32", "fp16", "bf16", "int8".
        limits: of the results' numbers, by name and precision; None for a number that is only shown.
    """

    least: ClassVar[Mapping[str, float]]
    limits: ClassVar[Mapping[str, Mapping[str, float | None]]] = {}

    @abstractmethod
    def agreement(self, ours: Result, theirs: Result, made_of: Any, precision: str, /) -> Agreement:
        """For one image: how many results agree, how many there are, and how far their numbers differ.

        Args:
            ours, theirs: results of the checkpoint and of the file, as returned by Task.found().
            made_of: what the checkpoint's results were chosen from, see Task.made_of(); None if unknown.
            precision: of the file; TIES says which values count as equal.
        """

    @abstractmethod
    def title(self, agreements: Sequence[Agreement], /) -> str:
        """A short description of what is compared."""

    def share(self, agreements: Sequence[Agreement], /) -> float:
        """The share that agrees, over all images; 1 if there is nothing to compare."""
        count = sum(each.total for each in agreements)
        return sum(each.same for each in agreements) / count if count else 1.0

    def unseen(self, _results: Sequence[Result], _classes: Sequence[str], _form: str, /) -> str:
        """What the checkpoint's results on some images leave unproved, so that more images are needed; '' for nothing.

        Args:
            results: of the checkpoint.
            classes: names.
            form: of the file's outputs.
        """
        return ""


def parity_of(task: str) -> Parity:
    """The rule of the task with this name."""
    parity: Parity = named(infos()[task].parity)()
    return parity


def but_for_ties(agreements: Sequence[Agreement]) -> str:
    """', but for 3 ties', or ''."""
    count = sum(each.ties for each in agreements)
    return f" but for {count:,} {'tie' if count == 1 else 'ties'}" if count else ""
