"""Freezes parts of a network: no gradients, and no updates of statistics."""

from collections.abc import Collection

from torch.nn.modules.batchnorm import _NormBase

from tasks.engine.learner import Learner
from tasks.engine.parts import frozen_blocks


def freeze(learner: Learner, reinitialized: Collection[str] = ()) -> None:
    """Freeze the parts that a learner's `frozen` names, and what its `finetune` keeps.

    With finetune.frozen_until, the backbone's blocks up to that map are frozen; with finetune.norms=keep, its batch
    normalisation uses its statistics in training as well, and does not change them (scale and shift are trained).

    Args:
        reinitialized: names of tensors that were not loaded; these are trained even so.
    """
    learner.reinitialized = frozenset(reinitialized)
    paths = [part if part == "backbone" else f"tasks.{part}" for part in sorted(learner.frozen)]
    count = frozen_blocks(learner.backbone, learner.finetune.frozen_until)
    paths += [f"backbone.blocks.{number}" for number in range(count)]
    modules: set[str] = set()
    for path in paths:
        network = learner.get_submodule(path)
        for name, parameter in network.named_parameters(path):
            parameter.requires_grad_(name in reinitialized)
        modules |= {name for name, _ in network.named_modules(prefix=path)}
    if learner.finetune.norms == "keep":
        norms = learner.backbone.named_modules(prefix="backbone")
        modules |= {name for name, module in norms if isinstance(module, _NormBase)}
    learner.frozen_modules = frozenset(
        name for name in modules if not any(tensor.startswith(f"{name}.") for tensor in reinitialized)
    )
    learner.train(learner.training)
