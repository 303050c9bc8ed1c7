"""RMSprop by hand, and weight decay where it belongs."""

import math

import pytest
import torch

from tasks.engine.build import build
from tasks.engine.optimizers import RMSpropTF
from tests.test_config import run_of


def test_rmsprop_by_hand():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = RMSpropTF([weight], lr=0.1, decay=0.9, momentum=0.5, epsilon=0.01, weight_decay=0.2)
    w, s, m = 1.0, 1.0, 0.0
    for gradient in (0.3, -0.7, 0.1):
        weight.grad = torch.tensor([gradient])
        optimizer.step()
        g = gradient + 0.2 * w
        s = 0.9 * s + 0.1 * g * g
        m = 0.5 * m + 0.1 * g / math.sqrt(s + 0.01)
        w -= m
        assert weight.item() == pytest.approx(w, rel=1e-6)


def test_rmsprop_goes_on_from_its_state():
    def step(weight, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            (weight**2).sum().backward()
            optimizer.step()

    whole = torch.nn.Parameter(torch.ones(3))
    optimizer = RMSpropTF([whole], lr=0.1)
    step(whole, optimizer, 4)
    half = torch.nn.Parameter(torch.ones(3))
    first = RMSpropTF([half], lr=0.1)
    step(half, first, 2)
    rest = torch.nn.Parameter(half.detach().clone())
    second = RMSpropTF([rest], lr=0.1)
    second.load_state_dict(first.state_dict())
    step(rest, second, 2)
    assert torch.equal(whole, rest)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -0.1}, "lr=-0.1 must be"),
        ({"lr": 1, "decay": 3}, "decay=3 must be"),
        ({"lr": 1, "epsilon": "abc"}, "epsilon=abc"),
    ],
)
def test_rmsprop_refuses_values_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        RMSpropTF([torch.nn.Parameter(torch.zeros(1))], **options)


def test_biases_and_normalisation_are_left_out_of_weight_decay():
    small = ("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35", "optimizer.weight_decay=0.3")
    classes = {"mask": [["road", 1, [0, 0, 0]], ["car", 2, [9, 9, 9]]]}
    learner = build(run_of(*small).learner, classes)
    names = {parameter: name for name, parameter in learner.named_parameters()}
    decayed, exempt = ([names[p] for p in group["params"]] for group in learner.make_optimizer().param_groups)
    assert [group["weight_decay"] for group in learner.make_optimizer().param_groups] == [0.3, 0.0]
    assert sorted(decayed + exempt) == sorted(names.values())
    assert decayed[0] == "backbone.blocks.0.0.weight" and exempt[:2] == [
        "backbone.blocks.0.1.weight",
        "backbone.blocks.0.1.bias",
    ]
    assert "tasks.segment.head.gate.weight" in decayed and "tasks.segment.head.gate.bias" in exempt
