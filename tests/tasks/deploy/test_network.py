"""The network as a graph: batch normalisation folded away, the same tensors, what cannot be left open."""

import copy

import pytest
import torch
from torch import nn

from tasks.common.errors import UserError
from tasks.data.streets.dataset import Streets
from tasks.deploy.fold import ATEN, fold
from tasks.deploy.network import trace
from tasks.engine.build import build
from tests.tasks.deploy.conftest import SIZE, SMALL, enliven, network, noise
from tests.test_config import run_of


def graph_of(module: nn.Module, image: torch.Tensor):
    """A module in inference as a graph of ATen operators."""
    with torch.no_grad():
        return torch.export.export(module.eval(), (image,)).module(check_guards=False)


def operators(graph) -> list:
    return [node.target for node in graph.graph.nodes if node.op == "call_function"]


def lively(module: nn.Module) -> nn.Module:
    """Normalisations with statistics and weights that change what they normalise."""
    torch.manual_seed(1)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
            nn.init.normal_(norm.running_mean)
            if norm.affine:
                nn.init.uniform_(norm.weight, 0.5, 2.0)
                nn.init.normal_(norm.bias)
    return module.eval()


def assert_folded(module: nn.Module, image: torch.Tensor, left: int = 0) -> list:
    """The graph computes the same with so many normalisations; returns its operators."""
    graph = graph_of(module, image)
    norms = operators(graph).count(ATEN.batch_norm.default)
    assert norms > left
    assert fold(graph) == left and operators(graph).count(ATEN.batch_norm.default) == left
    with torch.no_grad():
        torch.testing.assert_close(graph(image), module(image), rtol=1e-4, atol=1e-4)
    return operators(graph)


LAYERS = {
    "convolution": nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU()),
    "with a bias": nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, eps=0.1)),
    "depthwise": nn.Sequential(nn.Conv2d(3, 6, 3, groups=3, stride=2, padding=1, bias=False), nn.BatchNorm2d(6)),
    "without weights": nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6, affine=False)),
    "linear": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5, bias=False), nn.BatchNorm1d(5)),
}


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_a_normalisation_becomes_part_of_the_layer_in_front_of_it(layers):
    assert_folded(lively(copy.deepcopy(layers)), torch.randn(2, 3, 8, 9))


def test_what_only_training_needs_goes():
    layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1))
    kinds = assert_folded(lively(layers), torch.randn(2, 3, 8, 9))
    assert kinds == [ATEN.conv2d.default, ATEN.mean.dim]


class Twice(nn.Module):
    """One convolution called twice: with its own normalisation, and once more with another, or with none."""

    def __init__(self, second: nn.Module) -> None:
        super().__init__()
        self.layer, self.first, self.second = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(self.layer(x)) + self.second(self.layer(x.flip(-1)))


@pytest.mark.parametrize("second", [nn.BatchNorm2d(4), nn.Identity()], ids=["another", "none"])
def test_a_layer_that_is_called_twice_keeps_both_meanings(second):
    assert_folded(lively(Twice(second)), torch.randn(2, 3, 8, 9))


class Unfoldable(nn.Module):
    """Normalisations of an image, of a sum, and of a map that is read elsewhere too."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(3))
        self.layer = nn.Conv2d(3, 3, 1)
        self.last = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second, third = self.norms
        maps = self.layer(first(x))
        return self.last(second(maps + x) + third(maps))


def test_a_normalisation_behind_something_else_stays_and_is_counted():
    assert_folded(lively(Unfoldable()), torch.randn(2, 3, 8, 9), left=3)


HEADS = {
    "all heads": ("multitask", *SMALL),
    "a hidden layer that is normalised": ("classify", "backbone=mobilenet_v4_conv_small", "backbone.width=0.25"),
    "resnet50": ("classify", "backbone=resnet50"),
}


@pytest.mark.parametrize("arguments", HEADS.values(), ids=HEADS)
def test_networks_leave_no_normalisation(arguments):
    task, *overrides = arguments
    learner = enliven(build(run_of(*overrides, task=task).learner, Streets.classes))
    traced = trace(learner, batch=2, size=(64, 64))
    assert traced.unfolded == 0
    kinds = [node.target for node in traced.program.graph.nodes]
    assert ATEN.batch_norm.default not in kinds and ATEN.dropout.default not in kinds
    images = noise(2, (64, 64))
    with torch.inference_mode():
        got = dict(zip(traced.outputs, traced.program.module()(images), strict=True))
        for name, task_of in learner.each_task():
            for role, expected in task_of.tensors(learner(images)[name], (64, 64), "raw").items():
                tensor = got[traced.names[name][role]]
                torch.testing.assert_close(tensor, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_the_network_itself_is_left_alone():
    learner, _ = network("heads=[classify]")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    trace(learner, batch=1, size=SIZE, dtype=torch.bfloat16)
    for name, value in learner.state_dict().items():
        assert value.dtype == before[name].dtype and torch.equal(value, before[name])
    assert learner.backbone.mean.dtype == torch.float32 and not learner.training


def test_half_precision_gives_float32():
    learner, _ = network("heads=[classify]")
    traced = trace(learner, batch=1, size=SIZE, dtype=torch.bfloat16)
    images = noise(1)
    with torch.inference_mode():
        (got,), expected = traced.program.module()(images), learner(images)["classify"]
    assert got.dtype == torch.float32 and not torch.equal(got, expected)
    torch.testing.assert_close(got, expected, rtol=0, atol=0.1 * float(expected.abs().max()))


def test_a_size_cannot_be_left_open_where_a_window_depends_on_it():
    """Lite R-ASPP pools over 49 cells, or the whole map if that is smaller: a constant in a graph."""
    learner, _ = network("heads=[segment]")
    with pytest.raises(UserError, match=r"export\.size=dynamic: this network needs one size"):
        trace(learner, batch=1, size=SIZE, any_size=True)
