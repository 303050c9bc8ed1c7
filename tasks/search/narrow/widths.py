"""The widths of a network that can shrink alone: channels that shortcuts and depthwise layers tie are one width."""

from typing import NamedTuple

from backbones.blocks import make_divisible
from backbones.inverted import Plan

DIVISOR = 8  # of channels, as in all MobileNets


class Width(NamedTuple):
    """Channels that must stay as many as each other.

    Attributes:
        channels: how many there are.
        stem, last: whether the first and the last convolution's are among them.
        expansions, bottlenecks: of which blocks, from 0 on.
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
    """What must stay when a width shrinks: by block, whether it has a shortcut, and whether an expansion layer."""

    shortcuts: tuple[bool, ...]
    expands: tuple[bool, ...]


def widths_of(plan: Plan, passes: tuple[bool, ...]) -> list[Width]:
    """All widths of a network, from the image on.

    Args:
        passes: whether each block has a shortcut where its channels allow one.
    """
    shortcuts = structure_of(plan, passes).shortcuts
    bottleneck = 0  # number of the width that the next block's input belongs to
    found = [Width(plan.stem, True, False, (), ())]
    for number, block in enumerate(plan.blocks):
        if block.expanded == channels_into(plan, number):  # no expansion layer: the depthwise layer's are the input's
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
    """Channels that a block reads."""
    return plan.blocks[number - 1].out if number else plan.stem


def narrowed(plan: Plan, width: Width, channels: int) -> Plan:
    """A plan with so many channels in a width; squeeze-and-excites there shrink by the same share."""
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
    """Where a network has layers that depend on its widths."""
    into = [channels_into(plan, number) for number in range(len(plan.blocks))]
    return Structure(
        tuple(may and block.out == inside for may, block, inside in zip(passes, plan.blocks, into, strict=True)),
        tuple(block.expanded != inside for block, inside in zip(plan.blocks, into, strict=True)),
    )


def allowed(plan: Plan, passes: tuple[bool, ...], width: Width) -> list[int]:
    """The numbers of channels that a width may shrink to and leave all layers where they are, from the widest on."""
    structure = structure_of(plan, passes)
    steps = range((width.channels - 1) // DIVISOR * DIVISOR, 0, -DIVISOR)
    return [channels for channels in steps if structure_of(narrowed(plan, width, channels), passes) == structure]
