"""The process in which one network is measured, with nothing else in its memory: JSON lines in, JSON lines out.

The first line is the job; the answer describes what was opened. Each further line is a number of seconds to measure
for; the answer is the milliseconds of every run: [[prepare, network, finish], …].
"""

import contextlib
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.deploy.bench.memory import forget_peak, peak
from tasks.deploy.bench.stages import Stages, photo_of


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # keeps library output out of the answers

    def say(answer: Any) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        job = json.loads(sys.stdin.readline())
        stages, photo, opened = open_job(job)
        say(opened)
        for line in sys.stdin:
            say(runs(stages, photo, json.loads(line)))
    except (UserError, ValueError) as error:  # decode.py ships without the project and has no UserError
        say({"error": str(error)})


def open_job(job: dict[str, Any]) -> tuple[Stages, Pixels, dict[str, Any]]:
    """The stages to measure, warmed up; the photo; and everything known before timing.

    Raises:
        UserError: if something cannot be opened or rejects the photo.
    """
    photo = photo_of(job["photo"])
    opener = opener_of(job)
    forget_peak()
    before = peak()
    stages = opener()
    for _ in range(1 + job["warmup"]):
        prepared = stages.prepare(photo)
        stages.finish(stages.network(prepared), prepared)
    after = peak()
    rise = None if before is None or after is None else after - before
    height, width = stages.seen(prepared)
    return (
        stages,
        photo,
        {
            "runtime": stages.runtime,
            "precision": stages.precision,
            "device": stages.device,
            "height": height,
            "width": width,
            "memory": rise if stages.memory() is None else stages.memory(),
        },
    )


def opener_of(job: dict[str, Any]) -> Callable[[], Stages]:
    """A function that opens the job's network or file. Imports the runtime now, so that its memory is not counted."""
    if "model" not in job:
        from tasks.deploy.bench.of_network import NetworkStages

        return lambda: NetworkStages(job)
    from tasks.checkpoint.manifest import runtime_of
    from tasks.common.formats import FORMATS
    from tasks.deploy.bench.of_file import FileStages

    path = Path(job["model"])
    with contextlib.suppress(ImportError):  # reported when the file is opened, with how to install it
        importlib.import_module(FORMATS[runtime_of(path)].module)
    return lambda: FileStages(path, job["threads"], job["size"])


def runs(stages: Stages, photo: Pixels, seconds: float) -> list[tuple[float, float, float]]:
    """Milliseconds of each stage for all runs within `seconds`; at least one, after one uncounted warm-up run."""
    stages.timed(photo)
    times: list[tuple[float, float, float]] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        times.append(stages.timed(photo))
    return times


if __name__ == "__main__":
    main()
