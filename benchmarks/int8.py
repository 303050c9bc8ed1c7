"""int8 against fp32 in the same runtime, one thread: MobileNetV2, V3 and V3's heads in each runtime that has int8.

    python -m benchmarks.int8 [NAME …]

The networks are untrained, with statistics as of a training: time does not depend on what they know. What they run in
int8 is counted in each runtime's optimised graph.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.exported import SETTINGS, Images
from benchmarks.lively import enlivened
from benchmarks.timing import alternate, report
from tasks.app.resolve import composed
from tasks.common.formats import FORMATS
from tasks.data.streets.dataset import Streets
from tasks.deploy.describe import describe
from tasks.deploy.network import trace
from tasks.deploy.quantise.plan import open_quantiser
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.settings import ExportSettings
from tasks.deploy.writers.by_format import WRITERS
from tasks.engine.build import build
from tasks.engine.learner import Learner

RUNTIMES = [name for name, form in FORMATS.items() if "int8" in form.precisions]
ROUNDS = 150


class Case(NamedTuple):
    """A network: its command, its backbone, (height, width) of its input."""

    task: str
    backbone: str
    size: tuple[int, int]


CASES = {
    "V2": Case("classify", "mobilenet_v2", (224, 224)),
    "V3-Small": Case("classify", "mobilenet_v3_small", (224, 224)),
    "V3-Large": Case("classify", "mobilenet_v3_large", (224, 224)),
    "LR-ASPP V3-Small": Case("segment", "mobilenet_v3_small", (360, 480)),
    "SSDLite V3-Small": Case("detect", "mobilenet_v3_small", (320, 320)),
}


def network_of(case: Case) -> tuple[Learner, Images]:
    """The case's network, and images of its size."""
    torch.manual_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (8, 3, *case.size), dtype=np.uint8)
    made = composed(case.task, f"backbone={case.backbone}", "recipe=none")
    return enlivened(build(made.run.learner, Streets.classes), torch.from_numpy(images[:4])), images


def write_fp32(learner: Learner, case: Case, settings: ExportSettings, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Write the file in the settings' format and layout; returns it with its description."""
    traced = trace(learner, batch=1, size=case.size, layout=settings.input_layout)
    manifest = describe(case.task, learner, settings, traced, case.size, None, None)
    path = folder / manifest["file"]
    WRITERS[settings.format](traced, path, manifest, "fp32")
    return path, manifest


def compare(name: str, case: Case, folder: Path) -> None:
    """Time both precisions in every runtime."""
    learner, images = network_of(case)
    for runtime in RUNTIMES:
        path, manifest = write_fp32(learner, case, replace(SETTINGS, format=runtime), folder)
        int8 = path.with_name(f"int8_{path.name}")
        done = open_quantiser(path, [images]).write(int8)
        runners = {
            precision: open_runner(file, {**manifest, "precision": precision}, threads=1)
            for file, precision in ((path, "fp32"), (int8, "int8"))
        }
        sides = {precision: partial(runner.run, images[:1]) for precision, runner in runners.items()}
        medians = alternate(sides, ROUNDS, clock=time.thread_time)
        report(f"{name} {case.size[0]}×{case.size[1]}, {runtime}; int8: {done}", dict(reversed(medians.items())))


def main(names: Sequence[str]) -> None:
    """Print the table of some cases, or of all."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names or CASES:
            compare(name, CASES[name], Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
