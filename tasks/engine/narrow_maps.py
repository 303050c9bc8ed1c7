"""Half precision on the CPU: strided convolutions of maps one pixel wide, whose weight gradients oneDNN gets wrong.

Its kernels for bf16 and fp16 read memory that nobody wrote (oneDNN 3.12 in torch 2.14.1, AVX-512): other gradients in
each call, NaN among them. SSDLite's last additional map comes to that with images up to 256 pixels wide.
"""

from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle


class WidenNarrowMaps(Callback):
    """Gives those convolutions the column of zeros that their padding has there anyway: the numbers stay the same."""

    def __init__(self) -> None:
        self.hooks: list[RemovableHandle] = []

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        half = str(trainer.precision).startswith(("16", "bf16"))
        if half and trainer.strategy.root_device.type == "cpu":
            found = [each for each in module.modules() if isinstance(each, nn.Conv2d) and is_strided(each)]
            self.hooks = [each.register_forward_pre_hook(widened) for each in found]

    def on_train_end(self, *_: Any) -> None:
        for hook in self.hooks:
            hook.remove()
        self.hooks = []


def is_strided(convolution: nn.Conv2d) -> bool:
    """Whether it has a stride, and zeros at both sides so that a width of 1 or 2 becomes 1."""
    reach = convolution.dilation[1] * (convolution.kernel_size[1] - 1)
    padding = 0 if isinstance(convolution.padding, str) else convolution.padding[1]
    return convolution.stride[1] > 1 and 0 < reach == 2 * padding and convolution.padding_mode == "zeros"


def widened(_convolution: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor] | None:
    """The input of a convolution with a second column, of zeros, if it has but one."""
    return (F.pad(inputs[0], (0, 1)),) if inputs[0].shape[-1] == 1 else None
