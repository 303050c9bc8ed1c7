"""Several losses become one: sums by hand, the point where learnt weights rest, and equal gradients."""

import copy
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from tasks.common.errors import UserError
from tasks.config.heads_file import heads
from tasks.engine.loss_weights import FixedWeights, GradNorm, Uncertainty

ROOT = Path(__file__).parents[3]
TWO = ("segment", "detect")


def losses(*values, names=TWO):
    return dict(zip(names, map(torch.tensor, values), strict=True))


def none_shared():
    raise AssertionError("only GradNorm looks at the shared parameters")


def at(balance):
    return [round(float(weight), 4) for weight in balance.weights().values()]


@pytest.mark.parametrize("name", ["fixed", "uncertainty", "gradnorm"])
def test_the_configurations_start_as_the_plain_sum(name):
    config = OmegaConf.create({"loss_weights": heads()["loss_weights"]})
    config.balance = OmegaConf.load(ROOT / "conf" / "balance" / f"{name}.yaml")
    balance = instantiate(config.balance)(("segment",)).eval()
    assert balance(losses(3.0, names=("segment",)), none_shared).item() == 3.0
    assert {name: float(weight) for name, weight in balance.weights().items()} == {"segment": 1.0}


def test_fixed_weights():
    balance = FixedWeights(TWO, {"detect": 0.25, "classify": 7.0})
    assert float(balance(losses(3.0, 8.0), none_shared)) == 3.0 + 0.25 * 8.0
    assert float(balance(losses(8.0, names=("detect",)), none_shared)) == 2.0, "a batch may lack a task"
    assert at(balance) == [1.0, 0.25]
    assert not balance.state_dict()
    assert FixedWeights(()).weights() == {}, "nothing is trained where everything is frozen"


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"detekt": 1.0}, r"balance\.weights\.detekt: no such task \(did you mean detect\?\); there are segment"),
        ({"detect": -1.0}, r"balance\.weights\.detect=-1\.0 must be a number from 0"),
        ({"detect": math.nan}, r"balance\.weights\.detect=nan must be a number from 0"),
        ({"detect": None}, r"balance\.weights\.detect=None must be a number from 0"),
        (
            {"segment": 0, "detect": 0, "classify": 1},
            r"balance\.weights\.segment, .*detect: at least one must be above 0",
        ),
    ],
)
def test_wrong_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        FixedWeights(TWO, weights)


def test_uncertainty_by_hand():
    balance = Uncertainty(TWO, {"detect": math.log(4), "classify": 1.0})
    assert balance(losses(3.0, 8.0), none_shared).item() == pytest.approx(3 + 8 / 4 + math.log(4) / 2)
    assert at(balance) == [1.0, 0.25]
    assert all(parameter.ndim <= 1 for parameter in balance.parameters()), "no weight decay"
    with pytest.raises(ValueError, match=r"balance\.start\.detect=inf must be a number$"):
        Uncertainty(TWO, {"detect": math.inf})


def test_uncertainty_rests_where_the_variance_is_twice_the_loss():
    balance = Uncertainty(TWO)
    optimizer = torch.optim.SGD(balance.parameters(), lr=0.5)
    for _ in range(300):
        optimizer.zero_grad()
        balance(losses(0.1, 3.0), none_shared).backward()
        optimizer.step()
    assert [math.exp(value.item()) for value in map(balance.log_variance.get, TWO)] == pytest.approx(
        [0.2, 6.0], rel=1e-4
    )


class Pair(nn.Module):
    """Two linear losses of a shared vector: the norms of their gradients are `slopes` times √2."""

    def __init__(self, *slopes):
        super().__init__()
        self.vector = nn.Parameter(torch.ones(2))
        self.slopes = slopes

    def shared(self):
        return [self.vector]

    def losses(self, *offsets):
        pairs = zip(TWO, self.slopes, offsets or (0.0, 0.0), strict=True)
        return {name: slope * self.vector.sum() + offset for name, slope, offset in pairs}


@pytest.mark.parametrize(("alpha", "sign"), [(1.0, 1), (0.5, -1)])
def test_grad_norm_by_hand(alpha, sign):
    pair, balance = Pair(3.0, 1.0), GradNorm(TWO, alpha=alpha, rate=0.1, every=2)
    start = balance.weights()
    total = balance(pair.losses(), pair.shared)  # norms 3√2 and √2, mean 2√2; both targets are the mean
    assert float(total.detach()) == 6 + 2, "the step is for the next batch"
    total.backward()
    assert pair.vector.grad.tolist() == [4, 4], "and is not differentiated"
    assert list(start.values()) == [1, 1], "what was logged does not move"
    first, second = math.exp(-0.1 * 1.5), math.exp(0.1 * 0.5)
    weights = [2 * first / (first + second), 2 * second / (first + second)]
    assert [float(w) for w in balance.weights().values()] == pytest.approx(weights)
    before = balance.weights()
    balance(pair.losses(), pair.shared)
    assert balance.weights() == before, "every second batch"

    # Losses of 18 and 2, first 6 and 2: 3 and 1 are left, so r is 3/2 and 1/2. The first norm is 1.42 times the mean:
    # less than r, so that the task that lags behind gets more, though its norm is the larger; more than the root of r.
    norms = [3 * weights[0], weights[1]]
    mean = sum(norms) / 2
    assert 1.5**0.5 < norms[0] / mean < 1.5
    first = weights[0] * math.exp(sign * 0.1 * norms[0] / mean)
    second = weights[1] * math.exp(-sign * 0.1 * norms[1] / mean)
    weights = [2 * first / (first + second), 2 * second / (first + second)]
    balance(pair.losses(12.0, 0.0), pair.shared)
    assert [float(w) for w in balance.weights().values()] == pytest.approx(weights)
    assert balance.first.tolist() == [6, 2]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_grad_norm_makes_norms_equal(scale):
    pair, balance = Pair(100 * scale, scale), GradNorm(TWO, alpha=0.0, rate=0.025, every=1)
    for _ in range(300):
        balance(pair.losses(), pair.shared)
        first, second = (float(weight) for weight in balance.weights().values())
        assert min(first, second) > 0 and first + second == pytest.approx(2)
    assert 100 * first / second == pytest.approx(1, abs=0.06)


