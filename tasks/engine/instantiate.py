"""From a spec, a dict with `_target_`, to what it names."""

from typing import Any

from hydra.utils import instantiate

from tasks.config.tree import Spec


def make(spec: Spec | None, key: str = "", **arguments: Any) -> Any:
    """What a spec builds; None for none.

    Args:
        spec: `_target_` and arguments, among which may be specs and lists of specs.
        key: where it stands in the configuration, for messages.
        arguments: further ones, or others than the spec has; `_partial_=True` for a function that takes the rest.

    Raises:
        hydra.errors.InstantiationException: for whatever goes wrong; its cause is the error itself.
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
