"""The rewrites of tasks/deploy/rewrites.py by name, and whom they serve. Imports nothing heavy."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Rewrite(NamedTuple):
    """A rewrite of a graph.

    Attributes:
        what: in words.
        delegates: whose lists (tasks/lint/lists/) have the new operators and not the old.
        removes: kinds of operators, as ONNX and LiteRT name them, that are gone where it applies.
    """

    what: str
    delegates: tuple[str, ...]
    removes: tuple[str, ...]


REWRITES = {
    "hard_swish": Rewrite(
        "hard-swish as Add, Clip and Mul", ("nnapi", "coreml", "edgetpu"), ("HardSwish", "HARD_SWISH")
    ),
    "hard_sigmoid": Rewrite("hard-sigmoid as Add, Clip and Mul", ("nnapi",), ("HardSigmoid",)),
    "mean_as_pooling": Rewrite("the mean over the map as a pooling of its size", ("nnapi",), ("ReduceMean",)),
    "four_dimensions": Rewrite("a reshape to five dimensions as a permutation of four", ("litert-gpu", "edgetpu"), ()),
}


def rewrites_for(delegate: str) -> list[str]:
    """Names of the rewrites that a delegate's list asks for."""
    return [name for name, entry in REWRITES.items() if delegate in entry.delegates]


def possible(delegate: str, kinds: Iterable[str]) -> dict[str, int]:
    """How many operators each rewrite for a delegate would replace, by the kinds of those that it does not run."""
    every = list(kinds)
    counts = {name: sum(map(every.count, REWRITES[name].removes)) for name in rewrites_for(delegate)}
    return {name: count for name, count in counts.items() if count}


def format_rewrites(done: Mapping[str, int]) -> str:
    """How often each rewrite applied, in words."""
    parts = [f"{REWRITES[name].what} ({count})" for name, count in done.items() if count]
    return ", ".join(parts) or "nothing to rewrite"
