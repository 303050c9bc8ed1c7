"""Schedules: the rate at known steps."""

from itertools import pairwise

import pytest
import torch

from tasks.common.errors import UserError
from tasks.engine import schedules
from tasks.engine.schedules import constant, cosine, poly


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
    with pytest.raises(ValueError, match=r"warmup=1\.5 is neither a share of all steps, below 1, nor a number"):
        rates(cosine, 10, warmup=1.5)


def test_a_warm_up_of_steps_is_the_same_in_a_longer_training():
    short, long = (rates(constant, steps, warmup=3) for steps in (5, 50))
    assert short == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1, 1, 1]) and long[:6] == short
    assert rates(cosine, 13, warmup=3)[3::5] == pytest.approx([1, 0.5, 0]), "the cosine begins after it"
    assert rates(constant, 2, warmup=1) == [0.5, 1, 1]
    with pytest.raises(UserError, match=r"^scheduler\.warmup=3 steps: the training has 3; a share of them:"):
        rates(constant, 3, warmup=3)


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


def test_a_cosine_by_hand():
    quarters = rates(cosine, 8, warmup=0.0)[::2]
    assert quarters == pytest.approx([1, 0.8535534, 0.5, 0.1464466, 0])  # (1 + cos 45°) / 2 = (2 + √2) / 4
    late = rates(cosine, 10, warmup=0.2)[2::2]  # 8 steps after the warm-up of 2
    assert late == pytest.approx(quarters)


def test_a_polynomial_by_hand():
    assert rates(poly, 4, power=2, warmup=0.0) == pytest.approx([1, 9 / 16, 4 / 16, 1 / 16, 0])
    assert rates(poly, 4, power=0.9, warmup=0.0)[1] == pytest.approx(0.7718895)  # 0.75 ** 0.9


@pytest.mark.parametrize("schedule", [poly, cosine])
def test_a_rate_never_rises_after_the_warm_up(schedule):
    found = rates(schedule, 12, warmup=0.25, **({"power": 0.9} if schedule is poly else {}))
    assert found[:3] == pytest.approx([1 / 4, 2 / 4, 3 / 4]) and found[3] == 1
    assert all(after < before for before, after in pairwise(found[3:]))


@pytest.mark.parametrize(
    ("schedule", "options", "message"),
    [
        (schedules.step, {"milestones": [30], "factor": 0.1}, r"milestones=\[30\] are shares of all steps"),
        (
            schedules.exponential,
            {"decay": 0.9, "every": 0, "epochs": 4, "staircase": True},
            r"every=0 and scheduler\.epochs=4",
        ),
    ],
)
def test_values_without_meaning_are_refused(schedule, options, message):
    with pytest.raises(ValueError, match=message):
        rates(schedule, 10, warmup=0.0, **options)


def test_a_warm_up_from_a_share_is_torchs_linear_one():
    found = rates(constant, 6, warmup=4, warmup_from=0.2)
    assert found == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1])
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    linear = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.2, total_iters=4)
    theirs = []
    for _ in range(7):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        linear.step()
    assert found == pytest.approx(theirs)
    with pytest.raises(ValueError, match=r"warmup_from=0\.1 is a share above 0, and needs scheduler\.warmup above 0"):
        rates(cosine, 10, warmup=0.0, warmup_from=0.1)


def test_a_cosine_in_stairs_by_hand():
    """Four epochs of three steps: (1 + cos 0°, 45°, 90°, 135°) / 2; the warm-up in the first epoch moves nothing."""
    found = rates(cosine, 12, warmup=2, warmup_from=0.5, staircase=True, epochs=4)
    stairs = [1, 0.8535534, 0.5, 0.1464466]
    assert found == pytest.approx([0.5, 0.75, 1, *(rate for rate in stairs[1:] for _ in range(3)), 0])
    with pytest.raises(ValueError, match=r"scheduler\.epochs=0 must be above 0"):
        rates(cosine, 10, warmup=0.0, staircase=True, epochs=0)
