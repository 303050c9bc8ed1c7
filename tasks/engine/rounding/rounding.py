"""The rounding of int8 inside a network: torchao's fake quantisation, where a format's files have it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.logs import errors_only
from tasks.common.errors import UserError
from tasks.engine.rounding.calls import WEIGHTED, NamedCalls
from tasks.engine.rounding.places import Places
from tasks.engine.rounding.settings import needs_torchao

FOLLOW = 0.01  # of a batch's extremes, in the moving average of a range
Limit = float | list[float]  # of a range; a list has one for each channel


class Rounding(nn.Module):
    """Rounds weights per output channel and activations per tensor while a part of the network runs.

    The grid of a weight follows its largest value at any time, so that a file's is the same. The range of an activation
    is a moving average of its extremes in training, and fixed otherwise.

    Args:
        places: see places_of().
        form: the format whose places they are.
        mean, std: of the images' colours, (3, 1, 1), by which the network normalises them.
    """

    def __init__(self, places: Places, form: str, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        with needs_torchao(), errors_only("torch.utils._pytree"):  # of a call that PyTorch no longer needs
            from torchao.quantization.pt2e import (
                FakeQuantize,
                FixedQParamsFakeQuantize,
                FixedQParamsObserver,
                MovingAverageMinMaxObserver,
                MovingAveragePerChannelMinMaxObserver,
            )
        self.form, self.floors, self.factors = form, dict(places.floors), dict(places.factors)

        def of_channels(kind: str, count: int) -> nn.Module:
            scheme = torch.per_channel_symmetric if kind == "symmetric" else torch.per_channel_affine
            made: nn.Module = FakeQuantize(
                MovingAveragePerChannelMinMaxObserver, 0, 255, dtype=torch.uint8, ch_axis=1, qscheme=scheme,
                averaging_constant=FOLLOW,
            )  # fmt: skip
            made(torch.zeros(1, count, 1, 1))
            return made

        def of_tensor(kind: str, count: int = 0) -> nn.Module:
            if count:
                return of_channels(kind, count)
            if kind == "unit":
                fixed = FixedQParamsObserver.with_args(
                    scale=1 / 255, zero_point=0, dtype=torch.uint8, quant_min=0, quant_max=255
                )
                unit: nn.Module = FixedQParamsFakeQuantize(fixed)
                return unit
            scheme = torch.per_tensor_symmetric if kind == "symmetric" else torch.per_tensor_affine
            made: nn.Module = FakeQuantize(
                MovingAverageMinMaxObserver, 0, 255, dtype=torch.uint8, qscheme=scheme, averaging_constant=FOLLOW
            )
            return made

        def of_weight(name: str, weight: nn.Parameter) -> nn.Module:
            most = places.levels.get(name, 127)
            made: nn.Module = FakeQuantize(
                MovingAveragePerChannelMinMaxObserver, -most, most, dtype=torch.int8, ch_axis=0,
                qscheme=torch.per_channel_symmetric, averaging_constant=1.0,
            )  # fmt: skip
            with torch.no_grad():
                made(weight)  # its tensors get their shapes
            return made.to(weight.device)

        self.first = places.first
        self.mean: Tensor
        self.std: Tensor
        self.zero = round(float(mean.mean()))
        self.register_buffer("mean", mean.detach().clone(), persistent=False)
        self.register_buffer("std", std.detach().clone(), persistent=False)
        device = next((weight.device for weight in places.weights.values()), None)
        self.weights = nn.ModuleDict({name: of_weight(name, weight) for name, weight in places.weights.items()})
        self.tensors = nn.ModuleDict(
            {name: of_tensor(kind, places.channels.get(name, 0)) for name, kind in places.tensors.items()}
        )
        self.gates = nn.ModuleDict({name: of_tensor("unit") for name in sorted(places.gates)})
        self.to(device)

    def within(self, part: str) -> NamedCalls:
        """Round the calls of a part: "backbone", or a task's name."""
        return RoundedCalls(part, self)

    def activations(self) -> Iterator[Any]:
        """Those of activations."""
        yield from self.tensors.values()
        yield from self.gates.values()

    def ranges(self) -> dict[str, tuple[Limit, Limit]]:
        """The lowest and highest value of each rounded activation, by call.

        For openvino, whose files have limits, those of the grid. Other formats make their grid of the extremes, as
        torchao does.
        """
        found: dict[str, tuple[Limit, Limit]] = {}
        for name, module in self.tensors.items():
            each: Any = module
            observer, scale, zero = each.activation_post_process, each.scale, each.zero_point
            found[name] = (limit(scale * -zero), limit(scale * (255 - zero)))
            if self.form != "openvino" and hasattr(observer, "min_val"):
                found[name] = (min(0.0, float(observer.min_val)), max(0.0, float(observer.max_val)))
        return found

    def train(self, mode: bool = True) -> "Rounding":
        """Ranges of activations follow the batches in training alone."""
        super().train(mode)
        for each in self.activations():
            each.enable_observer(mode)
        return self

    def roundings(self) -> Iterator[Any]:
        """All of them."""
        yield from self.weights.values()
        yield from self.activations()

    @contextmanager
    def calibrating(self) -> Iterator[None]:
        """While it is active nothing is rounded, and ranges become the means of the batches' extremes."""
        for each in self.roundings():
            each.disable_fake_quant()
        for each in self.activations():
            each.enable_observer()
        yield
        for each in self.roundings():
            each.enable_fake_quant()
        for each in self.activations():
            each.activation_post_process.averaging_constant = FOLLOW
        self.train(self.training)

    def count_batch(self, number: int) -> None:
        """Let the next batch, the number-th from 1, weigh as much as each one before."""
        for each in self.activations():
            each.activation_post_process.averaging_constant = 1 / number


