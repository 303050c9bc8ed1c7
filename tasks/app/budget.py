"""Budgets: a network that exceeds its cost limits is not trained."""

from collections.abc import Mapping
from typing import Any

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.config.amounts import readable
from tasks.engine.learner import Learner

UNITS = {"params": "params", "madds": "multiply-adds", "latency_ms": "ms"}


def check_budget(budget: Mapping[str, float], learner: Learner, costs: Mapping[str, Any]) -> None:
    """Compare a network's costs with its budget.

    Args:
        budget: upper limits, by `params`, `madds`, `latency_ms`.
        costs: of the network, as returned by report.describe.

    Raises:
        UserError: if the network exceeds a limit, with all figures.
    """
    if not budget:
        return
    whole = costs["shared"] if "shared" in costs else costs[next(iter(learner.tasks))]
    found = {"params": whole["params"], "madds": whole["multiply_adds"]}
    size = costs["height"], costs["width"]
    if "latency_ms" in budget:
        from tasks.latency.whole import torch_latency

        found["latency_ms"] = torch_latency(learner, size)
    told = [
        f"{readable(found[key], UNITS[key])} (budget.{key}: {readable(most, UNITS[key])})"
        for key, most in budget.items()
    ]
    line = f"at {size[0]}×{size[1]}{', one thread' if 'latency_ms' in budget else ''}: {', '.join(told)}"
    if any(found[key] > most for key, most in budget.items()):
        raise UserError(f"the network exceeds its budget {line}")
    report(f"budget    {line}")
