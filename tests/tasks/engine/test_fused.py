"""The fused optimiser: where it is taken, that it gives the same weights, and that states go from one to the other."""

from functools import partial

import pytest
import torch
from torch.optim import SGD, AdamW

from tasks.engine.fused import chosen, keep_own_way
from tasks.engine.optimizers import RMSpropTF

GPU = [torch.nn.Parameter(torch.zeros(2, device="meta"))]
CPU = [torch.nn.Parameter(torch.zeros(2))]


@pytest.fixture
def weights_on_cuda(monkeypatch):
    """Weights that say they are there."""
    weight = torch.nn.Parameter(torch.zeros(2))
    monkeypatch.setattr(torch.nn.Parameter, "device", torch.device("cuda", 0), raising=False)
    return [weight]


@pytest.mark.parametrize("kind", [AdamW, SGD])
def test_it_is_taken_on_cuda_unless_something_else_is_typed(weights_on_cuda, kind):
    assert chosen(partial(kind, lr=0.1, fused=None), weights_on_cuda) == {"fused": True}
    assert chosen(partial(kind, lr=0.1), weights_on_cuda) == {"fused": True}, "configurations of before lack the key"
    for typed in ({"fused": False}, {"fused": True}, {"foreach": True}, {"differentiable": True}):
        assert chosen(partial(kind, lr=0.1, **typed), weights_on_cuda) == {}
    assert chosen(partial(kind, lr=0.1), weights_on_cuda, clips_scaled=True) == {}
    assert chosen(partial(kind, lr=0.1), []) == {}


def test_it_is_not_taken_elsewhere(weights_on_cuda):
    assert chosen(partial(RMSpropTF, lr=0.1), weights_on_cuda) == {}
    assert chosen(lambda weights: SGD(weights, lr=0.1), weights_on_cuda) == {}


@pytest.mark.parametrize("weights", [CPU, GPU])
def test_it_is_not_taken_on_other_devices(weights):
    assert chosen(partial(AdamW, lr=0.1), weights) == {}


def trained(optimizer, weight, steps):
    for step in range(steps):
        weight.grad = torch.linspace(-1, 1, 5) * (step + 1)
        optimizer.step()


@pytest.mark.parametrize("kind", [partial(AdamW, lr=0.1, weight_decay=0.1), partial(SGD, lr=0.1, momentum=0.9)])
def test_both_ways_go_on_from_each_others_states(kind):
    ends = []
    for first, second in ((False, False), (False, True), (True, False), (True, True)):
        weight = torch.nn.Parameter(torch.linspace(0, 1, 5))
        optimizer = kind([weight], fused=first)
        trained(optimizer, weight, 3)
        other = kind([weight], fused=second)
        keep_own_way(other)
        other.load_state_dict(optimizer.state_dict())
        assert other.param_groups[0]["fused"] is second
        trained(other, weight, 3)
        ends.append(weight.detach())
    assert all(torch.allclose(end, ends[0], rtol=1e-5, atol=1e-6) for end in ends)
    assert not torch.equal(ends[0], torch.linspace(0, 1, 5))
