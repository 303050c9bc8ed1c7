"""What a network may cost at most."""

from tasks.config.amounts import amount
from tasks.config.tree import Tree


def budgets_of(tree: Tree) -> dict[str, float]:
    """What a network may cost at most, by `params`, `madds`, `latency_ms`.

    Raises:
        UserError: for anything but amounts.
    """
    return {
        key: amount(f"budget.{key}", value, milliseconds=key == "latency_ms").value
        for key, value in tree["budget"].items()
        if value is not None
    }
