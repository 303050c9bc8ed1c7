"""Builds the object that a spec, a dict with `_target_`, describes."""

from typing import Any

from hydra.utils import instantiate

from tasks.config.tree import Spec


def make(spec: Spec | None, key: str = "", **arguments: Any) -> Any:
    """Build the object of a spec; None for None.

    Args:
        spec: `_target_` and arguments, which may include specs and lists of specs.
        key: path in the configuration, for messages.
        arguments: added to the spec's or overriding them; `_partial_=True` returns a function of the remaining ones.

    Raises:
        hydra.errors.InstantiationException: for any error; its cause is the original error.
    """
    if spec is None:
        return None
    node: Any = {**spec, **arguments}
    names = key.split(".") if key else []
    for name in reversed(names):
        node = {name: node}
    made = instantiate(node, _convert_="all")
    for name in names:
        made = made[name]
    return made
