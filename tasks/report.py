"""What a run says on the terminal."""

import copy
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from heads.sizes import measure
from tasks.data.datamodule import DataModule
from tasks.learner import Learner


def report(line: str) -> None:
    """Print from the first process only."""
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        print(line, flush=True)


def describe(learner: Learner, data: DataModule) -> dict[str, Any]:
    """One line each for the network and the data; returns what the network costs, task by task."""
    height, width = data.input_size()
    backbone = copy.deepcopy(learner.backbone).to("meta")
    costs: dict[str, Any] = {"height": height, "width": width}
    for name, task in learner.each_task():
        size = measure(backbone, copy.deepcopy(task.head).to("meta"), height, width)
        twice = ", twice for the mirror image" if task.mirror else ""
        costs[name] = {"params": size.params, "multiply_adds": size.madds}
        report(
            f"{name}: {type(learner.backbone).__name__} + {type(task.head).__name__}, {size.params / 1e6:.2f}M params, "
            f"{size.madds / 1e9:.3g}G multiply-adds at {height}×{width}{twice}"
        )
    training = f"{len(data.train):,} training and " if data.train is not None else ""
    report(f"data: {training}{len(data.val):,} validation images")
    return costs


def show(scores: dict[str, Any]) -> None:
    """A table of the scores: per-class ones first, the rest below."""
    table = Table("class", box=None)
    table.add_column("IoU", justify="right")
    for key, value in scores.items():
        if "iou/" in key:
            table.add_row(key.rpartition("iou/")[2], "–" if value is None else f"{value:.4f}")
    if table.row_count:
        Console().print(table)
    rest = (f"{key} {value:.4f}" for key, value in scores.items() if "iou/" not in key and isinstance(value, float))
    report(f"{'  '.join(rest)}  images {scores['images']}")