def limit(values: Tensor) -> Limit:
    """A number, or a list for channels."""
    found: Limit = values.tolist() if values.numel() > 1 else float(values)
    return found


class RoundedCalls(NamedCalls):
    """The calls of one part, rounded."""

    def __init__(self, part: str, rounding: Rounding) -> None:
        super().__init__(part)
        self.weights, self.tensors = rounding.weights, rounding.tensors
        self.gates, self.floors = rounding.gates, rounding.floors
        self.first, self.mean, self.std, self.zero = rounding.first, rounding.mean, rounding.std, rounding.zero

    def rounded(self, name: str, weight: Tensor) -> Tensor:
        """The weight of a layer, rounded."""
        rounding: Any = self.weights[name]
        # The average old + 1.0 * (new - old) is new only if old is near: at the second time.
        rounding.activation_post_process(weight.detach())
        rounded: Tensor = rounding(weight)
        return rounded

    def of_bytes(self, name: str, func: Any, args: Sequence[Any]) -> Tensor:
        """A convolution of normalised images as tasks/deploy/quantise/onnx_stem.py has it: of bytes, and of a constant
        fourth channel for what their zero point leaves of the means.
        """
        images, weight, bias, *rest = args
        scaled, shift = weight / self.std, self.mean - self.zero
        inside = (255 if self.zero < 128 else 0) - self.zero
        constant = -(scaled * shift).sum(1, keepdim=True) / inside
        rounded = self.rounded(name, torch.cat([scaled, constant], 1))
        colours, constant = rounded[:, :-1], rounded[:, -1:]
        error = constant * inside + (colours * shift).sum(1, keepdim=True)
        found: Tensor = func(images, colours * self.std, bias, *rest)
        left: Tensor = func(torch.ones_like(images[:1, :1]), error, None, *rest)
        return found + left

    def call(self, name: str, kind: str, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if name in self.first and kind == "conv2d" and len(args) > 2 and args[1].shape[1] == len(self.std):
            func, args, kwargs = self.of_bytes, (name, func, args), {}
        elif kind in WEIGHTED and name in self.weights:
            if len(args) > 1:
                args = (args[0], self.rounded(name, args[1]), *args[2:])
            else:
                kwargs = {**kwargs, "weight": self.rounded(name, kwargs["weight"])}
        result = args[0] * self.gates[name](F.hardsigmoid(args[0])) if name in self.gates else func(*args, **kwargs)
        if name not in self.tensors:
            return result
        floor = self.floors.get(name)
        return self.tensors[name](result if floor is None else result.clamp(min=floor))


@torch.no_grad()
def calibrate(learner: nn.Module, rounding: Rounding, batches: Iterable[Tensor]) -> int:
    """Give the activations their first ranges, by images (N, 3, H, W) uint8 as they are scored; returns how many.

    Raises:
        UserError: for a network whose values are not finite.
    """
    images, mode = 0, learner.training
    learner.eval()
    with rounding.calibrating():
        for number, batch in enumerate(batches, 1):
            rounding.count_batch(number)
            learner(batch)
            images += len(batch)
    learner.train(mode)
    for name, each in rounding.tensors.items():
        if not torch.isfinite(torch.as_tensor(each.scale)).all():
            raise UserError(f"quantise.aware=true: {name} is not finite for the training images, so it cannot be int8")
    return images
