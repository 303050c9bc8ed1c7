"""Fair timing: runs all sides in one process, in turn, and compares their medians."""

import re
import statistics
import time
from collections.abc import Callable, Mapping

ROW = re.compile(r"  (?P<side>.+?) +(?P<ms>[\d.]+) ms +(?P<ratio>[\d.]+) x")


def alternate(
    sides: Mapping[str, Callable[[], object]],
    rounds: int = 15,
    warmup: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Call every side once per round, so that a busy machine slows all of them; returns the medians in seconds.

    If all work is on this thread, `clock=time.thread_time` excludes time spent in other processes.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(warmup + rounds):
        for name, call in sides.items():
            start = clock()
            call()
            if turn >= warmup:
                times[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def report(title: str, medians: dict[str, float]) -> None:
    """Print each side's median and its ratio to the first side's."""
    ours, *_ = medians.values()
    print(title)
    for name, seconds in medians.items():
        print(f"  {name:<44}{seconds * 1e3:10.2f} ms{seconds / ours:8.2f} x", flush=True)


def reported(output: str) -> list[tuple[str, list[tuple[str, float, float]]]]:
    """What `report` printed, from a script's output: titles, each with (side, milliseconds, ratio) of its sides."""
    found: list[tuple[str, list[tuple[str, float, float]]]] = []
    before = ""
    for line in output.splitlines():
        if row := ROW.fullmatch(line):
            if not ROW.fullmatch(before):
                found.append((before.strip(), []))
            found[-1][1].append((row["side"], float(row["ms"]), float(row["ratio"])))
        before = line
    return found
