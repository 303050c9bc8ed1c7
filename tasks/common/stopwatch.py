"""How milliseconds are measured on a machine that is never quite still."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

Result = TypeVar("Result")
Key = TypeVar("Key", bound=Hashable)
VISITS = 5  # to each of several things measured in turn: a slow minute of the machine hits all alike
BYTES = 8 << 20  # more than a core's own caches hold


class Term(NamedTuple):
    """A part of a sum: so much of what one call takes."""

    share: float
    call: Callable[[], object]


Terms = Sequence[Term]


class Stopwatch:
    """Times calls.

    Args:
        threads: that the calls work on. One thread has a clock of its own, which leaves out what other processes take;
            0 for work in other processes or on an accelerator.
        swept: whether the core's caches are swept before every call: a layer finds its weights there when it runs
            alone again and again, but not when a whole network has run since its last time.
    """

    def __init__(self, threads: int, *, swept: bool = False) -> None:
        self.clock = time.thread_time if threads == 1 else time.perf_counter
        self.sweep = np.zeros(BYTES // 8 if swept else 0, np.int64)

    def once(self, call: Callable[[], object]) -> float:
        """Milliseconds of a call."""
        self.sweep.sum()
        return self.timed(call)[1]

    def timed(self, call: Callable[[], Result]) -> tuple[Result, float]:
        """What a call returns, and its milliseconds."""
        start = self.clock()
        result = call()
        return result, 1000 * (self.clock() - start)

    def in_turn(self, calls: Mapping[Key, Callable[[], object]], rounds: int, warm_up: int) -> dict[Key, float]:
        """Milliseconds of each call: medians over some rounds of all of them, after others that do not count."""
        times = [{key: self.once(call) for key, call in calls.items()} for _ in range(warm_up + rounds)][warm_up:]
        return {key: statistics.median(of_round[key] for of_round in times) for key in calls}

    def visit(self, terms: Terms, seconds: float) -> float:
        """Milliseconds of a sum, from calling its parts in turn for some seconds, after a call of each to warm up.

        Each counts as its fastest call did: whatever else happens on a machine only ever adds.
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
        """Milliseconds of several sums: the medians of visits to each in turn.

        Args:
            seconds: for each of them.
        """
        times = [[self.visit(terms, seconds / visits) for terms in sums] for _ in range(visits)]
        return [statistics.median(each) for each in zip(*times, strict=True)]
