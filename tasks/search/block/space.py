"""The networks around a network that a block search chooses from: MobileNetV3's choices, stage by stage.

MnasNet (Tan et al., CVPR 2019), section 4.1: the layers of a stage share their choices, stages differ.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from backbones.blocks import make_divisible
from backbones.inverted import Block, Plan
from backbones.table import known
from tasks.common.errors import UserError

TABLE = "table"  # as the seed's rows have it
NEUTRAL: dict[str, Any] = {
    "kernel": TABLE,
    "expansion": TABLE,
    "excite": TABLE,
    "act": TABLE,
    "filters": 1.0,
    "layers": 0,
}
Point = dict[str, Any]  # what is chosen, by "stage1.kernel" and the like


class Row(NamedTuple):
    """A row of the seed's table, with the channels that it has before it there."""

    before: int
    block: Block


class Space:
    """What a search chooses for each stage of a network; a stage's rows share their number of channels (`out`).

        kernel     of the depthwise convolutions
        expansion  channels inside a block, as a multiple of those before it
        excite     whether there are squeeze-and-excites; new ones have a quarter of the expansion inside
        act        the blocks' activation
        filters    multiplies the stage's channels; the stem follows the first stage, the last convolution the last
        layers     blocks more or less than the seed has, one at least

    `table` leaves each row what it is in the seed. The same filters everywhere and nothing else is what a width
    multiplier makes of the seed by the paper's rule.

    Args:
        seed: the network in the middle.
        choices: values for each of these six, the same for every stage; that of the seed is among them.

    Attributes:
        choices: by "stage1.kernel" and the like: the values that make networks of their own, where there are several.
        count: how many points there are.

    Raises:
        UserError: for choices that leave out the seed.
    """

    def __init__(self, seed: Plan, choices: Mapping[str, Sequence[Any]]) -> None:
        for knob, value in NEUTRAL.items():
            if value not in choices[knob]:
                raise UserError(
                    f"search.{knob}={list(choices[knob])} lacks {value}: the seed is a network of its space"
                )
        self.seed, self.stages = seed, list(stages_of(seed))
        self.neutral = {f"stage{n}.{knob}": v for n in range(1, len(self.stages) + 1) for knob, v in NEUTRAL.items()}
        distinct = {key: self.distinct(key, choices[key.partition(".")[2]]) for key in self.neutral}
        self.choices = {key: values for key, values in distinct.items() if len(values) > 1}
        self.count = math.prod(len(values) for values in self.choices.values())

    def distinct(self, key: str, values: Sequence[Any]) -> tuple[Any, ...]:
        """The first of those values each that make the same network, where nothing else is changed."""
        plans = [self.built({**self.neutral, key: value}) for value in values]
        return tuple(value for n, value in enumerate(values) if plans[n] not in plans[:n])

    def plan(self, point: Mapping[str, Any]) -> Plan:
        """The network of a point."""
        return self.built({**self.neutral, **point})

    def points(self) -> Iterator[Point]:
        """All points, one after the other."""
        for values in product(*self.choices.values()):
            yield dict(zip(self.choices, values, strict=True))

    def width(self, width: float) -> Point:
        """The point that is the seed with this width multiplier: one of `filters`, and all else `table`."""
        wanted = {key: width if key.endswith(".filters") else value for key, value in self.neutral.items()}
        return {key: self.like(key, wanted[key]) for key in self.choices}

    def like(self, key: str, value: Any) -> Any:
        """The choice that makes the same network as this value, where nothing else is changed."""
        plan = self.built({**self.neutral, key: value})
        return next(v for v in self.choices[key] if self.built({**self.neutral, key: v}) == plan)

    def changes(self, point: Mapping[str, Any]) -> str:
        """In words, where a point differs from the seed."""
        stages: dict[str, list[str]] = {}
        for key, value in point.items():
            stage, _, knob = key.partition(".")
            if value != self.like(key, NEUTRAL[knob]):
                text = f"{value:+d}" if knob == "layers" else str(value).lower()
                stages.setdefault(stage, []).append(f"{knob} {text}")
        return "; ".join(f"{stage} {', '.join(changed)}" for stage, changed in stages.items()) or "the seed"

    def built(self, point: Mapping[str, Any]) -> Plan:
        """The network of a point that leaves nothing out."""
        stem = channels = times(self.seed.stem, point["stage1.filters"])
        blocks: list[Block] = []
        for number, rows in enumerate(self.stages, 1):
            chosen = {knob: point[f"stage{number}.{knob}"] for knob in NEUTRAL}
            for row in with_layers(rows, chosen["layers"]):
                blocks.append(changed(row, channels, chosen))
                channels = blocks[-1].out
        last = times(self.seed.last, point[f"stage{len(self.stages)}.filters"])
        return self.seed._replace(stem=stem, blocks=tuple(blocks), last=last)


def stages_of(plan: Plan) -> Iterator[list[Row]]:
    """The rows of each stage: neighbours with as many channels, none but the first with a stride."""
    rows: list[Row] = []
    before = plan.stem
    for block in plan.blocks:
        if rows and (block.out != before or block.stride == 2):
            yield rows
            rows = []
        rows.append(Row(before, block))
        before = block.out
    yield rows


def with_layers(rows: Sequence[Row], more: int) -> list[Row]:
    """Fewer rows, or the last one repeated; the first, which may have the stride, always stays."""
    if more <= 0:
        return list(rows[: max(1, len(rows) + more)])
    last = rows[-1]
    return [*rows, *[last._replace(block=last.block._replace(stride=1))] * more]


def changed(row: Row, before: int, chosen: Mapping[str, Any]) -> Block:
    """A row as it is chosen, behind so many channels."""
    block = row.block
    if chosen["expansion"] != TABLE:
        expanded = make_divisible(before * chosen["expansion"])
    elif before == row.before:
        expanded = block.expanded
    else:
        expanded = make_divisible(block.expanded / row.before * before)
    return block._replace(
        kernel=block.kernel if chosen["kernel"] == TABLE else chosen["kernel"],
        expanded=expanded,
        out=times(block.out, chosen["filters"]),
        excite_hidden=excited(block, expanded, chosen["excite"]),
        act=block.act if chosen["act"] == TABLE else known(chosen["act"]),
    )


def excited(block: Block, expanded: int, chosen: Any) -> int:
    """Width inside the squeeze-and-excite of a row with a new expansion: a quarter, or the seed's share."""
    if chosen is False or (chosen == TABLE and not block.excite_hidden):
        return 0
    quarter = make_divisible(expanded // 4)
    if chosen is True or block.excite_hidden == make_divisible(block.expanded // 4):
        return quarter
    return max(1, round(block.excite_hidden / block.expanded * expanded))


def times(channels: int, width: float) -> int:
    """Channels with a multiplier; as they are without one, whatever they can be divided by."""
    return channels if width == 1 else make_divisible(channels * width)
