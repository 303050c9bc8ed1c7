"""Blocks that are not trained yet: heads first, then the backbone, from its last block to its first.

Which blocks are idle is a function of the optimiser step alone, so a resumed run goes on to the bit. Their parameters
are in the optimiser from the beginning, but have no gradient until they thaw: it leaves them and their state alone.
"""

from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.optim import Optimizer

from tasks.engine.learner import Learner
from tasks.engine.parameter_groups import block_groups, block_number, first_step


class Thaw(Callback):
    """Keeps blocks of the backbone idle until their step; the leading ones then run without gradients.

    Attributes:
        begins: first step of each block.
        first_new_block: number of the first block with tensors that were not loaded.
    """

    def __init__(self) -> None:
        self.begins: list[int] = []
        self.blocks: list[list[nn.Parameter]] = []
        self.first_new_block = 0

    def on_train_start(self, _trainer: Trainer, module: LightningModule) -> None:
        """Count the steps once they are known; a resumed run may have more."""
        assert isinstance(module, Learner)
        groups = block_groups(module.backbone, module.finetune)
        self.begins = [first_step(group.thaw_at, module.steps) for group in groups]
        self.blocks = [[] for _ in groups]
        new = [len(groups)]
        for name, parameter in module.backbone.named_parameters():
            number = block_number(name, len(groups))
            if f"backbone.{name}" in module.reinitialized:
                new.append(number)
            elif parameter.requires_grad:
                self.blocks[number].append(parameter)
        self.first_new_block = min(new)  # gradients have to reach what is new

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        assert isinstance(module, Learner)
        idle = [number for number, begin in enumerate(self.begins) if trainer.global_step < begin]
        module.idle = [parameter for number in idle for parameter in self.blocks[number]]
        module.backbone.frozen_blocks = min(len(idle), self.first_new_block)

    def on_before_optimizer_step(self, _trainer: Trainer, module: LightningModule, _optimizer: Optimizer) -> None:
        """Drop the gradients of idle parameters, before gradients are clipped."""
        assert isinstance(module, Learner)
        for parameter in module.idle:
            parameter.grad = None

    def on_train_end(self, _trainer: Trainer, module: LightningModule) -> None:
        assert isinstance(module, Learner)
        module.idle, module.backbone.frozen_blocks = [], 0
