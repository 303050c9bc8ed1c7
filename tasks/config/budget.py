"""Upper limits for the cost of a network."""

from tasks.config.amounts import amount
from tasks.config.tree import Tree


def budgets_of(tree: Tree) -> dict[str, float]:
    """Upper limits for the cost of a network, by `params`, `madds`, `latency_ms`.

    Raises:
        UserError: if a value is not an amount.
    """
    return {
        key: amount(f"budget.{key}", value, milliseconds=key == "latency_ms").value
        for key, value in tree["budget"].items()
        if value is not None
    }
