"""One operator of a file's graph, whatever the format: its kind, and the facts that lists ask for."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import NamedTuple

Fact = str | int


class Operator(NamedTuple):
    """An operator of a graph.

    Attributes:
        kind: its name in the format, such as Conv or CONV_2D; with the domain in front if it is not ONNX's own.
        name: of this one, as far as the file names it.
        facts: by name, see facts_of() and the readers; a fact that the file does not tell is missing.
        cost: seconds of one run in the file's own runtime on this machine's CPU; None if it was not measured.
        here: whether that runtime's delegate takes it on this machine; None if it was not asked.
    """

    kind: str
    name: str
    facts: Mapping[str, Fact]
    cost: float | None = None
    here: bool | None = None


class Tensor(NamedTuple):
    """An operator's input or output: element type such as float32, sides (None: any), whether it is in the file."""

    type: str
    sides: Sequence[int | None] | None
    constant: bool


def facts_of(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> dict[str, Fact]:
    """The facts that every operator has.

    Returns:
        inputs, outputs, runtime_inputs, constant_inputs: how many. type: of the first input that is no constant. to: of
        the first output. rank: the largest number of dimensions of inputs and outputs that are no constants; in_rank of
        the first input. elements, outer: of the first output; outer is the product of all sides but the last three.
    """
    moving = [tensor for tensor in inputs if not tensor.constant]
    first = next(iter([*moving, *inputs]), None)
    facts: dict[str, Fact] = {
        "inputs": len(inputs),
        "outputs": len(outputs),
        "runtime_inputs": len(moving),
        "constant_inputs": len(inputs) - len(moving),
    }
    if first is not None:
        facts["type"] = first.type
        if first.sides is not None:
            facts["in_rank"] = len(first.sides)
    if outputs:
        facts["to"] = outputs[0].type
    ranks = [len(tensor.sides) for tensor in (*moving, *outputs) if tensor.sides is not None]
    if ranks:
        facts["rank"] = max(ranks)
    if outputs and (sides := outputs[0].sides) is not None and (fixed := known(sides)):
        facts |= {"elements": prod(fixed), "outer": prod(fixed[:-3]), "rows": prod(fixed[:-1])}
    return facts


def known(sides: Iterable[int | None]) -> list[int]:
    """The sides, if none is open; an empty list otherwise."""
    every = list(sides)
    return [side for side in every if side is not None] if None not in every else []


def listed(values: Iterable[int]) -> str:
    """Numbers as a fact: "1,2"."""
    return ",".join(map(str, values))


def as_quantised(operator: Operator) -> Operator:
    """An operator on float32 as it is after quantisation."""
    eight = {key: "int8" for key in ("type", "to") if operator.facts.get(key) == "float32"}
    return operator._replace(facts={**operator.facts, **eight})
