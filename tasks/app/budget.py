"""Budgets: a network that costs more than it may is not trained."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.config.amounts import readable
from tasks.config.search import budgets_of
from tasks.engine.learner import Learner

UNITS = {"params": "params", "madds": "multiply-adds", "latency_ms": "ms"}


def check_budget(config: DictConfig, learner: Learner, costs: Mapping[str, Any]) -> None:
    """Compare a network with the configuration's `budget`.

    Args:
        costs: of the network, as report.describe gives them.

    Raises:
        UserError: for a network that exceeds it, with all figures.
    """
    budgets = budgets_of(config)
    if not budgets:
        return
    whole = costs["shared"] if "shared" in costs else costs[next(iter(learner.tasks))]
    found = {"params": whole["params"], "madds": whole["multiply_adds"]}
    size = costs["height"], costs["width"]
    if "latency_ms" in budgets:
        from tasks.latency.whole import torch_latency

        found["latency_ms"] = torch_latency(learner, size)
    told = [
        f"{readable(found[key], UNITS[key])} (budget.{key}: {readable(most, UNITS[key])})"
        for key, most in budgets.items()
    ]
    line = f"at {size[0]}×{size[1]}{', one thread' if 'latency_ms' in budgets else ''}: {', '.join(told)}"
    if any(found[key] > most for key, most in budgets.items()):
        raise UserError(f"the network exceeds its budget {line}")
    report(f"budget    {line}")
