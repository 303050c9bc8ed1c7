"""L2-SP: weights decay towards where they started instead of 0 (Li et al., ICML 2018, Explicit Inductive Bias).

    w <- w - lr · a · (w - start)        before each step, as AdamW decays towards 0 (decoupled from the gradient)

It applies to the loaded weights that would decay otherwise (optimizer.decay); those of new layers decay towards 0.
"""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from tasks.common.errors import UserError
from tasks.engine.parameter_groups import ParameterGroup


class TowardsStart(Callback):
    """Pulls the weights of the optimiser's groups that decay towards their start. Checkpoints hold the starts.

    Args:
        resumed: path of the checkpoint being resumed, for messages.
    """

    def __init__(self, resumed: str | None = None) -> None:
        self.resumed = resumed
        self.starts: dict[str, Tensor] = {}
        self.pairs: list[tuple[int, list[Tensor], list[Tensor]]] = []  # number of the group, weights, starts

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Note where the weights start, unless a checkpoint has said so.

        Raises:
            UserError: if its starts are not those of this network.
        """
        names = {parameter: name for name, parameter in module.named_parameters()}
        (optimizer,) = trainer.optimizers
        groups = [
            (number, group["params"])
            for number, group in enumerate(optimizer.param_groups)
            if ParameterGroup.of(group).towards_start
        ]
        if self.resumed is None:
            self.starts = {names[weight]: weight.detach().clone() for _, weights in groups for weight in weights}
        for number, weights in groups:
            starts = [self.starts.get(names[weight]) for weight in weights]
            fitting = [
                start.to(weight) for weight, start in zip(weights, starts, strict=True)
                if isinstance(start, Tensor) and start.shape == weight.shape
            ]  # fmt: skip
            if len(fitting) < len(weights):
                raise UserError(
                    f"resume={self.resumed} is damaged: its callbacks.TowardsStart lacks where weights start"
                )
            self.pairs.append((number, weights, fitting))

    @torch.no_grad()
    def on_before_optimizer_step(self, _trainer: Trainer, _module: LightningModule, optimizer: Optimizer) -> None:
        for number, weights, starts in self.pairs:
            group = optimizer.param_groups[number]
            torch._foreach_lerp_(weights, starts, group["lr"] * ParameterGroup.of(group).towards_start)

    def state_dict(self) -> dict[str, Any]:
        return self.starts

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.starts = state
