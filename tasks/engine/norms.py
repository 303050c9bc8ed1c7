"""Batch-norm statistics of a loaded backbone on new images: adapted while it trains, or estimated again afterwards."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import partial

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from tasks.engine.freezing import loaded_norms
from tasks.engine.learner import Batch, Learner

ENOUGH = 10_000  # images of a process, from which statistics are estimated again


class AdaptStatistics(Callback):
    """finetune.norms=adapt: training images are normalised by the running statistics, as scored ones are.

    Before each training batch these move towards the batch's own by the layer's momentum, so that they become those of
    the new images (AdaBN, Li et al., 2017), and no image is normalised by its neighbours in the batch.
    """

    def __init__(self) -> None:
        self.handles: list[RemovableHandle] = []

    def on_train_start(self, _trainer: Trainer, module: LightningModule) -> None:
        assert isinstance(module, Learner)
        for norm in loaded_norms(module).values():
            self.handles.append(norm.register_forward_pre_hook(partial(move, module)))

    def on_train_end(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles = []


@torch.no_grad()
def move(learner: nn.Module, norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Move a layer's statistics towards those of its input; only in training, and not for a single value a channel."""
    assert isinstance(norm, _BatchNorm)
    x = inputs[0]
    if not learner.training or norm.running_mean is None or not norm.momentum or x.numel() == x.shape[1]:
        return
    torch.batch_norm(  # only for what it does to the two buffers; the layer then normalises by these
        x, None, None, norm.running_mean, norm.running_var, True, norm.momentum, norm.eps, torch.backends.cudnn.enabled
    )


@torch.no_grad()
def estimate_again(learner: Learner, batches: Iterable[Batch], precision: AbstractContextManager[None]) -> int:
    """finetune.norms=reestimate: the statistics become the plain mean over training batches, by the trained weights.

    So PreciseBN does (Wu and Johnson, 2021, Rethinking "Batch" in BatchNorm). Processes take the mean of theirs. The
    learner is left in evaluation mode.

    Args:
        batches: of training images, augmented as in training; those after ENOUGH images are left.
        precision: context of a forward pass.

    Returns:
        Number of images of this process.
    """
    norms = loaded_norms(learner)
    learner.eval()  # only these layers update their statistics
    before = {name: norm.momentum for name, norm in norms.items()}
    for norm in norms.values():
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
        norm.train()
    images = 0
    batches = iter(batches)
    with precision:
        while images < ENOUGH and (batch := next(batches, None)) is not None:
            learner.backbone(batch["image"].to(learner.device), batch.get("counts"))
            images += len(batch["image"])
    for name, norm in norms.items():
        norm.momentum = before[name]
        for statistic in (norm.running_mean, norm.running_var):
            assert statistic is not None
            if learner.trainer.world_size > 1:
                statistic.copy_(learner.trainer.strategy.reduce(statistic.clone(), reduce_op="mean"))
        norm.eval()
    return images
