"""Rewrites of a network's graph for delegates that lack an operator: other operators, the same results."""

import math
from collections.abc import Collection
from typing import Any

from torch import Tensor, fx

from tasks.deploy.fold import ATEN


def hard_swish(graph: fx.Graph, node: fx.Node) -> bool:
    """x / 6 · clip(x + 3, 0, 6) in place of hard-swish; LiteRT's converter would undo x · (clip(x + 3, 0, 6) / 6)."""
    if node.target not in (ATEN.hardswish.default, ATEN.hardswish_.default):
        return False
    with graph.inserting_before(node):
        sixth = graph.call_function(ATEN.mul.Tensor, (node.args[0], 1 / 6))
    replace(graph, node, ATEN.mul.Tensor, (sixth, clipped(graph, node)))
    return True


def hard_sigmoid(graph: fx.Graph, node: fx.Node) -> bool:
    """clip(x + 3, 0, 6) / 6 in place of hard-sigmoid."""
    if node.target not in (ATEN.hardsigmoid.default, ATEN.hardsigmoid_.default):
        return False
    replace(graph, node, ATEN.mul.Tensor, (clipped(graph, node), 1 / 6))
    return True


def clipped(graph: fx.Graph, node: fx.Node) -> fx.Node:
    """New nodes before an activation that compute clip(x + 3, 0, 6) of its input."""
    with graph.inserting_before(node):
        raised = graph.call_function(ATEN.add.Tensor, (node.args[0], 3.0))
        return graph.call_function(ATEN.clamp.default, (raised, 0.0, 6.0))


def mean_as_pooling(graph: fx.Graph, node: fx.Node) -> bool:
    """A pooling whose window is the map in place of the mean over its sides, which must be fixed."""
    if node.target is not ATEN.mean.dim:
        return False
    map_, axes, *rest = node.args
    sides = shape_of(map_)
    if len(sides) != 4 or sorted(axis % 4 for axis in axes) != [2, 3]:  # type: ignore[union-attr, operator]
        return False
    if not all(isinstance(side, int) for side in sides[2:]):
        return False
    if rest and rest[0]:  # both sides are kept
        replace(graph, node, ATEN.avg_pool2d.default, (map_, list(sides[2:])))
        return True
    with graph.inserting_before(node):
        pooled = graph.call_function(ATEN.avg_pool2d.default, (map_, list(sides[2:])))
        replace(graph, node, ATEN.flatten.using_ints, (pooled, 1))
    return True


def four_dimensions(graph: fx.Graph, node: fx.Node) -> bool:
    """A permutation of four dimensions and one reshape in place of a reshape to five, a permutation and a reshape.

    (N, A·C, H, W) as (N, A, C, H, W), permuted to (N, H, W, A, C) and flattened, is (N, H, W, A·C) flattened.
    """
    views = (ATEN.view.default, ATEN.reshape.default)
    if node.target not in views or len(shape_of(node)) > 4:
        return False
    turned = node.args[0]
    if not isinstance(turned, fx.Node) or turned.target is not ATEN.permute.default or len(turned.users) > 1:
        return False
    split = turned.args[0]
    if list(turned.args[1]) != [0, 3, 4, 1, 2]:  # type: ignore[arg-type]
        return False
    if not isinstance(split, fx.Node) or split.target not in views or len(split.users) > 1:
        return False
    before, five = shape_of(split.args[0]), shape_of(split)
    if len(before) != 4 or before[1] != math.prod(five[1:3]) or before[2:] != five[3:] or before[0] != five[0]:
        return False
    with graph.inserting_before(node):
        turned_map = graph.call_function(ATEN.permute.default, (split.args[0], [0, 2, 3, 1]))
        replace(graph, node, ATEN.reshape.default, (turned_map, node.args[1]))
    graph.erase_node(turned)
    graph.erase_node(split)
    return True


def replace(graph: fx.Graph, node: fx.Node, target: Any, args: tuple[Any, ...]) -> None:
    """Put another call in a node's place."""
    with graph.inserting_before(node):
        new = graph.call_function(target, args)
    new.meta = dict(node.meta)  # the shape
    node.replace_all_uses_with(new)
    graph.erase_node(node)


def shape_of(node: Any) -> list[Any]:
    """The sides that torch.export noted for a node's result; empty if it noted none."""
    value = node.meta.get("val") if isinstance(node, fx.Node) else None
    return list(value.shape) if isinstance(value, Tensor) else []


APPLY = {  # by name: (graph, node) -> whether the node was one to rewrite
    "hard_swish": hard_swish,
    "hard_sigmoid": hard_sigmoid,
    "mean_as_pooling": mean_as_pooling,
    "four_dimensions": four_dimensions,
}


def rewrite(graph: fx.GraphModule, names: Collection[str]) -> dict[str, int]:
    """Apply rewrites by name wherever they are equal; returns how often each did.

    Args:
        graph: of ATEN operators from torch.export, with the shapes that it noted.
    """
    done = dict.fromkeys(names, 0)
    for name in names:
        for node in list(graph.graph.nodes):
            if node.op == "call_function":
                done[name] += APPLY[name](graph.graph, node)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return done
