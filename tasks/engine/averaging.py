"""Running average of a network's weights; the average is what is scored and saved.

In last.ckpt, `state_dict` is the average, `current_model_state` has the weights being trained and `averaging_state` the
step count: Lightning's base class WeightAveraging swaps them on saving (on_save_checkpoint) and back on loading.
best.ckpt has only the average.
"""

from collections.abc import Iterator
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn

Place = tuple[dict[str, Any], str]  # of a tensor: its module's dictionary, and its name there


class AverageWeights(WeightAveraging):
    """Exponential moving average of weights and statistics after every optimiser step, in float32.

    The decay rises as (1 + step) / (10 + step) up to its value, so that short trainings forget their initial weights.
    Steps are counted in Python, so nothing waits for the device; all tensors are averaged by a few calls (foreach).

    Raises:
        ValueError: for a decay outside 0-1.
    """

    def __init__(self, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"ema={decay} must lie between 0 and 1, or be null")
        super().__init__()
        self.decay = decay
        self.steps = 0  # that the average contains
        self.live_weights: list[Tensor] = []  # the network's own weights while the average replaces them
        self.places: list[tuple[Place, Place]] = []  # found once: looking through all modules takes a GPU step's tenth

    def pairs(self, module: LightningModule) -> list[tuple[Tensor, Tensor]]:
        """Pairs each tensor of the average with the network's own."""
        if not self.places:
            assert self._average_model is not None
            average = self._average_model.module
            self.places = list(zip(places_of(average), places_of(module), strict=True))
        return [(own[name].detach(), live[other].detach()) for (own, name), (live, other) in self.places]

    def on_fit_start(self, _trainer: Trainer, module: LightningModule) -> None:
        """Move the average to the network's device."""
        assert self._average_model is not None
        self._average_model.to(module.device)
        self.places = []

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        if trainer.global_step == self._latest_update_step:  # accumulating gradients: no optimiser step
            return
        assert self._average_model is not None
        pairs = self.pairs(module)
        floating = [pair for pair in pairs if pair[0].is_floating_point()] if self.steps else []
        copied = [pair for pair in pairs if not pair[0].is_floating_point()] if self.steps else pairs
        if copied:  # batch normalisation counters; everything at the first step
            torch._foreach_copy_([average for average, _ in copied], [current for _, current in copied])
        if floating:
            keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
            averages, currents = [a for a, _ in floating], [b.to(a.dtype) for a, b in floating]
            torch._foreach_lerp_(averages, currents, 1 - keep)
        self.steps += 1
        self._average_model.n_averaged += 1
        self._latest_update_step = trainer.global_step

    def on_load_checkpoint(self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(trainer, module, checkpoint)
        assert self._average_model is not None
        self.steps = int(self._average_model.n_averaged)

    def on_validation_epoch_start(self, _trainer: Trainer, module: LightningModule) -> None:
        """Copy the average into the network; the average stays float32 even if the network is half precision."""
        if self._average_model is not None:
            self.live_weights = [current.clone() for _, current in self.pairs(module)]
            self._copy_average_to_current(module)

    def on_validation_epoch_end(self, _trainer: Trainer, module: LightningModule) -> None:
        for (_, current), live in zip(self.pairs(module) if self.live_weights else (), self.live_weights, strict=True):
            current.copy_(live)
        self.live_weights = []


def places_of(network: nn.Module) -> Iterator[Place]:
    """Where each parameter and buffer is kept, shared ones once; parameters first, in the order of the modules."""
    for kind in ("_parameters", "_buffers"):
        seen: set[Tensor] = set()
        for module in network.modules():
            for name, tensor in getattr(module, kind).items():
                if tensor is not None and tensor not in seen:
                    seen.add(tensor)
                    yield getattr(module, kind), name
