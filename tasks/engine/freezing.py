"""Freezes parts of a network: no gradients, and no updates of statistics."""

from collections.abc import Collection

from tasks.engine.learner import Learner


def freeze(learner: Learner, reinitialized: Collection[str] = ()) -> None:
    """Freeze the parts that a learner's `frozen` names.

    Args:
        reinitialized: names of tensors that were not loaded; these are trained even so.
    """
    modules: set[str] = set()
    for part in sorted(learner.frozen):
        path = part if part == "backbone" else f"tasks.{part}"
        network = learner.get_submodule(path)
        for name, parameter in network.named_parameters(path):
            parameter.requires_grad_(name in reinitialized)
        modules |= {
            name
            for name, _ in network.named_modules(prefix=path)
            if not any(tensor.startswith(f"{name}.") for tensor in reinitialized)
        }
    learner.frozen_modules = frozenset(modules)
    learner.train(learner.training)