def test_grad_norm_without_a_task_leaves_its_weight():
    pair, balance = Pair(3.0, 1.0), GradNorm((*TWO, "classify"), alpha=1.0, rate=0.1, every=1)
    balance(pair.losses(), pair.shared)
    weights = balance.weights()
    assert float(weights["classify"]) == 1.0
    assert float(weights["segment"] + weights["detect"]) == pytest.approx(2)
    assert float(weights["segment"]) < 0.95


def test_grad_norm_only_moves_in_training():
    pair, balance = Pair(3.0, 1.0), GradNorm(TWO, alpha=1.0, rate=0.1, every=1)
    state = copy.deepcopy(balance.state_dict())
    with torch.no_grad():
        balance(pair.losses(), none_shared)
    balance.eval()(pair.losses(), none_shared)
    for name, tensor in balance.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_grad_norm_forgets_a_batch_that_overflowed():
    balance, once = (GradNorm(TWO, alpha=1.0, rate=0.1, every=1) for _ in range(2))
    for slope in (math.inf, 3.0, math.nan):
        pair = Pair(slope, 1.0)
        balance(pair.losses(), pair.shared)
    pair = Pair(3.0, 1.0)
    once(pair.losses(), pair.shared)
    assert balance.weights() == once.weights()
    assert balance.first.tolist() == [6, 2]


def test_grad_norm_goes_on_from_its_state():
    pair, balance = Pair(3.0, 1.0), GradNorm(TWO, alpha=1.5, rate=0.1, every=2)
    for step in range(3):
        balance(pair.losses(step, 1.0), pair.shared)
    resumed = GradNorm(TWO, alpha=1.5, rate=0.1, every=2)
    resumed.load_state_dict(balance.state_dict())
    for step in range(3):  # the third batch of each is a step
        for each in (balance, resumed):
            each(pair.losses(5.0 + step, 1.0), pair.shared)
        assert balance.weights() == resumed.weights()
    fresh = GradNorm(TWO, alpha=1.5, rate=0.1, every=2)
    fresh(pair.losses(7.0, 1.0), pair.shared)
    assert fresh.weights() != resumed.weights()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": -1}, r"balance\.alpha=-1 must be a number from 0"),
        ({"rate": "fast"}, r"balance\.rate=fast must be a number from 0"),
        ({"every": 0}, r"balance\.every=0 must be a whole number from 1"),
        ({"every": 1.5}, r"balance\.every=1\.5 must be a whole number from 1"),
    ],
)
def test_wrong_settings_of_grad_norm(change, message):
    with pytest.raises(ValueError, match=message):
        GradNorm(TWO, **({"alpha": 1.5, "rate": 0.1, "every": 1} | change))


def test_grad_norm_needs_something_shared():
    pair, balance = Pair(3.0, 1.0), GradNorm(TWO, alpha=1.0, rate=0.1, every=1)
    frozen = nn.Parameter(torch.ones(1), requires_grad=False)
    with pytest.raises(UserError, match="balance=gradnorm"):
        balance(pair.losses(), lambda: [frozen])


PROCESS = """
import sys
import torch
from torch.nn.parallel import DistributedDataParallel
from tasks.engine.loss_weights import GradNorm
from tests.tasks.engine.test_loss_weights import TWO, Pair

rank, store = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)


class Both(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.pair, self.balance = Pair(*((4.0, 1.0), (2.0, 3.0))[rank]), GradNorm(TWO, alpha=1.0, rate=0.1, every=1)

    def forward(self, *offsets):
        return self.balance(self.pair.losses(*offsets), self.pair.shared)


both = DistributedDataParallel(Both(), broadcast_buffers=False)  # equal by themselves
for step in range(3):
    both(float(rank * step), float(step)).backward()
print(*both.module.balance.weight.tolist(), *both.module.balance.first.tolist(), *both.module.pair.vector.grad.tolist())
torch.distributed.destroy_process_group()
"""


def test_two_processes_stay_equal(tmp_path):
    command = [sys.executable, "-c", PROCESS]
    processes = [
        subprocess.Popen([*command, str(rank), tmp_path / "store"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for rank in (0, 1)
    ]
    one, two = ([float(word) for word in process.communicate(timeout=60)[0].split()] for process in processes)
    assert one == two
    pair, balance = Pair(3.0, 2.0), GradNorm(TWO, alpha=1.0, rate=0.1, every=1)  # the means of both processes
    for step in range(3):
        balance(pair.losses(step / 2, float(step)), pair.shared)
    assert one[:4] == pytest.approx([*balance.weight.tolist(), *balance.first.tolist()])
