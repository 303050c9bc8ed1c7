"""Freezes parts of a network: no gradients, and no updates of statistics."""

from collections.abc import Collection

from torch.nn.modules.batchnorm import _BatchNorm

from tasks.engine.learner import Learner
from tasks.engine.parameter_groups import frozen_blocks


def freeze(learner: Learner, reinitialized: Collection[str] = ()) -> None:
    """Freeze the parts that a learner's `frozen` names, and what its `finetune` keeps.

    With finetune.frozen_until, the backbone's blocks up to that map are frozen. With finetune.norms=keep or adapt, its
    batch normalisation uses its statistics in training as well; norms.AdaptStatistics changes them. Scale and shift are
    trained.

    Args:
        reinitialized: names of tensors that were not loaded; these are trained even so.
    """
    learner.reinitialized = frozenset(reinitialized)
    modules: set[str] = set()
    for path in frozen_paths(learner):
        network = learner.get_submodule(path)
        for name, parameter in network.named_parameters(path):
            parameter.requires_grad_(name in reinitialized)
        modules |= {name for name, _ in network.named_modules(prefix=path)}
    if learner.finetune.norms in ("keep", "adapt"):
        modules |= loaded_norms(learner).keys()
    if learner.rounding is not None:  # files have them folded into the layers
        modules |= {name for name, module in learner.named_modules() if isinstance(module, _BatchNorm)}
    learner.frozen_modules = frozenset(
        name for name in modules if not any(tensor.startswith(f"{name}.") for tensor in reinitialized)
    )
    learner.train(learner.training)


def frozen_paths(learner: Learner) -> list[str]:
    """Names of the modules that are frozen as a whole."""
    paths = [part if part == "backbone" else f"tasks.{part}" for part in sorted(learner.frozen)]
    count = frozen_blocks(learner.backbone, learner.finetune.frozen_until)
    return paths + [f"backbone.blocks.{number}" for number in range(count)]


def loaded_norms(learner: Learner) -> dict[str, _BatchNorm]:
    """The backbone's batch normalisations with loaded statistics, without those of frozen parts, by name."""
    frozen = tuple(f"{path}." for path in frozen_paths(learner))
    return {
        name: module
        for name, module in learner.backbone.named_modules(prefix="backbone")
        if isinstance(module, _BatchNorm) and module.running_mean is not None
        if not name.startswith(frozen) and f"{name}.running_mean" not in learner.reinitialized
    }
