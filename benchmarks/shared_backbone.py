"""Segmentation, detection and classification of an image 256×512: on one V3-Small, and by three separate networks.

    python -m benchmarks.shared_backbone                          batch 1, one thread, half a minute
    python -m benchmarks.shared_backbone wants.output_stride=32   overrides are for the shared network

The separate networks are those of tasks.segment, tasks.detect and tasks.classify for 19, 8 and 1000 classes, the shared
one that of tasks.multitask: first with the heads of the papers, then with those of the recipes for street scenes, whose
detection reads a finer map and has no layers after c5. Weights are random, statistics fit the image. All work is done
and timed on one thread, by its own clock.

Segmentation wants c5 at 1/16 and, on its own, half as wide (wants.tail); shared, c5 has this resolution for all heads,
and its full width. With random weights nearly all detection scores are above the threshold, so its boxes cost more here
than those of a trained network. The networks alone are also timed as exported files, raw outputs, in OpenVINO.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from backbones.base import Backbone
from backbones.options import Parser
from benchmarks.exported import exported
from benchmarks.timing import alternate, report
from heads.sizes import measure
from tasks.app.resolve import composed
from tasks.common.cpu import keep_freed_memory
from tasks.data.datasets.cityscapes_classes import CLASSES
from tasks.deploy.runners.runner import Runner
from tasks.engine.build import build
from tasks.engine.learner import Learner
from tasks.engine.settings import LearnerSettings, Run
from tasks.engine.summary import EveryHead

HEIGHT, WIDTH = 256, 512
CLASS_LISTS: dict[str, list[Any]] = {
    "mask": list(CLASSES),
    "boxes": [(f"thing {number}", number + 1) for number in range(8)],
    "label": [f"class {number}" for number in range(1000)],
}
DATASETS = {"segment": "cityscapes", "detect": "coco", "classify": "imagenet"}
BACKBONE = "backbone=mobilenet_v3_small"


def main() -> None:
    """Print medians and ratios for both sets of heads."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="of tasks.multitask, for the shared network")
    overrides = ["heads=[segment,detect,classify]", *parser.parse_args().overrides]
    torch.set_num_threads(1)
    keep_freed_memory()
    papers = {name: composed(name, f"dataset={data}", BACKBONE, "recipe=none").run for name, data in DATASETS.items()}
    papers["multitask"] = composed("multitask", BACKBONE, "recipe=none", *overrides).run
    streets = {name: composed(name).run for name in DATASETS}
    streets["multitask"] = composed("multitask", *overrides).run
    compare("heads of the papers", papers)
    compare("heads of the recipes for streets", streets)


def compare(title: str, runs: dict[str, Run]) -> None:
    """Time and count the networks of these settings, relative to the last."""
    torch.manual_seed(0)
    image = torch.randint(0, 256, (1, 3, HEIGHT, WIDTH), dtype=torch.uint8).contiguous(
        memory_format=torch.channels_last
    )
    *separate, shared = (ready(build(each.learner, CLASS_LISTS), image) for each in runs.values())
    print(f"\n{title}")
    sizes = [measured(each.learner) for each in runs.values()]
    for name, (params, madds) in zip(runs, sizes, strict=True):
        print(f"  {name:<44}{params / 1e6:8.2f}M params{madds / 1e6:8,.0f}M multiply-adds")
    sums = [sum(size[column] for size in sizes[:-1]) for column in (0, 1)]
    print(f"  shared / sum: params {sizes[-1][0] / sums[0]:.2f}, multiply-adds {sizes[-1][1] / sums[1]:.2f}")
    for what, predict in (("network alone", False), ("with boxes, label map and class", True)):
        print_ratio(what, partial(run, [shared], image, predict), partial(run, separate, image, predict))
    with tempfile.TemporaryDirectory() as folder:
        runners = [written(learner, Path(folder) / str(number)) for number, learner in enumerate((shared, *separate))]
        planes = image.contiguous().numpy()
        print_ratio(
            "network alone, in OpenVINO",
            partial(runners[0].run, planes),
            lambda: [runner.run(planes) for runner in runners[1:]],
        )


def print_ratio(what: str, shared: Callable[[], object], separate: Callable[[], object]) -> None:
    medians = alternate({"shared": shared, "three of their own": separate}, rounds=40, warmup=5, clock=time.thread_time)
    report(f"  {what}", medians)
    print(f"  shared / sum: {medians['shared'] / medians['three of their own']:.2f}")


def written(learner: Learner, folder: Path) -> Runner:
    """The learner's raw file for OpenVINO, opened."""
    folder.mkdir()
    return exported(learner, (HEIGHT, WIDTH), folder).runner


def run(learners: list[Learner], image: torch.Tensor, predict: bool) -> None:
    """Compute all heads' outputs for an image, or their predictions."""
    with torch.inference_mode():
        for learner in learners:
            learner.predictions(image, None) if predict else learner(image)


def ready(learner: Learner, image: torch.Tensor) -> Learner:
    """Prepare the network for inference, with statistics that fit the image."""
    with torch.no_grad():
        for module in learner.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        learner.train()(torch.cat((image, image.flip(-1))))
    return learner.eval()


def measured(settings: LearnerSettings) -> tuple[int, int]:
    """Parameters and multiply-adds."""
    learner = build(settings, CLASS_LISTS).to("meta")
    assert isinstance(learner.backbone, Backbone)
    size = measure(learner.backbone, EveryHead({name: task.head for name, task in learner.each_task()}), HEIGHT, WIDTH)
    return size.params, size.madds


if __name__ == "__main__":
    main()
