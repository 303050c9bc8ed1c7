"""Measures milliseconds on a machine that is never completely idle."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

Result = TypeVar("Result")
Key = TypeVar("Key", bound=Hashable)
VISITS = 5  # to each of several things measured in turn: a slow minute of the machine affects all equally
BYTES = 8 << 20  # more than a core's own caches hold


class Term(NamedTuple):
    """A term of a sum: a share of the time of one call."""

    share: float
    call: Callable[[], object]


Terms = Sequence[Term]


class Stopwatch:
    """Times calls.

    Args:
        threads: that the calls run on. A single thread has its own clock, which excludes the time of other processes;
            0 for work in other processes or on an accelerator.
        swept: whether the core's caches are flushed before every call: a layer finds its weights there if it runs
            repeatedly by itself, but not if a whole network has run in between.
    """

    def __init__(self, threads: int, *, swept: bool = False) -> None:
        self.clock = time.thread_time if threads == 1 else time.perf_counter
        self.sweep = np.zeros(BYTES // 8 if swept else 0, np.int64)

    def once(self, call: Callable[[], object]) -> float:
        """Milliseconds of a call."""
        self.sweep.sum()
        return self.timed(call)[1]

    def timed(self, call: Callable[[], Result]) -> tuple[Result, float]:
        """The result of a call, and its milliseconds."""
        start = self.clock()
        result = call()
        return result, 1000 * (self.clock() - start)

    def in_turn(self, calls: Mapping[Key, Callable[[], object]], rounds: int, warm_up: int) -> dict[Key, float]:
        """Milliseconds of each call: medians over `rounds` rounds of all calls, after `warm_up` discarded rounds."""
        times = [{key: self.once(call) for key, call in calls.items()} for _ in range(warm_up + rounds)][warm_up:]
        return {key: statistics.median(of_round[key] for of_round in times) for key in calls}

    def visit(self, terms: Terms, seconds: float) -> float:
        """Milliseconds of a sum, from calling its terms in turn for some seconds, after one call of each to warm up.

        The fastest call of each term counts: other activity on the machine only ever adds time.
        """
        for term in terms:
            term.call()
        end = time.perf_counter() + seconds
        rounds: list[list[float]] = []
        while not rounds or time.perf_counter() < end:
            rounds.append([self.once(term.call) for term in terms])
        fastest = [min(times) for times in zip(*rounds, strict=True)]
        result: float = sum(term.share * ms for term, ms in zip(terms, fastest, strict=True))
        return result

    def measure(self, sums: Sequence[Terms], seconds: float, visits: int = VISITS) -> list[float]:
        """Milliseconds of several sums: medians over several visits to each in turn.

        Args:
            seconds: for each sum.
        """
        times = [[self.visit(terms, seconds / visits) for terms in sums] for _ in range(visits)]
        return [statistics.median(each) for each in zip(*times, strict=True)]
