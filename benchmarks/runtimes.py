"""One network in each runtime in fp32, one thread; LiteRT's file with pixels and with planes, each given what it takes.

python -m benchmarks.runtimes [NAME …]
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.exported import SETTINGS, Images
from benchmarks.int8 import CASES, ROUNDS, RUNTIMES, Case, network_of, write_fp32
from benchmarks.timing import alternate, report
from tasks.common.formats import FORMATS
from tasks.deploy.runners.litert import LiteRtRunner
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.runners.runner import Runner


def of_file(runner: Runner, image: Images) -> None:
    """Run a file on an image in its own layout: for LiteRT without the turn of planes into pixels."""
    if not isinstance(runner, LiteRtRunner):
        runner.of_batch(image)
        return
    runner.interpreter.set_tensor(runner.input, image)
    runner.interpreter.invoke()
    for index in runner.outputs:
        runner.interpreter.get_tensor(index)


def compare(name: str, case: Case, folder: Path) -> None:
    """Time the network in every runtime and layout."""
    learner, images = network_of(case)
    sides = {}
    for runtime in sorted(RUNTIMES, key=lambda runtime: runtime != "litert"):  # what the others are relative to
        for layout in FORMATS[runtime].layouts:
            place = folder / f"{name} {runtime} {layout}"
            place.mkdir()
            path, manifest = write_fp32(learner, case, replace(SETTINGS, format=runtime, layout=layout), place)
            image = images[:1] if layout == "NCHW" else images[:1].transpose(0, 2, 3, 1)
            runner = open_runner(path, manifest, threads=1)
            sides[f"{runtime} {layout}"] = partial(of_file, runner, np.ascontiguousarray(image))
    report(f"{name} {case.size[0]}×{case.size[1]}", alternate(sides, ROUNDS, clock=time.thread_time))


def main(names: Sequence[str]) -> None:
    """Print the table of some cases, or of all."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names or CASES:
            compare(name, CASES[name], Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
