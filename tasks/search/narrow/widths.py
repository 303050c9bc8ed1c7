"""Widths of a network that can shrink independently; shortcuts and depthwise layers tie channels into one width."""

from typing import NamedTuple

from backbones.blocks import make_divisible
from backbones.inverted import Plan

DIVISOR = 8  # of channels, as in all MobileNets


class Width(NamedTuple):
    """Layers that must have the same number of channels.

    Attributes:
        channels: their number.
        stem, last: whether the first and the last convolution belong to the width.
        expansions, bottlenecks: indices of the blocks whose expansion or bottleneck belongs to it.
    """

    channels: int
    stem: bool
    last: bool
    expansions: tuple[int, ...]
    bottlenecks: tuple[int, ...]

    def __str__(self) -> str:
        if self.last:
            return "last convolution"
        if not self.bottlenecks:
            return "stem" if self.stem else f"expansion of block {self.expansions[0] + 1}"
        first, last = self.bottlenecks[0] + 1, self.bottlenecks[-1] + 1
        blocks = f"block {first}" if first == last else f"blocks {first}–{last}"
        return f"bottleneck of {'the stem and ' if self.stem else ''}{blocks}"


class Structure(NamedTuple):
    """What must not change when a width shrinks: which blocks have a shortcut, and which an expansion layer."""

    shortcuts: tuple[bool, ...]
    expands: tuple[bool, ...]


def widths_of(plan: Plan, passes: tuple[bool, ...]) -> list[Width]:
    """All widths of a network, from input to output.

    Args:
        passes: whether each block has a shortcut if its channels allow one.
    """
    shortcuts = structure_of(plan, passes).shortcuts
    bottleneck = 0  # index of the width that the next block's input belongs to
    found = [Width(plan.stem, True, False, (), ())]
    for number, block in enumerate(plan.blocks):
        if block.expanded == channels_into(plan, number):  # no expansion layer: depthwise layer as wide as the input
            own = found[bottleneck]
            found[bottleneck] = own._replace(expansions=(*own.expansions, number))
        else:
            found.append(Width(block.expanded, False, False, (number,), ()))
        if not shortcuts[number]:
            found.append(Width(block.out, False, False, (), ()))
            bottleneck = len(found) - 1
        own = found[bottleneck]
        found[bottleneck] = own._replace(bottlenecks=(*own.bottlenecks, number))
    return [*found, Width(plan.last, False, True, (), ())]


def channels_into(plan: Plan, number: int) -> int:
    """Number of input channels of a block."""
    return plan.blocks[number - 1].out if number else plan.stem


def narrowed(plan: Plan, width: Width, channels: int) -> Plan:
    """Plan with `channels` in a width; its squeeze-and-excites shrink in proportion."""
    share = channels / width.channels
    blocks = list(plan.blocks)
    for number in width.expansions:
        hidden = blocks[number].excite_hidden
        blocks[number] = blocks[number]._replace(
            expanded=channels, excite_hidden=min(hidden, make_divisible(share * hidden)) if hidden else 0
        )
    for number in width.bottlenecks:
        blocks[number] = blocks[number]._replace(out=channels)
    return plan._replace(
        stem=channels if width.stem else plan.stem,
        last=channels if width.last else plan.last,
        blocks=tuple(blocks),
    )


def structure_of(plan: Plan, passes: tuple[bool, ...]) -> Structure:
    """Find the layers of a network whose existence depends on its widths."""
    into = [channels_into(plan, number) for number in range(len(plan.blocks))]
    return Structure(
        tuple(may and block.out == inside for may, block, inside in zip(passes, plan.blocks, into, strict=True)),
        tuple(block.expanded != inside for block, inside in zip(plan.blocks, into, strict=True)),
    )


def allowed(plan: Plan, passes: tuple[bool, ...], width: Width) -> list[int]:
    """Numbers of channels, from the largest, that a width may shrink to without adding or removing layers."""
    structure = structure_of(plan, passes)
    steps = range((width.channels - 1) // DIVISOR * DIVISOR, 0, -DIVISOR)
    return [channels for channels in steps if structure_of(narrowed(plan, width, channels), passes) == structure]
