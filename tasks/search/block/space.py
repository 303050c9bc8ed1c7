"""Search space of a block search: variations of a network by MobileNetV3's choices, stage by stage.

MnasNet (Tan et al., CVPR 2019), section 4.1: the layers of a stage share their choices; stages differ.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from backbones.blocks import make_divisible
from backbones.inverted import Block, Plan
from backbones.table import known
from tasks.common.errors import UserError

TABLE = "table"  # as in the seed's rows
NEUTRAL: dict[str, Any] = {
    "kernel": TABLE,
    "expansion": TABLE,
    "excite": TABLE,
    "act": TABLE,
    "filters": 1.0,
    "layers": 0,
}
Point = dict[str, Any]  # the choices, by keys like "stage1.kernel"


class Row(NamedTuple):
    """A row of the seed's table, with its number of input channels there."""

    before: int
    block: Block


class Space:
    """The choices of a search for each stage of a network; a stage's rows share their number of channels (`out`).

        kernel     of the depthwise convolutions
        expansion  channels inside a block, as a multiple of its input channels
        excite     whether there are squeeze-and-excites; new ones have a quarter of the expansion inside
        act        activation of the blocks
        filters    multiplies the stage's channels; the stem follows the first stage, the last convolution the last
        layers     number of blocks added to or removed from the seed's, keeping at least one

    `table` keeps each row as in the seed. Changing only filters, to the same value everywhere, gives the network that a
    width multiplier makes of the seed by the paper's rule.

    Args:
        seed: the network to vary.
        choices: values for each of these six, the same for every stage, including the seed's.

    Attributes:
        choices: by keys like "stage1.kernel", the values that make different networks, if there are several.
        listed: the only points, if restrict() was called.

    Raises:
        UserError: for choices that do not include the seed.
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
        self.listed: list[Point] | None = None

    @property
    def count(self) -> int:
        """Number of points."""
        return math.prod(map(len, self.choices.values())) if self.listed is None else len(self.listed)

    def restrict(self, points: Sequence[Point]) -> None:
        """Leave only these points."""
        self.listed = [dict(point) for point in points]

    def distinct(self, key: str, values: Sequence[Any]) -> tuple[Any, ...]:
        """Drop values that make the same network as an earlier value, if nothing else is changed."""
        plans = [self.built({**self.neutral, key: value}) for value in values]
        return tuple(value for n, value in enumerate(values) if plans[n] not in plans[:n])

    def plan(self, point: Mapping[str, Any]) -> Plan:
        """Network of a point; missing choices are the seed's."""
        return self.built({**self.neutral, **point})

    def holds(self, point: Point) -> bool:
        """Whether a point of these choices is one of the space's."""
        return self.listed is None or point in self.listed

    def points(self) -> Iterator[Point]:
        """Iterate over all points."""
        if self.listed is not None:
            yield from self.listed
            return
        for values in product(*self.choices.values()):
            yield dict(zip(self.choices, values, strict=True))

    def width(self, width: float) -> Point:
        """Point of the seed at this width multiplier, one of `filters`; all other choices are `table`."""
        wanted = {key: width if key.endswith(".filters") else value for key, value in self.neutral.items()}
        return {key: self.like(key, wanted[key]) for key in self.choices}

    def like(self, key: str, value: Any) -> Any:
        """The choice that makes the same network as this value, if nothing else is changed."""
        plan = self.built({**self.neutral, key: value})
        return next(v for v in self.choices[key] if self.built({**self.neutral, key: v}) == plan)

    def changes(self, point: Mapping[str, Any]) -> str:
        """Describe how a point differs from the seed."""
        stages: dict[str, list[str]] = {}
        for key, value in point.items():
            stage, _, knob = key.partition(".")
            if value != self.like(key, NEUTRAL[knob]):
                text = f"{value:+d}" if knob == "layers" else str(value).lower()
                stages.setdefault(stage, []).append(f"{knob} {text}")
        return "; ".join(f"{stage} {', '.join(changed)}" for stage, changed in stages.items()) or "the seed"

    def built(self, point: Mapping[str, Any]) -> Plan:
        """Network of a point that has all choices."""
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
    """Rows of each stage: consecutive rows of equal channels, of which only the first may have a stride."""
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
    """Remove rows, or repeat the last; the first row, which may have the stride, is always kept."""
    if more <= 0:
        return list(rows[: max(1, len(rows) + more)])
    last = rows[-1]
    return [*rows, *[last._replace(block=last.block._replace(stride=1))] * more]


def changed(row: Row, before: int, chosen: Mapping[str, Any]) -> Block:
    """Block of a row with the choices applied.

    Args:
        before: number of input channels.
        chosen: value of each choice.
    """
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
    """Width inside the squeeze-and-excite of a row with a new expansion: a quarter of it, or the seed's ratio."""
    if chosen is False or (chosen == TABLE and not block.excite_hidden):
        return 0
    quarter = make_divisible(expanded // 4)
    if chosen is True or block.excite_hidden == make_divisible(block.expanded // 4):
        return quarter
    return max(1, round(block.excite_hidden / block.expanded * expanded))


def times(channels: int, width: float) -> int:
    """Multiply channels and make them divisible; a width of 1 leaves them unchanged, whatever their divisor."""
    return channels if width == 1 else make_divisible(channels * width)
