"""`python -m tasks.deploy`: every backbone under each task's default head, exported and compared."""

import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.live import Live
from rich.table import Table
from torch import nn

from tasks.common.errors import UserError
from tasks.common.task_info import infos, nameless
from tasks.data.transforms.letterbox import Stretch
from tasks.deploy.describe import describe
from tasks.deploy.network import trace
from tasks.deploy.parity import LIMITS, Difference, compare, of_checkpoint, of_file
from tasks.deploy.settings import ExportSettings
from tasks.deploy.writers.by_format import WRITERS
from tasks.deploy.written import open_written
from tasks.engine.build import build
from tasks.engine.learner import Learner
from tasks.engine.settings import Run

Configured = Callable[..., tuple[Run, ExportSettings]]
CLASSES = 20  # per task
AMPLIFIED = 2.5e-5  # distance from float64, a quarter of what is allowed, from which rounding explains a difference
SIZE = (128, 160)
OWN_SIZE = {"mobilenet_v2_cse": (32, 32)}  # its gates are tied to this size
WITH_BOXES = {"mobilenet_v2_cse": (320, 320)}  # as data.fit makes images


def compare_all(formats: Sequence[str], configured: Configured) -> int:
    """Print the table of largest raw output differences, relative to the largest value. Returns 1 if any differs.

    Where rounding alone exceeds the limit: the distances of file and checkpoint from the same network in float64.

    Args:
        configured: gives the settings of a task's command with these words.
    """
    names = {str(path).removesuffix(".yaml") for path in names_of("backbone")}
    backbones = sorted(names - {"table"})  # which needs a file
    table = Table("backbone", "task", "image", *formats, "seconds", title="raw outputs, fp32", title_justify="left")
    well = True
    with Live(table, console=Console(width=150), refresh_per_second=1):
        for backbone in backbones:
            for task in infos():
                begin = time.perf_counter()
                cells = [of_pair(task, backbone, name, configured) for name in formats]
                well &= not any("DIFFERS" in cell for cell in cells)
                height, width = size_for(task, backbone)
                seconds = f"{time.perf_counter() - begin:.0f}"
                table.add_row(backbone, task, f"{height}×{width}", *cells, seconds)
    return 0 if well else 1


def names_of(group: str) -> list[str]:
    """The options of a configuration group."""
    from tasks.config.heads_file import CONF

    return [path.name for path in (CONF / group).glob("*.yaml")]


def size_for(task: str, backbone: str) -> tuple[int, int]:
    """The (height, width) at which a network is built and exported."""
    return (WITH_BOXES if task == "detect" else OWN_SIZE).get(backbone, SIZE)


def of_pair(task: str, backbone: str, name: str, configured: Configured) -> str:
    """Export one network and compare; returns the difference, or why there is no file."""
    size = size_for(task, backbone)
    run, export = configured(task, f"backbone={backbone}", "recipe=none", f"export.format={name}", "upright=false")
    try:
        learner = randomised(build(run.learner, nameless(CLASSES)), size)
        traced, fit = trace(learner, batch=1, size=size), Stretch(size)
        manifest = describe(task, learner, export, traced, size, fit, None)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / manifest["file"]
            WRITERS[name](traced, path, manifest, "fp32")
            file = of_file(open_written(path, manifest, threads=1), manifest)
            names = {key: entry["outputs"] for key, entry in manifest["tasks"].items()}
            checkpoint, images = of_checkpoint(learner, fit, "raw", names), noise(size, 2)
            rows = compare(checkpoint, file, images, "fp32", LIMITS["fp32"])
            if not all(row.holds for row in rows):
                exact = of_checkpoint(copy.deepcopy(learner).double(), fit, "raw", names)
                return beside_rounding(
                    *(worst_of(compare(exact, one, images, "fp32", LIMITS["fp32"])) for one in (file, checkpoint))
                )
    except (UserError, ValueError) as error:
        return str(error).splitlines()[0][:60]
    return f"{worst_of(rows):.1e}"


def worst_of(rows: Sequence[Difference]) -> float:
    """The largest difference of raw outputs."""
    return max(row.worst for row in rows if row.what.startswith("tensor"))


def beside_rounding(file: float, checkpoint: float) -> str:
    """What is said of a file that differs from its checkpoint, by the distance of both from the network in float64.

    Random weights in a hundred layers may amplify rounding beyond what is allowed of trained ones: then a file may be
    as far from the exact network as the checkpoint itself, or up to twice as far.
    """
    if checkpoint > AMPLIFIED and file <= 2 * checkpoint:
        return f"{file:.1e}, checkpoint {checkpoint:.1e}"
    return f"{file:.1e} DIFFERS"


def randomised(learner: Learner, size: tuple[int, int]) -> Learner:
    """Set random weights whose outputs differ between images, and non-default running statistics."""
    generator = torch.Generator().manual_seed(0)
    learner.train()
    for module in learner.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
    with torch.no_grad():
        for _ in range(3):
            learner(torch.from_numpy(np.stack(noise(size, 4))).permute(0, 3, 1, 2))
    return learner.eval()


def noise(size: tuple[int, int], count: int) -> list[NDArray[np.uint8]]:
    """Random images (H, W, 3) with coarse and fine noise."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 200, (count, 4, 4, 3)).repeat(-(-size[0] // 4), 1).repeat(-(-size[1] // 4), 2)
    fine = random.integers(0, 56, (count, *size, 3))
    return list((coarse[:, : size[0], : size[1]] + fine).astype(np.uint8))
