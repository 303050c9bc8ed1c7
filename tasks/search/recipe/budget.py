"""Whether a recipe's network is within its budget at an image size."""

import copy
from collections.abc import Mapping

from heads.sizes import measure as measure_cost
from tasks.config.budget import budgets_of
from tasks.engine.learner import Learner
from tasks.engine.settings import Run
from tasks.engine.summary import on_meta
from tasks.search.recipe.space import Size


def within_budget(run: Run, learner: Learner, size: Size) -> bool:
    """Whether the network is within budget.madds and budget.latency_ms at an image size."""
    budget: Mapping[str, float] = budgets_of(run.stored)
    if "madds" in budget:
        ((_, task),) = learner.each_task()
        backbone = on_meta(learner.backbone)
        backbone.keep(task.head.maps)
        head = copy.deepcopy(task.head).to("meta")
        if measure_cost(backbone, head, *size).madds > budget["madds"]:
            return False
    if "latency_ms" in budget:
        from tasks.latency.whole import torch_latency

        return torch_latency(learner, size) <= budget["latency_ms"]
    return True
