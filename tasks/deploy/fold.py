"""Folds batch normalisation into the preceding layer, and removes from a graph what only training needs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

ATEN = torch.ops.aten
FUSED: dict[Any, Callable[..., tuple[Tensor, Tensor]]] = {
    ATEN.conv2d.default: fuse_conv_bn_weights,
    ATEN.linear.default: fuse_linear_bn_weights,
}


def fold(graph: fx.GraphModule) -> int:
    """Simplify a graph of ATen operators from torch.export without changing what it computes.

    A normalisation with fixed statistics after a convolution or linear layer is merged into its weights and bias (up to
    the rounding of one multiplication); dropout and assertions are removed; pooling to 1×1 becomes a mean, which works
    for any size.

    Returns:
        Number of normalisations left, because another kind of node precedes them.
    """
    left = 0
    for node in list(graph.graph.nodes):
        if node.target is ATEN.batch_norm.default:
            left += not folded(graph, node)
        elif node.target in (ATEN.dropout.default, ATEN.dropout_.default):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
        elif node.target is ATEN._assert_tensor_metadata.default:
            graph.graph.erase_node(node)
        elif node.target is ATEN.adaptive_avg_pool2d.default and list(node.args[1]) == [1, 1]:
            node.target, node.args = ATEN.mean.dim, (node.args[0], [2, 3], True)
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.recompile()
    return left


def folded(graph: fx.GraphModule, norm: fx.Node) -> bool:
    """Fold one normalisation if it is the only reader of the layer before it."""
    layer = norm.args[0]
    if not isinstance(layer, fx.Node) or layer.target not in FUSED or len(layer.users) > 1:
        return False
    _, gain, shift, mean, variance, training, _, eps, *_ = norm.args
    given = [attribute(graph, node) for node in (*layer.args[1:3], *[None] * (3 - len(layer.args[:3])))]
    statistics = [attribute(graph, node) for node in (mean, variance)]
    affine = [attribute(graph, node) for node in (gain, shift)]
    if training or given[0] is None or any(tensor is None for tensor in statistics):
        return False
    weight, bias = FUSED[layer.target](given[0], given[1], *statistics, eps, *affine)
    name = f"{layer.args[1].target}_folded_{norm.args[3].target}".replace(".", "_")  # type: ignore[union-attr]
    with graph.graph.inserting_before(layer):
        layer.args = (
            layer.args[0],
            placed(graph, f"{name}_weight", weight),
            placed(graph, f"{name}_bias", bias),
            *layer.args[3:],
        )
    norm.replace_all_uses_with(layer)
    graph.graph.erase_node(norm)
    return True


def attribute(graph: fx.GraphModule, node: Any) -> Tensor | None:
    """The tensor of a node; None for anything else."""
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    path, _, name = str(node.target).rpartition(".")
    value = getattr(graph.get_submodule(path), name)
    return value if isinstance(value, Tensor) else None


def placed(graph: fx.GraphModule, name: str, tensor: Tensor) -> fx.Node:
    """A new node for a tensor stored in the graph; a layer that is called twice shares its parameter."""
    if not hasattr(graph, name):
        graph.register_parameter(name, torch.nn.Parameter(tensor.detach().clone(), requires_grad=False))
    return graph.graph.get_attr(name)
