"""RMSprop by hand, schedules at known points, weight decay where it belongs."""

import math

import pytest
import torch

from tasks.engine import schedules
from tasks.engine.optimizers import RMSpropTF
from tasks.engine.schedules import constant, cosine, poly


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


def rates(schedule, steps, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = schedule(optimizer, steps, **options)
    found = []
    for _ in range(steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_schedules_end_at_zero_after_their_warm_up():
    assert rates(poly, 10, power=0.9, warmup=0.0)[5] == pytest.approx(0.5**0.9)
    assert rates(cosine, 10, warmup=0.0)[:6:5] == pytest.approx([1.0, 0.5])
    for found in (rates(poly, 10, power=0.9, warmup=0.2), rates(cosine, 10, warmup=0.2)):
        assert found[:3] == pytest.approx([1 / 3, 2 / 3, 1.0]) and found[-1] == 0
    assert rates(constant, 5, warmup=0.0) == [1.0] * 6
    with pytest.raises(ValueError, match="warmup=2"):
        rates(cosine, 10, warmup=2)


def test_step_by_hand():
    found = rates(schedules.step, 10, milestones=[0.3, 0.6, 0.9], factor=0.1, warmup=0.0)
    assert found[:10] == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001])


def test_exponential_by_hand():
    found = rates(schedules.exponential, 8, decay=0.5, every=1, epochs=4, staircase=True, warmup=0.0)
    assert found[:8] == pytest.approx([1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125])
    smooth = rates(schedules.exponential, 8, decay=0.5, every=2, epochs=8, staircase=False, warmup=0.25)
    assert smooth[:2] == pytest.approx([1 / 3, 2 / 3]) and smooth[2:8] == pytest.approx(
        [0.5 ** (s / 2) for s in range(2, 8)]
    )


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
