"""An optimiser's groups of parameters: weight decay by the kind of each (optimizer.decay), learning rate by block."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from tasks.config.rules.learning import DECAY
from tasks.engine.parameter_groups import ORDINARY, ParameterGroup

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)  # _NormBase: batch and instance normalisation
OTHER_VECTORS = "other vectors"  # PReLU's slopes, layer scales, log variances of balance=uncertainty: never decay


def kind_of(module: nn.Module, name: str, parameter: nn.Parameter) -> str:
    """The kind of a parameter: "norms", "biases", "depthwise", "weights" or OTHER_VECTORS.

    Args:
        module: that the parameter belongs to.
        name: of the parameter in it.
    """
    if isinstance(module, NORMS):
        return "norms"
    if name == "bias":
        return "biases"
    if parameter.ndim <= 1:
        return OTHER_VECTORS
    depthwise = isinstance(module, _ConvNd) and module.groups == module.in_channels > 1
    return "depthwise" if depthwise else "weights"


def parameter_groups(
    root: nn.Module,
    decay: Mapping[str, bool | float] = DECAY,
    own: Mapping[nn.Parameter, ParameterGroup] | None = None,
) -> list[dict[str, Any]]:
    """The trained parameters as groups for an optimiser.

    The first group decays with the optimiser's own weight_decay, the second not at all; then there is one for each
    other weight decay. The first two are always there, even if empty, as in the optimiser states of older checkpoints.
    Parameters with a group of their own follow, in groups that also have what it stores.

    Args:
        decay: for norms, depthwise and biases: True for the optimiser's weight_decay, False for none, or a number
            instead of it. A missing kind is as in DECAY.
        own: the groups of parameters that have one of their own.
    """
    rules: dict[str, bool | float] = {**DECAY, **decay, "weights": True, OTHER_VECTORS: False}
    groups: dict[tuple[ParameterGroup, float | None], list[nn.Parameter]] = {(ORDINARY, None): [], (ORDINARY, 0.0): []}
    seen: set[nn.Parameter] = set()
    for module in root.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and parameter not in seen:
                rule = rules[kind_of(module, name, parameter)]
                group = (own or {}).get(parameter, ORDINARY)
                if group.towards_start:  # it decays towards its start or, if it is of a kind that does not, not at all
                    rule, group = 0.0, group if rule else group._replace(towards_start=0.0)
                groups.setdefault((group, None if rule is True else float(rule)), []).append(parameter)
                seen.add(parameter)
    ordered = sorted(groups.items(), key=lambda entry: entry[0][0] != ORDINARY)
    return [
        {"params": parameters}
        | ({} if weight is None else {"weight_decay": weight})  # None: the optimiser's own
        | group.stored()
        for (group, weight), parameters in ordered
    ]
