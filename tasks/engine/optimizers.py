"""RMSprop as TensorFlow computes it; MobileNetV2 and V3 were trained with it."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class RMSpropTF(Optimizer):
    """RMSprop with epsilon inside the root, mean squares initialised to 1, and the learning rate inside the momentum.

        s <- alpha * s + (1 - alpha) * g²        m <- momentum * m + lr * g / sqrt(s + epsilon)        w <- w - m

    torch.optim.RMSprop adds epsilon outside the root; with the papers' 0.002 that is a different algorithm.

    Args:
        params: parameters or groups of them.
        lr, alpha, momentum, epsilon: as above. The names are torch.optim.RMSprop's; TensorFlow calls alpha decay.
        weight_decay: added to the gradient.

    Raises:
        ValueError: for a value out of range.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        alpha: float = 0.9,
        momentum: float = 0.9,
        epsilon: float = 0.002,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value, least, most in (
            ("lr", lr, 0.0, math.inf),
            ("alpha", alpha, 0.0, 1.0),
            ("momentum", momentum, 0.0, 1.0),
            ("epsilon", epsilon, 0.0, math.inf),
            ("weight_decay", weight_decay, 0.0, math.inf),
        ):
            if not isinstance(value, int | float) or not least <= value <= most:
                raise ValueError(f"{name}={value} must be a number from {least:g} to {most:g}")
        constants = {"decay": alpha, "momentum": momentum, "epsilon": epsilon}  # `decay`: as in saved optimiser states
        super().__init__(params, {"lr": lr, **constants, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            for weight in weights:
                if not self.state[weight]:
                    self.state[weight] = {"square": torch.ones_like(weight), "momentum": torch.zeros_like(weight)}
            grads = [weight.grad for weight in weights if weight.grad is not None]
            squares = [self.state[weight]["square"] for weight in weights]
            momenta = [self.state[weight]["momentum"] for weight in weights]
            if group["weight_decay"]:
                grads = list(torch._foreach_add(grads, weights, alpha=group["weight_decay"]))
            torch._foreach_mul_(squares, group["decay"])
            torch._foreach_addcmul_(squares, grads, grads, 1 - group["decay"])
            roots = torch._foreach_add(squares, group["epsilon"])
            torch._foreach_sqrt_(roots)
            torch._foreach_mul_(momenta, group["momentum"])
            torch._foreach_addcdiv_(momenta, grads, roots, group["lr"])
            torch._foreach_sub_(weights, momenta)
        return loss
