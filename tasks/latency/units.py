"""Units by which a network's costs are looked up: single layers, and each head as a whole."""

import copy
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from backbones.blocks import ConvNormAct, InvertedResidual, SqueezeExcite, TappedBlock
from backbones.universal import UniversalBottleneck
from heads.base import Head
from tasks.engine.learner import Learner
from tasks.engine.summary import on_meta

Shape = tuple[int, ...]


class Normalise(nn.Module):
    """The first step of a backbone: normalises uint8 images (N, 3, H, W) to floats."""

    def __init__(self) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.empty(3, 1, 1))
        self.register_buffer("std", torch.empty(3, 1, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set values of about ImageNet's magnitude."""
        self.mean.fill_(120.0)
        self.std.fill_(60.0)

    def forward(self, images: Tensor) -> Tensor:
        return (images.to(self.mean.dtype) - self.mean) / self.std


class Shortcut(nn.Module):
    """The end of an inverted residual: projects x (N, expanded, H, W) and adds `before` (N, out, H, W)."""

    def __init__(self, project: nn.Module) -> None:
        super().__init__()
        self.project = project

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        result: Tensor = before + self.project(x)
        return result


class Inside(nn.Module):
    """A block with inner maps that heads read; returns the maps at `places`."""

    def __init__(self, block: TappedBlock, places: Sequence[str]) -> None:
        super().__init__()
        self.block, self.places = block, tuple(places)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = self.block.run_until(x, self.places)
        return tuple(maps[place] for place in self.places)


class OnMaps(nn.Module):
    """A head that takes its maps as arguments, in the order of `head.maps`."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head

    def forward(self, *maps: Tensor) -> tuple[Tensor, ...]:
        outputs: Any = self.head(dict(zip(self.head.maps, maps, strict=True)))
        return (outputs,) if isinstance(outputs, Tensor) else tuple(t for t in outputs if isinstance(t, Tensor))


class Unit(NamedTuple):
    """A part of a network.

    Attributes:
        key: describes everything that its costs depend on.
        module: on the meta device.
        shapes: of its inputs, for one image.
    """

    key: str
    module: nn.Module
    shapes: tuple[Shape, ...]


class Counted(NamedTuple):
    """Shapes of a unit's outputs, and its multiply-adds as heads/sizes.py counts them."""

    shapes: tuple[Shape, ...]
    madds: int


COUNTED: dict[str, Counted] = {}  # by key, since a pass on the meta device is the slowest step


def counted(unit: Unit) -> Counted:
    """Count a unit's output shapes and multiply-adds; each unit runs only once."""
    if unit.key not in COUNTED:
        dtype = torch.uint8 if isinstance(unit.module, Normalise) else torch.float32
        inputs = [torch.empty(shape, dtype=dtype, device="meta") for shape in unit.shapes]
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            outputs = unit.module.eval()(*inputs)
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        COUNTED[unit.key] = Counted(tuple(tuple(each.shape) for each in outputs), counter.get_total_flops() // 2)
    return COUNTED[unit.key]


class Chain:
    """Collects units while following the shapes of maps through a network."""

    def __init__(self) -> None:
        self.units: list[Unit] = []

    def add(self, module: nn.Module, *shapes: Shape) -> tuple[Shape, ...]:
        """Append a unit with inputs of these shapes; return the shapes of its outputs."""
        if isinstance(module, nn.Identity):
            return shapes
        sizes = ", ".join("×".join(map(str, shape[1:])) for shape in shapes)
        unit = Unit(f"{described(module)} @ {sizes}", module, shapes)
        self.units.append(unit)
        return counted(unit).shapes

    def add_block(self, block: nn.Module, x: Shape, places: Sequence[str]) -> dict[str, Shape]:
        """Append the layers of a block; return its maps' shapes by place."""
        maps: dict[str, Shape] = {}
        if isinstance(block, InvertedResidual | UniversalBottleneck):
            before = x
            for name, layer in block.named_children():
                if name == "project" and block.residual:
                    (x,) = self.add(Shortcut(layer), x, before)
                else:
                    (x,) = self.add(layer, x)
                maps |= {block.places[name]: x} if name in block.places else {}
            return maps
        if isinstance(block, TappedBlock) and not set(places) <= {"out"}:
            return dict(zip(places, self.add(Inside(block, places), x), strict=True))
        return {"out": self.add(block, x)[0]}


def units_of(learner: Learner, size: tuple[int, int]) -> list[Unit]:
    """Units of a network in the order in which they run, for one image of this (height, width).

    Blocks other than inverted residuals are one unit each.
    """
    backbone, heads = learner.backbone, [task.head for _, task in learner.each_task()]
    if not backbone.mean.is_meta:
        backbone, heads = on_meta(backbone), [copy.deepcopy(head).to("meta") for head in heads]
    chain = Chain()
    (x,) = chain.add(Normalise().to("meta"), (1, 3, *size))
    maps: dict[str, Shape] = {}
    last = len(backbone.blocks) - 1
    for number, block in enumerate(backbone.blocks):
        names = {name: tap.place for name, tap in backbone.taps.items() if tap.block == number}
        wanted = {*names.values()} | ({"out"} if number < last else set())
        inner = chain.add_block(block, x, sorted(wanted))
        maps |= {name: inner[place] for name, place in names.items()}
        x = inner.get("out", x)
    for head in heads:
        chain.add(OnMaps(head), *(maps[name] for name in head.maps))
    return chain.units


def described(module: nn.Module) -> str:
    """Describe what a module computes; a module that is not a single layer gets a fingerprint."""
    if isinstance(module, Normalise):
        return "normalise"
    if isinstance(module, Shortcut):
        return f"{described(module.project)} + shortcut"
    if isinstance(module, SqueezeExcite):
        return f"squeeze-excite {module.reduce.out_channels} {type(module.gate).__name__}"
    if isinstance(module, ConvNormAct):
        conv, norm, *act = module
        if isinstance(conv, nn.Conv2d) and type(norm) is nn.BatchNorm2d:
            dilated = f" dilation {conv.dilation[0]}" if conv.dilation[0] > 1 else ""
            grouped = f" groups {conv.groups}" if conv.groups > 1 else ""
            named = "".join(f" {type(layer).__name__}" for layer in act)
            return f"conv {conv.kernel_size[0]} stride {conv.stride[0]}{dilated}{grouped} to {conv.out_channels}{named}"
    inner = module.head if isinstance(module, OnMaps) else module
    return f"{type(inner).__name__} {fingerprint(inner)}"


def fingerprint(module: nn.Module) -> str:
    """Hash of the types and plain attributes of a module and its submodules."""
    said = []
    for path, part in module.named_modules():
        plain = {key: str(value) for key, value in vars(part).items() if is_plain(value) and key[0] != "_"}
        plain.pop("training")
        said.append((path, type(part).__qualname__, sorted(plain.items())))
    return hashlib.sha256(str(said).encode()).hexdigest()[:10]


def is_plain(value: object) -> bool:
    """Whether a value is a number, a string, None or a list of these."""
    if isinstance(value, list | tuple):
        return all(is_plain(each) for each in value)
    return value is None or isinstance(value, bool | int | float | str)
