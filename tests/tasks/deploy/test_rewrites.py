"""Rewrites: the old operators are gone, the outputs are equal, and what is not equal is left alone."""

import pytest
import torch
from torch import nn

from tasks.deploy.fold import ATEN, fold
from tasks.deploy.network import trace
from tasks.deploy.rewrite_table import REWRITES, format_rewrites, possible, rewrites_for
from tasks.deploy.rewrites import APPLY, rewrite
from tests.tasks.deploy.conftest import SIZE, network, noise
from tests.tasks.deploy.test_network import graph_of, operators


class Mean(nn.Module):
    """The mean over some axes."""

    def __init__(self, axes: list[int], keepdim: bool) -> None:
        super().__init__()
        self.axes, self.keepdim = axes, keepdim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(self.axes, keepdim=self.keepdim)


class FiveDimensions(nn.Module):
    """A detection head's outputs by way of five dimensions: (N, 2 · 4, H, W) as (N, H · W · 2, 4)."""

    def __init__(self, order: tuple[int, ...] = (0, 3, 4, 1, 2)) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(len(x), 2, 4, *x.shape[2:]).permute(*self.order).reshape(len(x), -1, 4)


CASES = {
    "hard_swish": (nn.Sequential(nn.Conv2d(8, 8, 1), nn.Hardswish()), ATEN.hardswish.default),
    "hard_sigmoid": (nn.Hardsigmoid(), ATEN.hardsigmoid.default),
    "mean_as_pooling": (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1)), ATEN.mean.dim),
    "mean_as_pooling, no sides": (Mean([-1, -2], False), ATEN.mean.dim),
    "four_dimensions": (FiveDimensions(), None),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_outputs_without_the_operator(case):
    module, gone = CASES[case]
    image = 4 * torch.randn(2, 8, 5, 7)
    graph = graph_of(module, image)
    fold(graph)
    assert gone is None or gone in operators(graph)
    name = case.partition(",")[0]
    assert rewrite(graph, [name]) == {name: 1}
    assert gone not in operators(graph)
    with torch.no_grad():
        torch.testing.assert_close(graph(image), module(image), rtol=1e-6, atol=1e-6)
    again = torch.export.export(graph, (image,))
    assert all(len(node.meta["val"].shape) <= 4 for node in again.graph.nodes if "val" in node.meta and is_tensor(node))


def is_tensor(node: torch.fx.Node) -> bool:
    return isinstance(node.meta["val"], torch.Tensor)


OTHERS = {
    "mean over one side": ("mean_as_pooling", Mean([3], True)),
    "mean over channels": ("mean_as_pooling", Mean([1, 2], True)),
    "another order": ("four_dimensions", FiveDimensions((0, 4, 3, 1, 2))),
    "another activation": ("hard_swish", nn.SiLU()),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_not_equal_is_left_alone(case):
    name, module = OTHERS[case]
    image = torch.randn(2, 8, 5, 7)
    graph = graph_of(module, image)
    before = operators(graph)
    assert rewrite(graph, [name]) == {name: 0} and operators(graph) == before


def test_a_whole_network_for_nnapi():
    learner, _ = network("heads=[segment]")
    names = rewrites_for("nnapi")
    plain, other = (trace(learner, batch=1, size=SIZE, rewrites=chosen) for chosen in ((), names))
    kinds = {node.target for node in other.program.graph.nodes}
    assert {ATEN.hardswish.default, ATEN.hardsigmoid.default, ATEN.mean.dim}.isdisjoint(kinds)
    assert all(other.rewritten[name] > 0 for name in names) and not plain.rewritten
    with torch.no_grad():
        for ours, theirs in zip(*(each.program.module()(noise(1)) for each in (plain, other)), strict=True):
            torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-4 * float(ours.abs().max()))


def test_the_table_names_what_there_is():
    assert REWRITES.keys() == APPLY.keys()
    assert possible("nnapi", ["HardSwish", "Conv", "HardSwish"]) == {"hard_swish": 2}
    assert possible("onnxruntime", ["HardSwish"]) == {}
    assert possible("edgetpu", ["HARD_SWISH"]) == {"hard_swish": 1} and rewrites_for("xnnpack") == []
    assert format_rewrites({"hard_swish": 2, "hard_sigmoid": 0}) == "hard-swish as Add, Clip and Mul (2)"
    assert format_rewrites({}) == "nothing to rewrite"
