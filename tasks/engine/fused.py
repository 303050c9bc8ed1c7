"""Optimisers that update all weights in one kernel, where device and optimiser have it.

The rule is the same, its rounding is not: on the CPU, where results of before must return to the bit, PyTorch's own
loop stays. Which of them a state was saved by does not matter to the one that goes on from it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

FUSED = (Adam, AdamW, SGD, Adagrad)
OTHERS = ("foreach", "differentiable")  # ways of updating that exclude it
Group = Mapping[str, Any]


def chosen(make: Callable[..., Optimizer], weights: list[nn.Parameter], clips_scaled: bool = False) -> dict[str, bool]:
    """The argument `fused` for an optimiser, unless its settings decide: true if all weights are on CUDA.

    Args:
        make: as the configuration builds it, a partial of the class; {} for anything else.
        clips_scaled: whether gradients of a scaled loss are clipped (trainer.precision=16-mixed): that needs them
            unscaled before the step, which a fused optimiser does within it.
    """
    if clips_scaled or not isinstance(make, partial) or make.func not in FUSED:
        return {}
    if make.keywords.get("fused") is not None or any(make.keywords.get(name) for name in OTHERS):
        return {}
    there = bool(weights) and all(weight.device.type == "cuda" and weight.is_floating_point() for weight in weights)
    return {"fused": True} if there else {}


def keep_own_way(optimizer: Optimizer) -> None:
    """Let an optimiser update as it was built to, whatever the one did whose state it loads."""
    if "fused" in optimizer.defaults:
        optimizer.register_load_state_dict_pre_hook(with_own_way)


def with_own_way(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """A saved state whose groups say `fused` and `foreach` as this optimiser does.

    Unless it is fused, its step counters are on the CPU, where the loops read them without waiting for a device.
    """
    own: dict[str, Any] = {
        name: optimizer.defaults[name] for name in ("fused", "foreach") if name in optimizer.defaults
    }
    groups: list[Group] = [{**group, **own} for group in state["param_groups"]]
    states = state["state"] if own["fused"] else {number: counted_here(each) for number, each in state["state"].items()}
    return {**state, "param_groups": groups, "state": states}


def counted_here(entries: Group) -> dict[str, Any]:
    """A parameter's state with its step counter on the CPU."""
    step = entries.get("step")
    return {**entries, **({"step": step.cpu()} if isinstance(step, Tensor) else {})}
