"""Gradients accumulated over several passes: a step of the optimiser equals that of one large batch."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm


def group_size(trainer: Trainer, batch_index: int) -> int:
    """Number of batches whose gradients make a step together with this one: fewer at the end of an epoch."""
    passes: int = trainer.accumulate_grad_batches
    if passes == 1:
        return 1
    return min(passes, int(trainer.num_training_batches) - batch_index // passes * passes)


def whole_loss(trainer: Trainer, outputs: Any, batch_index: int) -> Tensor:
    """A batch's loss as a training step returned it to the loop, which has divided it by the passes of a step."""
    loss: Tensor = outputs["loss"].detach()
    return loss * group_size(trainer, batch_index)


class StepMeans:
    """Means of logged values over the passes of a step: the loss of the step, not of its last pass."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def after(self, values: Mapping[str, Any], number: int) -> dict[str, Tensor]:
        """The means so far.

        Args:
            values: of this pass; a head without labels in it has none.
            number: of the pass within its step, from 0.
        """
        if number == 0:
            self.sums, self.counts = {}, {}
        for name, value in values.items():
            value = torch.as_tensor(value).detach()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1
        return {name: total / self.counts[name] for name, total in self.sums.items()}


class SlowStatistics(Callback):
    """Lets batch norm's running statistics move as far in a step of several passes as in one of a single pass.

    Each pass updates them. With momentum m and n passes the old statistics keep (1 - m)^n of their weight, so that each
    pass has the momentum 1 - (1 - m)^(1 / n): the decay per step is the recipe's, and the statistics are of all images.
    """

    def __init__(self) -> None:
        self.before: dict[_BatchNorm, float] = {}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """After layers were converted (trainer.sync_batchnorm), before StartFromMean."""
        passes: int = trainer.accumulate_grad_batches
        norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm)] if passes > 1 else []
        for norm in norms:
            if norm.momentum is not None and norm.momentum < 1:
                self.before[norm] = norm.momentum
                norm.momentum = 1 - (1 - norm.momentum) ** (1 / passes)

    def on_train_end(self, *_: Any) -> None:
        for norm, momentum in self.before.items():
            norm.momentum = momentum
        self.before = {}
