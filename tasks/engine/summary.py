"""Terminal output of a run."""

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from backbones.base import Backbone
from backbones.domain_norm import join_domains
from heads.sizes import measure
from tasks.common.console import report
from tasks.common.table import print_table
from tasks.common.views import MIRRORED, PLAIN
from tasks.data.loading.datamodule import DataModule
from tasks.engine.learner import Learner


def report_costs(learner: Learner, data: DataModule) -> dict[str, Any]:
    """Print a line per network and one for the data; return the costs of each task's network and of all combined."""
    height, width = data.input_size()
    costs: dict[str, Any] = {"height": height, "width": width}
    heads = {name: copy.deepcopy(task.head).to("meta") for name, task in learner.each_task()}
    for name, task in learner.each_task():
        backbone = on_meta(learner.backbone)
        backbone.keep(task.head.maps)
        size = measure(backbone, heads[name], height, width)
        views = len(task.views)
        twice = ", twice for the mirror image" if task.views == (PLAIN, MIRRORED) else ""
        twice = f", in {views} views when scored" if views > 2 else twice
        costs[name] = {"params": size.params, "multiply_adds": size.madds}
        report(
            f"{name}: {type(learner.backbone).__name__} + {task.head.title}, {size.params / 1e6:.2f}M params, "
            f"{size.madds / 1e9:.3g}G multiply-adds at {height}×{width}{twice}"
        )
    if len(heads) > 1:
        size = measure(on_meta(learner.backbone), EveryHead(heads), height, width)
        share = size.madds / sum(costs[name]["multiply_adds"] for name in heads)
        costs["shared"] = {"params": size.params, "multiply_adds": size.madds}
        report(
            f"as one network: {size.params / 1e6:.2f}M params, {size.madds / 1e9:.3g}G multiply-adds, "
            f"{share:.2f} of what they cost apart"
        )
        for name, feature in learner.backbone.features.items():
            readers = [task for task, head in heads.items() if name in head.maps]
            report(f"  {name}: {feature.channels} channels at 1/{feature.reduction} for {', '.join(readers)}")
    report(data.data_line())
    return costs


def on_meta(backbone: Backbone) -> Backbone:
    """Copy on the meta device, which computes only shapes; separate statistics are joined into ordinary layers."""
    backbone = copy.deepcopy(backbone).to("meta")
    join_domains(backbone)
    return backbone


class EveryHead(nn.Module):
    """Runs all heads on the same maps."""

    def __init__(self, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads.values())

    def forward(self, maps: Mapping[str, Tensor]) -> list[Any]:
        return [head(maps) for head in self.heads]


IN_LINE = 6  # scores per line that fit a terminal
PER_CLASS = ("iou", "AP", "boundary_F1")  # prefixes of the class in score names


def per_class(key: str) -> bool:
    """Whether a score is of a single class, by its name."""
    return any(f"{kind}/" in key for kind in PER_CLASS)


def print_scores(scores: dict[str, Any]) -> None:
    """Print the scores: tables of per-class scores, then the rest."""
    for kind in PER_CLASS:
        of_classes = ((key.rpartition(f"{kind}/")[2], value) for key, value in scores.items() if f"{kind}/" in key)
        print_table(("class", kind), ((name, "–" if value is None else f"{value:.4f}") for name, value in of_classes))
    rest = [f"{key} {value:.4f}" for key, value in scores.items() if isinstance(value, float) and not per_class(key)]
    rest.append(f"images {scores['images']}")
    for first in range(0, len(rest), IN_LINE):
        report("  ".join(rest[first : first + IN_LINE]))
